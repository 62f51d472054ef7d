// The live map and its list twin. The list works without the map; the map adds nothing the list doesn't say.
// Everybody is drawn by the graphics card from two sources, so a thousand wearers move as smoothly as one:
// those in alarm stand for themselves, the others gather into clusters where they are many.

import { collection, colour, feature, fenceLayers, fit, FONT, makeMap, point as at, ringPicture, calm, dark } from "./maps.js";
import { ago, anew, calmly, follow, refresh, tick } from "./live.js";

const FRESH_MS = 3 * 60_000;
const FADING_MS = 15 * 60_000;
const VAGUE_M = 100;
const CROWD = 60;
const WIDE_M = { few: 300, crowd: 25 };
const LOW_PCT = 20;
const CLUSTER_PX = 46;
const CLUSTER_ZOOM = 18;
const HALO_ZOOM = 14;
const WORDS_ZOOM = { few: 15.5, crowd: 18.5 };
const CLOSE_ZOOM = 17;
const TOP_ZOOM = 22;
const METRES_A_PIXEL = 78_271.517;
const DRAW_MS = 500;
const PULSE_MS = 1_600;
const FRAME_MS = 50;

const element = document.getElementById("map");
const list = document.getElementById("wearers");
const briefs = document.getElementById("briefs");
const desk = element.dataset.desk === "yes"; // the board beside it follows the stream for both
const followed = { id: null, chip: document.getElementById("following") };
const words = JSON.parse(element.dataset.words);
const wearers = new Map();
const fences = new Map();
let map = null;
let chosen = null;
let skew = 0;
let moved = 0;

const now = () => Date.now() + skew;
const json = (url) => fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });

// ---------------------------------------------------------------- what is drawn

function freshness(data) {
  const heard = Date.parse(data.fix_at ?? data.heard_at ?? "");
  if (Number.isNaN(heard)) return "never";
  const age = now() - heard;
  return age <= FRESH_MS ? "fresh" : age <= FADING_MS ? "fading" : "old";
}

// What stands under a ring: how old, from where, and what is wrong with the band.
function badge(data) {
  const heard = Date.parse(data.fix_at);
  const age = ago(heard, now()) ?? new Intl.DateTimeFormat(document.documentElement.lang, { month: "numeric", day: "numeric" }).format(heard);
  const band = [];
  if (data.battery_pct !== null && data.battery_pct <= LOW_PCT) band.push(words.battery.replace("%s", Math.round(data.battery_pct)));
  if (data.worn === false) band.push(words.unworn);
  const first = [age, words.sources[data.source]].filter(Boolean).join(" · ");
  return band.length ? `${first}\n${band.join(" · ")}` : first;
}

// In a crowd wide halos would cover each other, and words the map: there only whoever is chosen or in alarm has them.
const many = () => (wearers.size > CROWD ? "crowd" : "few");

function shape(data) {
  const rough = data.source === "wifi" || data.source === "cell" || (data.accuracy_m ?? 0) > VAGUE_M;
  const hidden = (data.accuracy_m ?? 0) > WIDE_M[many()] && !data.alarm && data.id !== chosen;
  const kind = [freshness(data), rough ? "rough" : "sharp", data.alarm ? "alarm" : "calm", data.id === chosen ? "chosen" : "one"];
  return feature(
    at(data.lon, data.lat),
    {
      id: data.id,
      initials: data.initials,
      ring: `ring-${kind.join("-")}`,
      old: kind[0] === "old" || kind[0] === "never",
      alarm: Boolean(data.alarm),
      badge: badge(data),
      halo: hidden ? 0 : (data.accuracy_m ?? 0) / (METRES_A_PIXEL * Math.cos((data.lat * Math.PI) / 180)),
    },
    data.id,
  );
}

function shapes() {
  const placed = [...wearers.values()].filter((data) => data.lat !== undefined && data.lat !== null);
  const apart = (data) => data.alarm || data.id === chosen;
  return {
    wearers: collection(placed.filter((data) => !apart(data)).map(shape)),
    apart: collection(placed.filter(apart).map(shape)),
  };
}

// How many are on the map, in alarm, and moved since the page was opened: for whoever drives the page from outside.
function count() {
  const all = [...wearers.values()];
  Object.assign(element.dataset, { wearers: all.filter((data) => data.lat).length, alarmed: all.filter((data) => data.alarm).length, moved });
}

