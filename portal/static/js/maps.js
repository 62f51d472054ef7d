// What every map of the house shares: the base style by day and by night, controls, colours, shapes, ring pictures.

import * as maplibregl from "../vendor/maplibre-gl/maplibre-gl.mjs";

export const dark = window.matchMedia("(prefers-color-scheme: dark)");
export const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

const METRES_A_DEGREE = 111_195;
const CIRCLE_CORNERS = 48;
export const FONT = ["Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"];
export const VIEW_PADDING = { top: 56, bottom: 48, left: 56, right: 92 };

export const collection = (features) => ({ type: "FeatureCollection", features });
export const feature = (geometry, properties = {}, id = undefined) => ({ type: "Feature", id, geometry, properties });
export const point = (lon, lat) => ({ type: "Point", coordinates: [lon, lat] });

export function circle(lat, lon, radius_m) {
  const across = METRES_A_DEGREE * Math.cos((lat * Math.PI) / 180);
  const ring = [];
  for (let corner = 0; corner <= CIRCLE_CORNERS; corner += 1) {
    const angle = (corner / CIRCLE_CORNERS) * 2 * Math.PI;
    ring.push([lon + (radius_m * Math.cos(angle)) / across, lat + (radius_m * Math.sin(angle)) / METRES_A_DEGREE]);
  }
  return { type: "Polygon", coordinates: [ring] };
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function fenceLayers(map, areas) {
  map.addSource("fences", { type: "geojson", data: collection(areas.map((one) => feature(one.area, { name: one.name }))) });
  map.addLayer({ id: "fence-areas", type: "fill", source: "fences", paint: { "fill-color": colour("information"), "fill-opacity": 0.08 } });
  map.addLayer({
    id: "fence-edges",
    type: "line",
    source: "fences",
    paint: { "line-color": colour("information"), "line-width": 2, "line-dasharray": [3, 2] },
  });
}

// A ring as a picture: full, fading, grey for old; dashed for an estimate; red for an alarm.
export function ringPicture({ freshness, estimated, alarm, chosen }) {
  const scale = 2;
  const size = 56 * scale;
  const canvas = document.createElement("canvas");
  canvas.width = size;
  canvas.height = size;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const middle = size / 2;
  const radius = 20 * scale;
  const line = alarm ? colour("danger") : freshness === "old" || freshness === "never" ? colour("line-strong") : colour("brand");
  pen.beginPath();
  pen.arc(middle, middle, radius + 3 * scale, 0, 2 * Math.PI);
  pen.fillStyle = "rgb(0 0 0 / 18%)";
  pen.fill();
  pen.beginPath();
  pen.arc(middle, middle, radius + 1.5 * scale, 0, 2 * Math.PI);
  pen.fillStyle = alarm ? colour("danger-soft") : colour("card");
  pen.fill();
  pen.beginPath();
  pen.arc(middle, middle, radius - 0.5 * scale, 0, 2 * Math.PI);
  pen.lineWidth = 4 * scale;
  pen.strokeStyle = line;
  pen.globalAlpha = freshness === "fading" && !alarm ? 0.55 : 1;
  if (estimated) pen.setLineDash([7 * scale, 5 * scale]);
  pen.stroke();
  if (chosen) {
    pen.globalAlpha = 1;
    pen.setLineDash([]);
    pen.beginPath();
    pen.arc(middle, middle, radius + 5 * scale, 0, 2 * Math.PI);
    pen.lineWidth = 3 * scale;
    pen.strokeStyle = colour("ink");
    pen.stroke();
  }
  return { image: pen.getImageData(0, 0, size, size), pixelRatio: scale };
}

class AllControl {
  constructor(words, see) {
    this.words = words;
    this.see = see;
  }

  onAdd() {
    this.group = document.createElement("div");
    this.group.className = "maplibregl-ctrl maplibregl-ctrl-group";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "maplibregl-ctrl-all";
    button.title = this.words;
    button.setAttribute("aria-label", this.words);
    button.innerHTML = '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="M8 3H5a2 2 0 0 0-2 2v3M21 8V5a2 2 0 0 0-2-2h-3M3 16v3a2 2 0 0 0 2 2h3M16 21h3a2 2 0 0 0 2-2v-3"/></svg>';
    button.addEventListener("click", this.see);
    this.group.append(button);
    return this.group;
  }

  onRemove() {
    this.group.remove();
  }
}

// A map in `element`, its own layers put on by `layers(map)` at every style; null where this device draws none.
// `element.map` is the map itself, for whoever drives the page from outside.
export function makeMap(element, { words, middle, zoom = 16, layers, see }) {
  const styleUrl = () => `${element.dataset.style}?theme=${dark.matches ? "dark" : "light"}`;
  let map;
  try {
    map = new maplibregl.Map({
      container: element,
      style: styleUrl(),
      center: [middle.lon, middle.lat],
      zoom,
      minZoom: 9,
      maxZoom: 20,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      cooperativeGestures: false,
      locale: { "NavigationControl.ZoomIn": words.zoomIn, "NavigationControl.ZoomOut": words.zoomOut, "Map.Title": words.map },
    });
  } catch (error) {
    const note = document.createElement("p");
    note.className = "note note-information";
    note.textContent = words.failed;
    element.replaceChildren(note);
    console.warn(error);
    return null;
  }
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new AllControl(words.all, see), "top-right");
  map.on("style.load", () => layers(map));
  map.once("load", () => element.setAttribute("data-ready", "true"));
  dark.addEventListener("change", () => map.setStyle(styleUrl(), { diff: false }));
  element.map = map;
  return map;
}

export function fit(map, positions, { maxZoom = 17.2, animate = true } = {}) {
  const bounds = new maplibregl.LngLatBounds();
  for (const [lon, lat] of positions) bounds.extend([lon, lat]);
  if (bounds.isEmpty()) return;
  map.fitBounds(bounds, { padding: VIEW_PADDING, maxZoom, animate: animate && !calm.matches, duration: 600 });
}
