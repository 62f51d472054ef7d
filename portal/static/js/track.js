// The map of a day's way and its play-back. The list beside it says the same; its buttons jump to a moment.

import { collection, colour, feature, fenceLayers, fit, FONT, makeMap, point, ringPicture, calm } from "./maps.js";
import { advance, lastBefore, lines, positionAt, whole } from "./track_clock.js";

const TRAIL_MS = 200;
const SHORT_GAP_S = 30 * 60;

const element = document.getElementById("track-map");
const player = document.getElementById("player");
const slider = document.getElementById("track-slider");
const play = document.getElementById("track-play");
const speed = document.getElementById("track-speed");
const skip = document.getElementById("track-skip");
const words = JSON.parse(element.dataset.words);
const shown = {
  clock: document.getElementById("track-clock"),
  where: document.getElementById("track-where"),
  pulse: document.getElementById("track-pulse"),
  said: document.getElementById("track-said"),
  cursor: document.getElementById("track-cursor"),
};
const clockWords = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: "Asia/Shanghai" });

let data = null;
let track = null;
let map = null;
let at = 0;
let playing = null;
let trailed = 0;
let lit = null;

// ---------------------------------------------------------------- the map

const ofKind = (kind) => data.marks.filter((mark) => mark.kind === kind);

function gapLines() {
  return track.ends.slice(0, -1).map((end) => feature({ type: "LineString", coordinates: [[track.lon[end - 1], track.lat[end - 1]], [track.lon[end], track.lat[end]]] }));
}

function alarmPlace(mark) {
  if (mark.lat !== null) return point(mark.lon, mark.lat);
  const there = positionAt(track, mark.at);
  return there && point(there.lon, there.lat);
}

const placed = (marks, place) => collection(marks.map((mark) => [place(mark), mark]).filter(([where]) => where).map(([where, mark]) => feature(where, { number: String(mark.number), at: mark.at })));

function layers(map) {
  if (map.getSource("way")) return;
  fenceLayers(map, data.fences);
  const add = (id, shapes, layer) => {
    if (!map.getSource(layer.source ?? id)) map.addSource(layer.source ?? id, { type: "geojson", data: shapes, tolerance: 0.2 });
    map.addLayer({ id, source: layer.source ?? id, ...layer });
  };
  const round = { "line-cap": "round", "line-join": "round" };
  const way = feature({ type: "MultiLineString", coordinates: lines(track) });
  add("rough", collection(data.rough.map(([, lat, lon]) => feature(point(lon, lat)))), {
    type: "circle",
    paint: { "circle-radius": 4, "circle-color": "transparent", "circle-stroke-width": 1.5, "circle-stroke-color": colour("ink-soft"), "circle-stroke-opacity": 0.5 },
  });
  add("gaps", collection(gapLines()), { type: "line", paint: { "line-color": colour("ink-soft"), "line-width": 2.5, "line-dasharray": [2, 2.5] } });
  add("way-edge", way, { type: "line", source: "way", layout: round, paint: { "line-color": colour("card"), "line-width": 7 } });
  add("way-line", way, { type: "line", source: "way", layout: round, paint: { "line-color": colour("brand"), "line-width": 3.5, "line-opacity": 0.45 } });
  add("trail", collection([]), { type: "line", layout: round, paint: { "line-color": colour("brand"), "line-width": 5 } });
  const number = (size) => ({ "text-field": ["get", "number"], "text-font": FONT, "text-size": size, "text-allow-overlap": true, "text-ignore-placement": true });
  add("stays", placed(ofKind("stay"), (mark) => point(mark.lon, mark.lat)), {
    type: "circle",
    paint: { "circle-radius": 12, "circle-color": colour("good"), "circle-stroke-width": 2, "circle-stroke-color": colour("card") },
  });
  map.addLayer({ id: "stay-numbers", type: "symbol", source: "stays", layout: number(13), paint: { "text-color": colour("card") } });
  add("alarms", placed(ofKind("alarm"), alarmPlace), {
    type: "circle",
    paint: { "circle-radius": 12, "circle-color": colour("danger"), "circle-stroke-width": 3, "circle-stroke-color": colour("card") },
  });
  map.addLayer({ id: "alarm-numbers", type: "symbol", source: "alarms", layout: number(13), paint: { "text-color": colour("on-danger") } });
  const picture = ringPicture({ freshness: "fresh", estimated: false, alarm: false, chosen: true });
  const lost = ringPicture({ freshness: "old", estimated: true, alarm: false, chosen: false });
  if (!map.hasImage("known")) map.addImage("known", picture.image, { pixelRatio: picture.pixelRatio });
  if (!map.hasImage("unknown")) map.addImage("unknown", lost.image, { pixelRatio: lost.pixelRatio });
  add("here", collection([]), {
    type: "symbol",
    layout: {
      "icon-image": ["case", ["get", "known"], "known", "unknown"],
      "icon-allow-overlap": true,
      "icon-ignore-placement": true,
      "text-field": ["get", "initials"],
      "text-font": FONT,
      "text-size": 14,
      "text-allow-overlap": true,
      "text-ignore-placement": true,
    },
    paint: { "text-color": colour("ink") },
  });
  for (const layer of ["stays", "alarms"]) {
    map.on("click", layer, (event) => jump(event.features[0].properties.at, true));
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
  show(true);
}

function see() {
  const all = lines(track).flat();
  fit(map, all.length ? all : data.rough.map(([, lat, lon]) => [lon, lat]), { animate: element.dataset.ready === "true" });
}

// ---------------------------------------------------------------- one moment

function markAt(now) {
  const inside = data.marks.filter((mark) => mark.at <= now && now <= Math.max(mark.end, mark.at + 30));
  return inside.find((mark) => mark.kind === "alarm") ?? inside.at(-1);
}

function say(now) {
  const mark = markAt(now);
  const there = positionAt(track, now);
  shown.clock.textContent = clockWords.format(new Date(data.start_ms + now * 1000));
  shown.where.textContent = mark ? mark.title : there === null ? words.none : there.known ? words.walking : words.gap;
  const reading = data.heart ? lastBefore(data.heart.at, now) : -1;
  const recent = reading >= 0 && now - data.heart.at[reading] <= SHORT_GAP_S;
  shown.pulse.textContent = recent ? words.pulse.replace("%s", data.heart.bpm[reading]) : "";
  slider.setAttribute("aria-valuetext", `${shown.clock.textContent} ${shown.where.textContent} ${shown.pulse.textContent}`);
  const x = String((now / (data.end_ms - data.start_ms)) * 1000 * 1000);
  shown.cursor.setAttribute("x1", x);
  shown.cursor.setAttribute("x2", x);
  return { mark, there };
}

function light(mark) {
  const number = mark ? data.marks.indexOf(mark) : -1;
  const row = document.getElementById("track-rows").children[number] ?? null;
  if (row === lit) return;
  lit?.removeAttribute("aria-current");
  row?.setAttribute("aria-current", "true");
  lit = row;
}

function show(whole = false) {
  const { mark, there } = say(at);
  light(mark);
  slider.value = String(Math.round(at));
  if (!map?.getSource("here")) return;
  map.getSource("here").setData(collection(there ? [feature(point(there.lon, there.lat), { known: there.known, initials: data.initials })] : []));
  const now = performance.now();
  if (!whole && now - trailed < TRAIL_MS) return;
  trailed = now;
  const passed = lines(track, at);
  if (there?.known && passed.length) passed.at(-1).push([there.lon, there.lat]);
  map.getSource("trail").setData(feature({ type: "MultiLineString", coordinates: passed.filter((line) => line.length > 1) }));
}

function jump(to, move = false) {
  at = Math.min(Math.max(0, to), span());
  show(true);
  shown.said.textContent = `${words.jump.replace("%s", shown.clock.textContent)} ${shown.where.textContent}`;
  const there = positionAt(track, at);
  if (move && map && there) map.easeTo({ center: [there.lon, there.lat], zoom: Math.max(map.getZoom(), 16.5), animate: !calm.matches });
}

// ---------------------------------------------------------------- playing

const span = () => (data.end_ms - data.start_ms) / 1000;
const last = () => track.at.at(-1) ?? 0;

function skips() {
  if (!skip.checked) return [];
  const stood = data.marks.filter((mark) => mark.kind === "stay" || mark.kind === "gap").map((mark) => [mark.at + 20, mark.end - 5]);
  return [[0, Math.max(0, (track.at[0] ?? 0) - 1)], ...stood].filter(([from, to]) => to > from).sort((one, other) => one[0] - other[0]);
}

function dressPlay() {
  play.querySelector("span").textContent = playing ? words.pause : words.play;
  const use = play.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, playing ? "#pause" : "#play"));
}