const paintNow = calmly(() => {
  count();
  if (!map?.getSource("wearers")) return;
  const drawn = shapes();
  map.getSource("wearers").setData(drawn.wearers);
  map.getSource("apart").setData(drawn.apart);
  const shown = [...fences.values()].flat();
  map.getSource("fences")?.setData(collection(shown.map((one) => feature(one.area, { name: one.name }))));
  pulse();
}, DRAW_MS);

// ---------------------------------------------------------------- layers

const TEXT = { "text-font": FONT, "text-allow-overlap": true, "text-ignore-placement": true };

function ringLayers(source) {
  const single = ["!", ["has", "point_count"]];
  const halo = ["interpolate", ["exponential", 2], ["zoom"], 0, ["get", "halo"], TOP_ZOOM, ["*", ["get", "halo"], 2 ** TOP_ZOOM]];
  map.addLayer({
    id: `${source}-halos`,
    type: "circle",
    source,
    minzoom: HALO_ZOOM,
    filter: ["all", single, [">", ["get", "halo"], 0]],
    paint: { "circle-radius": halo, "circle-color": ["case", ["get", "alarm"], colour("danger"), colour("brand")], "circle-opacity": 0.12 },
  });
  map.addLayer({
    id: `${source}-rings`,
    type: "symbol",
    source,
    filter: single,
    layout: { ...TEXT, "icon-image": ["get", "ring"], "icon-allow-overlap": true, "icon-ignore-placement": true, "text-field": ["get", "initials"], "text-size": 14 },
    paint: { "text-color": ["case", ["get", "alarm"], colour("danger"), ["get", "old"], colour("ink-soft"), colour("ink")] },
  });
  map.addLayer({
    id: `${source}-badges`,
    type: "symbol",
    source,
    minzoom: source === "apart" ? WORDS_ZOOM.few : WORDS_ZOOM[many()],
    filter: single,
    layout: { "text-font": FONT, "text-field": ["get", "badge"], "text-size": 12, "text-anchor": "top", "text-offset": [0, 2.1], "text-padding": 1 },
    paint: { "text-color": colour("ink"), "text-halo-color": colour("card"), "text-halo-width": 1.6 },
  });
}

function layers() {
  if (map.getSource("wearers")) return;
  paintRings();
  const drawn = shapes();
  fenceLayers(map, [...fences.values()].flat());
  map.addSource("wearers", { type: "geojson", data: drawn.wearers, cluster: true, clusterRadius: CLUSTER_PX, clusterMaxZoom: CLUSTER_ZOOM });
  map.addSource("apart", { type: "geojson", data: drawn.apart });
  ringLayers("wearers");
  const size = ["step", ["get", "point_count"], 20, 10, 24, 100, 30];
  map.addLayer({
    id: "clusters",
    type: "circle",
    source: "wearers",
    filter: ["has", "point_count"],
    paint: { "circle-radius": size, "circle-color": colour("brand"), "circle-stroke-color": colour("card"), "circle-stroke-width": 3 },
  });
  map.addLayer({
    id: "cluster-counts",
    type: "symbol",
    source: "wearers",
    filter: ["has", "point_count"],
    layout: { ...TEXT, "text-field": ["to-string", ["get", "point_count"]], "text-size": 15 },
    paint: { "text-color": colour("on-brand") },
  });
  map.addLayer({
    id: "pulse",
    type: "circle",
    source: "apart",
    filter: ["get", "alarm"],
    paint: { "circle-radius": 28, "circle-color": "transparent", "circle-stroke-color": colour("danger"), "circle-stroke-width": 3, "circle-stroke-opacity": 0.8 },
  });
  ringLayers("apart");
  pulse();
}

// The pictures of every ring there can be, before the first is asked for.
function paintRings() {
  for (const fresh of ["fresh", "fading", "old", "never"]) {
    for (const rough of ["sharp", "rough"]) {
      for (const alarm of ["calm", "alarm"]) {
        for (const which of ["one", "chosen"]) {
          const id = `ring-${fresh}-${rough}-${alarm}-${which}`;
          const { image, pixelRatio } = ringPicture({ freshness: fresh, estimated: rough === "rough", alarm: alarm === "alarm", chosen: which === "chosen" });
          if (!map.hasImage(id)) map.addImage(id, image, { pixelRatio });
        }
      }
    }
  }
}

// ---------------------------------------------------------------- the pulse of an alarm

let pulsing = null;

