// Drawing with Terra Draw: it makes and bends outlines, and hands over a ground after each stroke.
// A circle is bent by its radius: a line of two ends, its middle and its edge.

import {
  TerraDraw,
  TerraDrawCircleMode,
  TerraDrawLineStringMode,
  TerraDrawModeUndoRedo,
  TerraDrawPolygonMode,
  TerraDrawSelectMode,
} from "../vendor/terra-draw/terra-draw.mjs";
import { TerraDrawMapLibreGLAdapter } from "../vendor/terra-draw/adapter.mjs";
import { east, metres } from "./fence_ground.js";

const REACH_PX = 28;
const USUAL_HALF_M = 30;
const MODES = { circle: "circle", polygon: "polygon", corridor: "way", hole: "hole" };
const round = (corner) => corner.map((degree) => Number(degree.toFixed(7)));
const turned = (corners) => corners.map(([first, second]) => [second, first]);
const toMap = (corners) => turned(corners).map(round);
const closed = (ring) => [...ring, ring[0]];
const handle = { feature: { draggable: false, coordinates: { draggable: true, midpoints: { draggable: true }, deletable: true } } };

export class Drawing {
  // `said(ground, ended)`: a ground was bent or drawn, with or without the stroke's end; `state()`: tools change.
  constructor(map, colours, { said, state }) {
    this.said = said;
    this.state = state;
    this.ground = null;
    this.ids = {};
    this.showing = false;
    const lines = { lineStringColor: colours.line, lineStringWidth: 3, closingPointColor: colours.line, closingPointWidth: 9, closingPointOutlineColor: colours.card, closingPointOutlineWidth: 3, coordinatePointColor: colours.line, coordinatePointWidth: 6, coordinatePointOutlineColor: colours.card, coordinatePointOutlineWidth: 2 };
    const areas = { ...lines, fillColor: colours.line, fillOpacity: 0.12, outlineColor: colours.line, outlineWidth: 3 };
    const hollow = { ...areas, fillColor: colours.hole, outlineColor: colours.hole, closingPointColor: colours.hole, coordinatePointColor: colours.hole };
    const points = { selectionPointColor: colours.card, selectionPointWidth: 8, selectionPointOutlineColor: colours.line, selectionPointOutlineWidth: 4, midPointColor: colours.line, midPointOpacity: 0.75, midPointWidth: 5, midPointOutlineColor: colours.card, midPointOutlineWidth: 2 };
    const selected = { selectedPolygonColor: colours.line, selectedPolygonFillOpacity: 0.01, selectedPolygonOutlineColor: colours.line, selectedPolygonOutlineWidth: 3, selectedLineStringColor: colours.line, selectedLineStringWidth: 3 };
    this.draw = new TerraDraw({
      adapter: new TerraDrawMapLibreGLAdapter({ map, coordinatePrecision: 7, minPixelDragDistance: 3, minPixelDragDistanceDrawing: 4 }),
      modes: [
        new TerraDrawSelectMode({
          pointerDistance: REACH_PX,
          allowManualDeselection: false,
          keyEvents: null,
          flags: { polygon: handle, hole: handle, way: handle, radius: { feature: { coordinates: { draggable: true } } } },
          styles: { ...points, ...selected },
        }),
        new TerraDrawCircleMode({ drawInteraction: "click-move-or-drag", styles: areas }),
        new TerraDrawPolygonMode({ pointerDistance: REACH_PX, showCoordinatePoints: true, styles: areas }),
        new TerraDrawPolygonMode({ modeName: "hole", pointerDistance: REACH_PX, showCoordinatePoints: true, styles: hollow }),
        new TerraDrawLineStringMode({ modeName: "way", pointerDistance: REACH_PX, showCoordinatePoints: true, styles: lines }),
        new TerraDrawLineStringMode({ modeName: "radius", styles: { ...lines, lineStringWidth: 2 } }),
      ],
      undoRedo: { modeLevel: new TerraDrawModeUndoRedo() },
    });
    this.canvas = map.getCanvas();
    this.draw.start();
    this.draw.on("finish", (id, context) => this.finished(id, context.action));
    this.draw.on("change", (ids, kind) => {
      if (kind === "update" && !this.showing && this.draw.getMode() === "select" && ids.includes(this.ids.outer)) this.bent(false);
      this.state();
    });
  }

  get drawing() {
    return this.draw.enabled && Object.values(MODES).includes(this.draw.getMode());
  }

