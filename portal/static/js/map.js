// The live map and its list twin. The list works without the map; the map adds nothing the list doesn't say.

import * as maplibregl from "../vendor/maplibre-gl/maplibre-gl.mjs";
import { calmly, follow, refresh, tick } from "./live.js";

const FRESH_MS = 3 * 60_000;
const FADING_MS = 15 * 60_000;
const VAGUE_M = 100;
const METRES_A_DEGREE = 111_195;
const CIRCLE_CORNERS = 48;
const VIEW_PADDING = { top: 56, bottom: 48, left: 56, right: 92 };

const element = document.getElementById("map");
const list = document.getElementById("wearers");
const briefs = document.getElementById("briefs");
const words = JSON.parse(element.dataset.words);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const wearers = new Map();
let map = null;

// ---------------------------------------------------------------- shapes

function circle(lat, lon, radius_m) {
  const across = METRES_A_DEGREE * Math.cos((lat * Math.PI) / 180);
  const ring = [];
  for (let corner = 0; corner <= CIRCLE_CORNERS; corner += 1) {
    const angle = (corner / CIRCLE_CORNERS) * 2 * Math.PI;
    ring.push([lon + (radius_m * Math.cos(angle)) / across, lat + (radius_m * Math.sin(angle)) / METRES_A_DEGREE]);
  }
  return { type: "Polygon", coordinates: [ring] };
}

const collection = (features) => ({ type: "FeatureCollection", features });
const feature = (geometry, properties = {}) => ({ type: "Feature", geometry, properties });

function halos() {
  const features = [];
  for (const { data } of wearers.values()) {
    if (data.lat === undefined || !data.accuracy_m) continue;
    features.push(feature(circle(data.lat, data.lon, data.accuracy_m), { alarm: Boolean(data.alarm), accuracy_m: data.accuracy_m }));
  }
  return collection(features);
}

function fences() {
  const features = [];
  for (const { data } of wearers.values()) {
    for (const fence of data.fences ?? []) features.push(feature(fence.area, { name: fence.name }));
  }
  return collection(features);
}

// ---------------------------------------------------------------- markers

function freshness(data) {
  const at = Date.parse(data.fix_at ?? data.heard_at ?? "");
  if (Number.isNaN(at)) return "never";
  const age = Date.now() - at;
  return age <= FRESH_MS ? "fresh" : age <= FADING_MS ? "fading" : "old";
}

function dress(known) {
  const { data, button, ring } = known;
  const estimated = data.source === "wifi" || data.source === "cell" || (data.accuracy_m ?? 0) > VAGUE_M;
  ring.className = `ring ring-${freshness(data)}${estimated ? " ring-estimated" : ""}${data.alarm ? " ring-alarm" : ""}`;
  button.classList.toggle("marker-alarm", Boolean(data.alarm));
  const line = document.querySelector(`#wearer-${data.id} .row-title`)?.textContent.trim();
  button.setAttribute("aria-label", line ?? data.name);
  button.title = line ?? data.name;
}

function place(data) {
  let known = wearers.get(data.id);
  if (!known) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "marker";
    const ring = document.createElement("span");
    ring.textContent = data.initials;
    button.append(ring);
    button.addEventListener("click", () => point(data.id));
    known = { button, ring, marker: null, data: {} };
    wearers.set(data.id, known);
  }
  known.data = { ...known.data, ...data };
  dress(known);
  if (!map || data.lat === undefined) return;
  if (known.marker) known.marker.setLngLat([data.lon, data.lat]);
  else known.marker = new maplibregl.Marker({ element: known.button }).setLngLat([data.lon, data.lat]).addTo(map);
  const find = document.querySelector(`[data-find="${data.id}"]`);
  if (find) find.hidden = false;
}

function point(id) {
  const card = document.getElementById(`wearer-${id}`);
  card?.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  card?.querySelector("a")?.focus({ preventScroll: true });
  mark(id);
}

function mark(id) {
  for (const [other, known] of wearers) {
    if (other === id) known.button.setAttribute("aria-current", "true");
    else known.button.removeAttribute("aria-current");
  }
}

function redraw() {
  for (const known of wearers.values()) dress(known);
  map?.getSource("halos")?.setData(halos());
}

// ---------------------------------------------------------------- the map