function stop() {
  if (playing) cancelAnimationFrame(playing);
  playing = null;
  dressPlay();
}

function start() {
  if (at >= last()) at = 0;
  const over = skips();
  let before = performance.now();
  const step = (now) => {
    const clock = advance({ at, span: Math.min(span(), last()), speed: Number(speed.value) }, (now - before) / 1000, over);
    before = now;
    at = clock.at;
    show(clock.over);
    const there = positionAt(track, at);
    if (map && there && !map.isMoving() && !map.getBounds().contains([there.lon, there.lat])) map.easeTo({ center: [there.lon, there.lat], animate: !calm.matches });
    if (clock.over) stop();
    else playing = requestAnimationFrame(step);
  };
  playing = requestAnimationFrame(step);
  dressPlay();
}

play.addEventListener("click", () => (playing ? stop() : start()));
slider.addEventListener("input", () => {
  at = Number(slider.value);
  show();
});
slider.addEventListener("change", () => show(true));
for (const choice of [speed, skip]) {
  choice.addEventListener("change", () => {
    if (!playing) return;
    stop();
    start();
  });
}
document.getElementById("track-rows").addEventListener("click", (event) => {
  const to = event.target.closest("[data-jump]")?.dataset.jump;
  if (to === undefined) return;
  stop();
  jump((Number(to) - data.start_ms) / 1000, true);
  player.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
});

// ---------------------------------------------------------------- begin

async function begin() {
  const answer = await fetch(element.dataset.track, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(`track: ${answer.status}`);
  data = await answer.json();
  track = whole(data);
  slider.max = String(Math.round(span()));
  player.hidden = false;
  for (const button of document.querySelectorAll("[data-jump]")) button.hidden = false;
  at = track.at[0] ?? 0;
  const first = track.at.length ? { lat: track.lat[0], lon: track.lon[0] } : { lat: data.rough[0][1], lon: data.rough[0][2] };
  map = makeMap(element, { words, middle: first, layers, see });
  if (map) see();
  show(true);
}

begin().catch((error) => {
  element.textContent = words.failed;
  console.warn(error);
});