  get begun() {
    return this.draw.enabled && this.draw.getModeState() === "drawing";
  }

  // Begin to draw a shape, or a hole of the polygon that is there.
  begin(what) {
    if (what !== "hole") this.clear();
    else this.show(this.ground, "static");
    this.draw.setMode(MODES[what]);
    this.draw.clearUndoRedoHistory();
    this.state();
  }

  // The outline that is being drawn is complete.
  complete() {
    this.canvas.dispatchEvent(new KeyboardEvent("keyup", { key: "Enter" }));
  }

  undo() {
    return this.begun && this.draw.canUndo() && this.draw.undo();
  }

  redo() {
    return this.begun && this.draw.canRedo() && this.draw.redo();
  }

  clear() {
    this.draw.setMode("static");
    this.draw.clear();
    this.ids = {};
  }

  // Show a ground with handles to bend it (`mode` select), or still (static).
  show(ground, mode = "select") {
    this.clear();
    this.ground = ground;
    this.settled = ground;
    if (!ground || ground.kind === "parts") return;
    const add = (kind, geometry) => this.draw.addFeatures([{ type: "Feature", geometry, properties: { mode: kind } }])[0];
    const ring = (corners) => ({ type: "Polygon", coordinates: [toMap(closed(corners))] });
    let made = null;
    if (ground.kind === "polygon" && ground.polygon.length > 2) {
      made = add("polygon", ring(ground.polygon));
      this.ids.holes = ground.holes.filter((hole) => hole.length > 2).map((hole) => add("hole", ring(hole)).id);
    } else if (ground.kind === "corridor" && ground.line.length > 1) {
      made = add("way", { type: "LineString", coordinates: toMap(ground.line) });
    } else if (ground.kind === "circle") {
      made = add("radius", { type: "LineString", coordinates: toMap([ground.centre, east(ground.centre, ground.radius_m)]) });
    }
    if (!made?.valid) return;
    this.ids.outer = made.id;
    this.showing = true; // what is selected is told as changed too
    if (mode === "select") this.draw.selectFeature(made.id);
    this.showing = false;
  }

  stop() {
    if (this.draw.enabled) this.draw.stop();
  }

  // ---------------------------------------------------------------- what came of a stroke

  corners(id) {
    const { type, coordinates } = this.draw.getSnapshotFeature(id).geometry;
    return turned(type === "Polygon" ? coordinates[0].slice(0, -1) : coordinates);
  }

  finished(id, action) {
    if (action !== "draw") {
      this.bent(true);
      return;
    }
    const { mode, radiusKilometers } = this.draw.getSnapshotFeature(id).properties;
    const corners = this.corners(id);
    if (mode === "circle") this.ground = { kind: "circle", centre: middle(corners), radius_m: Math.max(1, radiusKilometers * 1000) };
    else if (mode === "polygon") this.ground = { kind: "polygon", polygon: corners, holes: [] };
    else if (mode === "hole") this.ground = { ...this.ground, holes: [...this.ground.holes, corners] };
    else this.ground = { kind: "corridor", line: corners, half_width_m: this.ground?.half_width_m ?? USUAL_HALF_M };
    // Terra Draw is still inside its own stroke: the outline is shown anew after it.
    queueMicrotask(() => {
      this.show(this.ground);
      this.said(this.ground, true);
    });
  }

  bent(ended) {
    const corners = this.corners(this.ids.outer);
    const holes = (this.ids.holes ?? []).map((id) => this.corners(id));
    if (this.ground.kind === "polygon") this.ground = { kind: "polygon", polygon: corners, holes };
    else if (this.ground.kind === "corridor") this.ground = { ...this.ground, line: corners };
    else {
      const [centre, edge] = corners;
      const { centre: was, radius_m } = this.settled;
      const walked = metres(centre, was) > 0.1;
      this.ground = { kind: "circle", centre, radius_m: walked ? radius_m : Math.max(1, metres(centre, edge)) };
      if (ended && walked) queueMicrotask(() => this.show(this.ground));
    }
    if (ended) this.settled = this.ground;
    this.said(this.ground, ended);
  }
}

function middle(corners) {
  const lats = corners.map(([lat]) => lat);
  const lons = corners.map(([, lon]) => lon);
  return [(Math.min(...lats) + Math.max(...lats)) / 2, (Math.min(...lons) + Math.max(...lons)) / 2];
}