function overlay() {
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
  if (map.getSource("halos")) return;
  map.addSource("fences", { type: "geojson", data: fences() });
  map.addSource("halos", { type: "geojson", data: halos() });
  map.addLayer({ id: "fence-areas", type: "fill", source: "fences", paint: { "fill-color": colour("information"), "fill-opacity": 0.08 } });
  map.addLayer({
    id: "fence-edges",
    type: "line",
    source: "fences",
    paint: { "line-color": colour("information"), "line-width": 2, "line-dasharray": [3, 2] },
  });
  map.addLayer({
    id: "halos",
    type: "fill",
    source: "halos",
    paint: { "fill-color": ["case", ["get", "alarm"], colour("danger"), colour("brand")], "fill-opacity": ["case", [">", ["get", "accuracy_m"], VAGUE_M], 0.07, 0.16] },
  });
}

function everybody() {
  const bounds = new maplibregl.LngLatBounds();
  for (const { data } of wearers.values()) if (data.lat !== undefined) bounds.extend([data.lon, data.lat]);
  if (bounds.isEmpty()) return;
  map.fitBounds(bounds, { padding: VIEW_PADDING, maxZoom: 17.2, animate: !calm.matches, duration: 600 });
}

class AllControl {
  onAdd() {
    this.group = document.createElement("div");
    this.group.className = "maplibregl-ctrl maplibregl-ctrl-group";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "maplibregl-ctrl-all";
    button.title = words.all;
    button.setAttribute("aria-label", words.all);
    button.append(document.querySelector("[data-find] svg").cloneNode(true));
    button.addEventListener("click", everybody);
    this.group.append(button);
    return this.group;
  }

  onRemove() {
    this.group.remove();
  }
}

const styleUrl = () => `${element.dataset.style}?theme=${dark.matches ? "dark" : "light"}`;

function draw() {
  const positions = [...wearers.values()].map(({ data }) => data).filter((data) => data.lat !== undefined);
  const middle = positions[0] ?? { lat: 31.1553, lon: 121.105 };
  map = new maplibregl.Map({
    container: element,
    style: styleUrl(),
    center: [middle.lon, middle.lat],
    zoom: 16,
    minZoom: 12,
    maxZoom: 20,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    cooperativeGestures: false,
    locale: { "NavigationControl.ZoomIn": words.zoomIn, "NavigationControl.ZoomOut": words.zoomOut, "Map.Title": words.map },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new AllControl(), "top-right");
  map.on("style.load", overlay);
  map.once("load", () => element.setAttribute("data-ready", "true"));
  for (const { data } of wearers.values()) place(data);
  if (positions.length > 1) everybody();
  dark.addEventListener("change", () => map.setStyle(styleUrl()));
}

async function start() {
  const answer = await fetch(element.dataset.markers, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(`markers: ${answer.status}`);
  for (const wearer of (await answer.json()).wearers) place(wearer);
  try {
    draw();
  } catch (error) {
    map = null;
    const note = document.createElement("p");
    note.className = "note note-information";
    note.textContent = words.failed;
    element.replaceChildren(note);
    console.warn(error);
  }
}

// ---------------------------------------------------------------- the list twin

const changed = new Set();

const showCards = calmly(async () => {
  const ids = [...changed].slice(0, 100);
  for (const id of ids) changed.delete(id);
  if (!ids.length) return;
  const query = ids.map((id) => `id=${id}`).join("&");
  const answer = await fetch(`${list.dataset.url}?${query}`, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const card of fetched.querySelectorAll(".wearer")) {
    const before = document.getElementById(card.id);
    if (!before) continue;
    const focused = before.contains(document.activeElement);
    const find = card.querySelector("[data-find]");
    if (find) find.hidden = wearers.get(Number(card.dataset.wearer))?.marker == null;
    before.replaceWith(card);
    if (focused) card.querySelector("a").focus({ preventScroll: true });
  }
  tick(list);
  redraw();
}, 2000);

const showBriefs = calmly(() => refresh(briefs, briefs.dataset.url).catch(() => {}), 700);

list.addEventListener("click", (event) => {
  const id = Number(event.target.closest("[data-find]")?.dataset.find);
  const known = wearers.get(id);
  if (!known?.marker || !map) return;
  mark(id);
  map.easeTo({ center: known.marker.getLngLat(), zoom: Math.max(map.getZoom(), 17), animate: !calm.matches });
  element.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
});

function reload() {
  showBriefs();
  for (const id of wearers.keys()) changed.add(id);
  showCards();
  fetch(element.dataset.markers, { headers: { Accept: "application/json" }, credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.json() : { wearers: [] }))
    .then((body) => {
      for (const wearer of body.wearers) place(wearer);
      redraw();
    })
    .catch(() => {});
}

start()
  .catch((error) => console.warn(error))
  .finally(() => {
    follow({
      wearer: (data) => {
        place(data);
        changed.add(data.id);
        showCards();
        redraw();
      },
      incident: showBriefs,
      health: showBriefs,
      roster: () => location.reload(),
      reload,
    });
    setInterval(redraw, 20_000);
  });