function pulse() {
  const alarmed = [...wearers.values()].some((data) => data.alarm && data.lat);
  if (!alarmed || calm.matches) {
    if (pulsing) cancelAnimationFrame(pulsing);
    pulsing = null;
    if (!map.getLayer("pulse")) return;
    map.setPaintProperty("pulse", "circle-radius", 28);
    map.setPaintProperty("pulse", "circle-stroke-opacity", 0.8);
    return;
  }
  if (pulsing) return;
  let last = 0;
  const beat = (time) => {
    pulsing = requestAnimationFrame(beat);
    if (time - last < FRAME_MS || document.hidden || !map.getLayer("pulse")) return;
    last = time;
    const share = (time % PULSE_MS) / PULSE_MS;
    map.setPaintProperty("pulse", "circle-radius", 22 + 22 * share);
    map.setPaintProperty("pulse", "circle-stroke-opacity", 0.9 * (1 - share));
  };
  pulsing = requestAnimationFrame(beat);
}

calm.addEventListener("change", () => map && pulse());

// ---------------------------------------------------------------- who is where

// The newest position counts; one that was measured before it changes nothing but what else is told.
function place(told) {
  const known = wearers.get(told.id) ?? {};
  const stale = known.fix_at && told.fix_at && Date.parse(told.fix_at) < Date.parse(known.fix_at);
  const { lat, lon, fix_at, accuracy_m, source } = known;
  wearers.set(told.id, stale ? { ...known, ...told, lat, lon, fix_at, accuracy_m, source } : { ...known, ...told });
  if (!stale && lat !== undefined && told.lat !== undefined && (lat !== told.lat || lon !== told.lon)) moved += 1;
  if (told.fences?.length) fences.set(told.id, told.fences);
  const find = document.querySelector(`[data-find="${told.id}"]`);
  if (find && map) find.hidden = (told.lat ?? known.lat) === undefined;
  if (told.id === followed.id && map && told.lat !== undefined) map.easeTo({ center: [told.lon, told.lat], animate: !calm.matches });
}

async function take() {
  const answer = await json(element.dataset.markers);
  if (!answer.ok || answer.redirected) throw new Error(`markers: ${answer.status}`);
  const body = await answer.json();
  skew = Date.parse(body.now) - Date.now();
  wearers.clear();
  fences.clear();
  for (const told of body.wearers) place(told);
}

