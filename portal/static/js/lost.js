// The search for somebody lost: the trail of the last hours, live; on a helper's page, where they saw her.
// A page with an account follows the portal's stream, a helper's page asks every quarter of a minute.

import { circle, collection, colour, feature, fenceLayers, fit, FONT, makeMap, point, ringPicture, calm } from "./maps.js";
import { lines, whole } from "./track_clock.js";
import { anew, calmly, follow, refresh, tick } from "./live.js";

const DOTS = 40;
const TICK_MS = 15_000;
const GONE = new Set([404, 410]);

const element = document.getElementById("lost-map");
const board = document.getElementById("lost-board");
const words = JSON.parse(element.dataset.words);
const spot = document.getElementById("spot");

let data = null;
let track = null;
let map = null;
let fitted = false;

// ---------------------------------------------------------------- drawing

const spotPlace = () => (spot?.value ? spot.value.split(",").map(Number) : null);

function shapes() {
  const here = data.here;
  const way = lines(track).filter((line) => line.length > 1);
  const gaps = track.ends.slice(0, -1).map((end) => feature({ type: "LineString", coordinates: [[track.lon[end - 1], track.lat[end - 1]], [track.lon[end], track.lat[end]]] }));
  const step = Math.max(1, Math.ceil(track.at.length / DOTS));
  const dots = [];
  for (let number = 0; number < track.at.length; number += step) dots.push(feature(point(track.lon[number], track.lat[number]), { share: (number + 1) / track.at.length }));
  const picked = spotPlace();
  return {
    way: feature({ type: "MultiLineString", coordinates: way }),
    gaps: collection(gaps),
    crumbs: collection(dots),
    halo: collection(here?.accuracy_m ? [feature(circle(here.lat, here.lon, here.accuracy_m))] : []),
    here: collection(here ? [feature(point(here.lon, here.lat), { initials: data.initials })] : []),
    seen: collection((data.seen ?? []).map((one) => feature(point(one.lon, one.lat), { number: String(one.number) }))),
    spot: collection(picked ? [feature(point(picked[1], picked[0]))] : []),
  };
}

function layers(map) {
  if (map.getSource("way")) return;
  if (data.fences) fenceLayers(map, data.fences);
  for (const [name, shape] of Object.entries(shapes())) map.addSource(name, { type: "geojson", data: shape });
  const round = { "line-cap": "round", "line-join": "round" };
  const red = colour("danger");
  map.addLayer({ id: "halo", type: "fill", source: "halo", paint: { "fill-color": red, "fill-opacity": 0.14 } });
  map.addLayer({ id: "gaps", type: "line", source: "gaps", paint: { "line-color": colour("ink-soft"), "line-width": 2.5, "line-dasharray": [2, 2.5] } });
  map.addLayer({ id: "way-edge", type: "line", source: "way", layout: round, paint: { "line-color": colour("card"), "line-width": 7 } });
  map.addLayer({ id: "way", type: "line", source: "way", layout: round, paint: { "line-color": colour("brand"), "line-width": 4 } });
  map.addLayer({
    id: "crumbs",
    type: "circle",
    source: "crumbs",
    paint: { "circle-radius": 5, "circle-color": colour("brand"), "circle-stroke-color": colour("card"), "circle-stroke-width": 1.5, "circle-opacity": ["max", 0.25, ["get", "share"]] },
  });
  map.addLayer({
    id: "seen",
    type: "circle",
    source: "seen",
    paint: { "circle-radius": 13, "circle-color": colour("information"), "circle-stroke-color": colour("card"), "circle-stroke-width": 2.5 },
  });
  const text = { "text-font": FONT, "text-allow-overlap": true, "text-ignore-placement": true };
  map.addLayer({ id: "seen-numbers", type: "symbol", source: "seen", layout: { ...text, "text-field": ["get", "number"], "text-size": 14 }, paint: { "text-color": colour("card") } });
  const ring = ringPicture({ freshness: "fresh", estimated: false, alarm: true, chosen: false });
  if (!map.hasImage("her")) map.addImage("her", ring.image, { pixelRatio: ring.pixelRatio });
  map.addLayer({
    id: "here",
    type: "symbol",
    source: "here",
    layout: { ...text, "icon-image": "her", "icon-allow-overlap": true, "icon-ignore-placement": true, "text-field": ["get", "initials"], "text-size": 14 },
    paint: { "text-color": red },
  });
  map.addLayer({
    id: "spot",
    type: "circle",
    source: "spot",
    paint: { "circle-radius": 11, "circle-color": "transparent", "circle-stroke-color": colour("information"), "circle-stroke-width": 5 },
  });
}

