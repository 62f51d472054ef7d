// The map under the drawing: the community, the fence with its margins, where the wearer was, would-be alarms.

import * as maplibregl from "../vendor/maplibre-gl/maplibre-gl.mjs";
import { area, places } from "./fence_ground.js";

const NOTHING = { type: "FeatureCollection", features: [] };
const feature = (geometry, properties = {}) => ({ type: "Feature", geometry, properties });
const collection = (features) => ({ type: "FeatureCollection", features });
const DASHES = { leave: [3, 2], back: [0.5, 2.5], approach: [6, 3] };

export class FenceMap {
  constructor(element, given) {
    this.given = given;
    this.element = element;
    this.rings = {};
    this.ground = null;
    this.track = NOTHING;
    this.marks = [];
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    const [lat, lon] = given.seen ? [given.seen.lat, given.seen.lon] : given.middle;
    this.map = new maplibregl.Map({
      container: element,
      style: this.style(),
      center: [lon, lat],
      zoom: 16.4,
      minZoom: 9,
      maxZoom: 20,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      locale: { "NavigationControl.ZoomIn": given.words.zoomIn, "NavigationControl.ZoomOut": given.words.zoomOut, "Map.Title": given.words.map },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    const told = () => {
      const { lat: south, lng } = this.map.getCenter();
      element.dataset.view = [south, lng, this.map.getZoom()].join(" ");
    };
    this.map.on("moveend", told);
    told();
    this.dark.addEventListener("change", () => this.map.setStyle(this.style()));
  }

  style() {
    return `${this.given.style}?theme=${this.dark.matches ? "dark" : "light"}`;
  }

  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  // The colours of the fence: green to keep in, red to keep out; told apart by the dashes and the words too.
  colours(keep) {
    return { line: this.colour(keep === "out" ? "danger" : "good"), hole: this.colour("warning"), card: this.colour("card") };
  }

  overlay(keep) {
    const { line } = this.colours(keep);
    const { map } = this;
    for (const name of ["fence-area", "fence-rings", "fence-track"]) map.addSource(name, { type: "geojson", data: NOTHING });
    map.addLayer({ id: "fence-area", type: "fill", source: "fence-area", paint: { "fill-color": line, "fill-opacity": 0.16 } });
    map.addLayer({ id: "fence-edge", type: "line", source: "fence-area", paint: { "line-color": line, "line-width": 2.5 } });
    for (const [name, dash] of Object.entries(DASHES)) {
      map.addLayer({
        id: `fence-${name}`,
        type: "line",
        source: "fence-rings",
        filter: ["==", ["get", "ring"], name],
        layout: { "line-cap": name === "back" ? "round" : "butt" },
        paint: { "line-color": name === "approach" ? this.colour("warning") : line, "line-width": 2, "line-dasharray": dash },
      });
    }
    map.addLayer({ id: "fence-track", type: "line", source: "fence-track", layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": this.colour("information"), "line-width": 2, "line-opacity": 0.55 } });
    const { seen } = this.given;
    map.addSource("fence-here", { type: "geojson", data: seen ? feature({ type: "Point", coordinates: [seen.lon, seen.lat] }) : NOTHING });
    map.addLayer({ id: "fence-here", type: "circle", source: "fence-here", paint: { "circle-radius": 7, "circle-color": this.colour("brand"), "circle-stroke-color": this.colour("card"), "circle-stroke-width": 3 } });
    this.element.dataset.theme = this.dark.matches ? "dark" : "light";
    this.draw();
  }

  // The ground as it is under the finger now; the margins of the server follow, and till then the area of a way.
  show(ground) {
    this.ground = ground;
    this.rings = ground?.kind === "corridor" && this.rings.area ? { area: this.rings.area } : {};
    this.draw();
  }

  // While a fence is carried its margins go with it.
  holdRings() {
    this.held = this.rings;
  }

  carry(ground, [byLat, byLon]) {
    const step = (place) => [place[0] + byLon, place[1] + byLat];
    const carried = (one) => ({ ...one, coordinates: one.coordinates.map((rings) => rings.map((ring) => ring.map(step))) });
    this.ground = ground;
    this.rings = Object.fromEntries(Object.entries(this.held).map(([name, one]) => [name, carried(one)]));
    this.draw();
  }

  recolour(keep) {
    const { line } = this.colours(keep);
    this.map.setPaintProperty("fence-area", "fill-color", line);
    for (const name of ["edge", "leave", "back"]) this.map.setPaintProperty(`fence-${name}`, "line-color", line);
  }

  showRings(rings) {
    this.rings = rings;
    this.draw();
  }

  draw() {
    const { map } = this;
    if (!map.getSource("fence-area")) return;
    const ground = this.rings.area ?? area(this.ground);
    map.getSource("fence-area").setData(ground ? collection([feature(ground)]) : NOTHING);
    const rings = Object.keys(DASHES).filter((name) => this.rings[name]);
    map.getSource("fence-rings").setData(collection(rings.map((ring) => feature(this.rings[ring], { ring }))));
    map.getSource("fence-track").setData(this.track);
  }

  // Bring a ground into view; not where it can be seen already, unless `always`.
  look(ground, always = false) {
    const bounds = new maplibregl.LngLatBounds();
    for (const [lat, lon] of places(ground)) bounds.extend([lon, lat]);
    this.fit(bounds, always);
  }

  lookAtRings() {
    const bounds = new maplibregl.LngLatBounds();
    for (const [ring] of this.rings.area?.coordinates ?? []) for (const place of ring) bounds.extend(place);
    this.fit(bounds, true);
  }

  fit(bounds, always) {
    if (bounds.isEmpty()) return;
    const seen = this.map.getBounds();
    if (!always && seen.contains(bounds.getNorthEast()) && seen.contains(bounds.getSouthWest())) return;
    const wide = this.element.clientWidth > 560;
    const padding = wide ? { top: 90, bottom: 110, left: 60, right: 80 } : { top: 84, bottom: 96, left: 24, right: 64 };
    this.map.fitBounds(bounds, { padding, maxZoom: 18, animate: !this.calm.matches && this.map.loaded(), duration: 500 });
  }

  showTrial(alarms, track) {
    for (const mark of this.marks) mark.remove();
    this.track = collection(track.map((coordinates) => feature({ type: "LineString", coordinates })));
    this.marks = alarms.map(({ number, lat, lon, what }) => {
      const mark = document.createElement("span");
      mark.className = "fence-alarm";
      mark.textContent = number;
      mark.title = what;
      return new maplibregl.Marker({ element: mark }).setLngLat([lon, lat]).addTo(this.map);
    });
    this.draw();
    if (!alarms.length) return;
    const bounds = new maplibregl.LngLatBounds();
    for (const { lat, lon } of alarms) bounds.extend([lon, lat]);
    for (const [lat, lon] of places(this.ground)) bounds.extend([lon, lat]);
    this.fit(bounds, false);
  }
}