async function choose(id) {
  chosen = id;
  for (const row of list.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
  document.getElementById(`wearer-${id}`)?.setAttribute("aria-current", "true");
  paintNow();
  if (fences.has(id) || !wearers.get(id)) return;
  const answer = await json(element.dataset.fences.replace("/0/", `/${id}/`));
  if (!answer.ok || answer.redirected) return;
  fences.set(id, (await answer.json()).fences);
  paintNow();
}

function point(id) {
  const card = document.getElementById(`wearer-${id}`);
  if (card) card.hidden = false;
  card?.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  card?.querySelector("a")?.focus({ preventScroll: true });
  choose(id);
}

// ---------------------------------------------------------------- following one

function stay(id) {
  followed.id = id;
  for (const button of list.querySelectorAll("[data-find]")) button.setAttribute("aria-pressed", String(Number(button.dataset.find) === id));
  followed.chip.hidden = id === null;
  if (id !== null) followed.chip.querySelector("span").textContent = words.following.replace("%s", wearers.get(id).name);
}

list.addEventListener("click", (event) => {
  const id = Number(event.target.closest("[data-find]")?.dataset.find);
  const data = wearers.get(id);
  if (!data || data.lat === undefined || !map) return;
  if (followed.id === id) {
    stay(null);
    return;
  }
  choose(id);
  stay(id);
  map.easeTo({ center: [data.lon, data.lat], zoom: Math.max(map.getZoom(), CLOSE_ZOOM), animate: !calm.matches });
  element.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
});
followed.chip.querySelector("button").addEventListener("click", () => stay(null));

// ---------------------------------------------------------------- the map

// The desk looks where the alarms are.
function worthSeeing() {
  const placed = [...wearers.values()].filter((data) => data.lat !== undefined);
  const alarming = desk ? placed.filter((data) => data.alarm) : [];
  return alarming.length ? alarming : placed;
}

function everybody() {
  const placed = worthSeeing();
  stay(null);
  if (search) {
    search.value = "";
    sieve();
  }
  fit(map, placed.map((data) => [data.lon, data.lat]), { animate: element.dataset.ready === "true" });
}

async function open(event) {
  const [cluster] = event.features;
  const source = map.getSource("wearers");
  const { cluster_id: id, point_count: count } = cluster.properties;
  const zoom = await source.getClusterExpansionZoom(id);
  if (zoom > CLUSTER_ZOOM) {
    // They are all in one place, as in one building: the list names them.
    const there = new Set((await source.getClusterLeaves(id, count, 0)).map((leaf) => leaf.properties.id));
    only(there);
    point([...there][0]);
    return;
  }
  map.easeTo({ center: cluster.geometry.coordinates, zoom: zoom + 0.3, animate: !calm.matches });
}

function draw() {
  const placed = [...wearers.values()].filter((data) => data.lat !== undefined);
  map = makeMap(element, { words, middle: placed[0] ?? { lat: 31.1553, lon: 121.105 }, layers, see: everybody });
  if (!map) return;
  map.on("click", "clusters", open);
  for (const layer of ["wearers-rings", "apart-rings"]) map.on("click", layer, (event) => point(event.features[0].properties.id));
  for (const layer of ["clusters", "wearers-rings", "apart-rings"]) {
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
  map.on("dragstart", () => stay(null));
  count();
  if (placed.length > 1) fit(map, worthSeeing().map((data) => [data.lon, data.lat]), { animate: false });
  for (const button of list.querySelectorAll("[data-find]")) button.hidden = wearers.get(Number(button.dataset.find))?.lat === undefined;
}

dark.addEventListener("change", paintNow);

// ---------------------------------------------------------------- the list twin

const changed = new Set();
const onScreen = new Set();

// Of a long list only what is on the screen is asked for again; the rest is when it comes into view.
const showCards = calmly(async () => {
  const ids = [...changed].filter((id) => onScreen.has(id)).slice(0, 60);
  if (!ids.length) return;
  for (const id of ids) changed.delete(id);
  const answer = await fetch(`${list.dataset.url}?${ids.map((id) => `id=${id}`).join("&")}`, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const card of fetched.querySelectorAll(".wearer")) {
    const before = document.getElementById(card.id);
    if (!before) continue;
    const focused = before.contains(document.activeElement) ? document.activeElement : null;
    const find = card.querySelector("[data-find]");
    find.hidden = !map || wearers.get(Number(card.dataset.wearer))?.lat === undefined;
    find.setAttribute("aria-pressed", String(Number(card.dataset.wearer) === followed.id));
    card.hidden = before.hidden;
    if (before.hasAttribute("aria-current")) card.setAttribute("aria-current", "true");
    watch.unobserve(before);
    before.replaceWith(card);
    watch.observe(card);
    if (focused) card.querySelector(focused.matches("[data-find]") ? "[data-find]" : "a").focus({ preventScroll: true });
  }
  tick(list);
}, 2000);

const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const id = Number(target.dataset.wearer);
    if (isIntersecting) onScreen.add(id);
    else onScreen.delete(id);
  }
  showCards();
});
for (const card of list.children) watch.observe(card);

const search = document.getElementById("find");

function only(ids) {
  if (!search) return;
  for (const card of list.children) card.hidden = !ids.has(Number(card.dataset.wearer));
  const found = document.getElementById("found");
  found.textContent = found.dataset.words.replace("%s", ids.size);
  search.value = "";
}

function sieve() {
  const wanted = search.value.trim().toLowerCase();
  let left = 0;
  for (const card of list.children) {
    card.hidden = wanted !== "" && !card.textContent.toLowerCase().includes(wanted);
    if (!card.hidden) left += 1;
  }
  const found = document.getElementById("found");
  found.textContent = wanted ? found.dataset.words.replace("%s", left) : "";
}

search?.addEventListener("input", sieve);
search?.form.addEventListener("submit", (event) => {
  event.preventDefault();
  sieve();
});

const showBriefs = calmly(() => briefs && refresh(briefs, briefs.dataset.url).catch(() => {}), 700);

function reload() {
  showBriefs();
  take()
    .then(() => {
      for (const id of wearers.keys()) changed.add(id);
      showCards();
      paintNow();
    })
    .catch(() => {});
}

const handlers = {
  wearer: (data) => {
    place(data);
    changed.add(data.id);
    showCards();
    paintNow();
  },
  incident: () => showBriefs(),
  health: () => showBriefs(),
  roster: anew,
  reload,
};

take()
  .then(draw)
  .catch((error) => console.warn(error))
  .finally(() => {
    if (desk) document.addEventListener("care-event", ({ detail }) => handlers[detail.topic]?.(detail.data));
    else follow(handlers);
    setInterval(paintNow, 20_000);
  });