function draw() {
  if (!map?.getSource("way")) return;
  for (const [name, shape] of Object.entries(shapes())) map.getSource(name).setData(shape);
}

function see() {
  const all = lines(track).flat();
  if (data.here) all.push([data.here.lon, data.here.lat]);
  for (const one of data.seen ?? []) all.push([one.lon, one.lat]);
  fit(map, all, { animate: fitted });
  fitted = true;
}

// ---------------------------------------------------------------- as it happens

function over() {
  const live = document.getElementById("share-live");
  if (!live) {
    anew();
    return;
  }
  live.remove();
  document.getElementById("share-gone").hidden = false;
}

async function ask() {
  const answer = await fetch(element.dataset.trail, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (GONE.has(answer.status)) return over();
  if (!answer.ok) return null;
  data = await answer.json();
  track = whole(data);
  const where = document.querySelector("[data-where]");
  if (where && data.words?.where) {
    where.textContent = data.words.where;
    document.querySelector("#share-last time").dateTime = data.words.at;
    tick();
  }
  if (!map) {
    const middle = data.here ?? { lat: track.lat[0], lon: track.lon[0] };
    if (middle.lat === undefined) return null;
    map = makeMap(element, { words, middle, layers, see });
    if (!map) return null;
    see();
    if (spot) map.on("click", (event) => pick(event.lngLat.lat, event.lngLat.lng));
  }
  draw();
  element.dataset.drawn = String(track.at.length);
  if (data.here && map && !map.isMoving() && !map.getBounds().contains([data.here.lon, data.here.lat])) map.easeTo({ center: [data.here.lon, data.here.lat], animate: !calm.matches });
  return null;
}

const show = calmly(async () => {
  await ask().catch(() => {});
  if (board) await refresh(board, board.dataset.refresh, { part: "#lost-board" }).catch(() => {});
}, 1000);

// ---------------------------------------------------------------- a helper's page

function pick(lat, lon) {
  spot.value = `${lat.toFixed(6)},${lon.toFixed(6)}`;
  const said = document.getElementById("share-spot");
  said.textContent = said.dataset.picked;
  draw();
}

document.getElementById("share-here")?.addEventListener("click", () => {
  const said = document.getElementById("share-spot");
  const denied = () => (said.textContent = said.dataset.denied);
  if (!navigator.geolocation) denied();
  else navigator.geolocation.getCurrentPosition(({ coords }) => pick(coords.latitude, coords.longitude), denied, { enableHighAccuracy: true, timeout: 15_000 });
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy");
    }
    button.querySelector("span").textContent = button.dataset.done;
  });
}

ask()
  .catch((error) => console.warn(error))
  .finally(() => {
    if (element.dataset.poll) {
      const pickHere = document.getElementById("share-pick");
      if (pickHere) pickHere.hidden = false;
      setInterval(() => ask().catch(() => {}), Number(element.dataset.poll) * 1000);
      setInterval(tick, TICK_MS);
      return;
    }
    follow({
      wearer: (told) => {
        if (String(told.id) === board.dataset.wearer) show();
      },
      roster: anew,
      reload: show,
    });
  });
