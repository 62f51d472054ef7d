// The fence editor: the map writes the form, the form draws the map, the server says what it all means.
// Without this file, or without WebGL, the form alone does everything but drawing.

import { Drawing } from "./fence_draw.js";
import { Fields } from "./fence_fields.js";
import { corners, metres, moved } from "./fence_ground.js";
import { FenceMap } from "./fence_map.js";

const CHECK_AFTER_MS = 300;
const REACH_PX = 30;
const MOST_PAST = 100;

const editor = document.getElementById("fence-editor");
const form = document.getElementById("fence-form");
const hint = document.getElementById("fence-hint");
const whole = document.getElementById("fence-whole");
const trialPlace = document.getElementById("trial-place");
const given = JSON.parse(editor.dataset.fence);
const { words } = given;
const fields = new Fields(form);
const tools = [...editor.querySelectorAll("[data-tool]")];
const shapes = [...editor.querySelectorAll("[data-shape]")];

let map = null;
let drawing = null;
let ground = given.checked.ground;
let tool = "edit";
let now = fields.snapshot();
let past = [];
let future = [];

// ---------------------------------------------------------------- words

function say(text, kind = "") {
  hint.textContent = text;
  hint.hidden = !text;
  hint.dataset.kind = kind;
}

function explain() {
  if (drawing?.drawing) say(words[drawing.draw.getMode() === "way" ? "corridor" : drawing.draw.getMode()]);
  else if (!ground) say(words.choose);
  else if (ground.kind === "parts") say(words.parts);
  else say(ground.kind === "circle" && tool === "edit" ? words.editCircle : words[tool]);
}

function measure() {
  if (ground.kind === "circle") say(words.radius.replace("%s", Math.round(ground.radius_m)));
  else if (ground.kind === "corridor") say(words.length.replace("%s", Math.round(ground.line.slice(1).reduce((sum, at, place) => sum + metres(ground.line[place], at), 0))));
}

// What each answer does stands under its question; what is wrong with it, in the same place.
function showWords({ errors, said, whole: sentence, ground: found }) {
  for (const line of form.querySelectorAll("[data-effect]")) {
    const name = line.dataset.effect;
    const typed = fields.value(name) !== "";
    const wrong = typed && errors[name];
    line.textContent = wrong || said[name] || "";
    line.classList.toggle("effect-wrong", Boolean(wrong));
  }
  const wrong = ["lat", "lon", "radius_m", "corners", "holes", "line", "half_width_m"].map((name) => fields.value(name) && errors[name]).find(Boolean);
  whole.textContent = wrong && found ? wrong : sentence || wrong || words.choose;
  whole.dataset.kind = wrong ? "wrong" : sentence ? "good" : "";
}

// ---------------------------------------------------------------- past and future

function commit() {
  const next = fields.snapshot();
  if (next === now) return;
  past = [...past, now].slice(-MOST_PAST);
  future = [];
  now = next;
  dress();
}

function travel(from, to) {
  if (!from.length) return;
  to.push(now);
  now = from.pop();
  fields.restore(now);
  check({ redraw: true });
  dress();
}

function undo() {
  if (drawing?.drawing) {
    if (!drawing.undo()) cancel();
  } else travel(past, future);
}

function redo() {
  if (drawing?.drawing) drawing.redo();
  else travel(future, past);
}

// ---------------------------------------------------------------- the server's word

let asked = 0;
let timer = 0;

async function post(address, more = {}) {
  const data = fields.data();
  data.delete("file");
  for (const [name, text] of Object.entries(more)) data.set(name, text);
  return fetch(address, { method: "POST", body: data, headers: { Accept: "application/json" }, credentials: "same-origin" });
}

function check({ redraw = false, look = false, wait = 0 } = {}) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    asked += 1;
    const mine = asked;
    try {
      const answer = await post(given.check);
      if (!answer.ok) throw new Error(`check: ${answer.status}`);
      const found = await answer.json();
      if (mine !== asked) return;
      editor.dataset.checked = String(mine);
      showWords(found);
      if (redraw && (found.ground || !typedGround())) take(found.ground, look);
      map?.showRings(found.rings);
      if (look && found.ground?.kind === "parts") map?.lookAtRings();
    } catch (error) {
      console.warn(error);
      if (mine === asked) say(words.offline, "warning");
    }
  }, wait);
}

// Whether numbers stand there, though they cannot be read: what was drawn last stays while one types.
function typedGround() {
  return { circle: ["lat", "lon"], polygon: ["corners"], corridor: ["line"] }[fields.kind()]?.some((name) => fields.value(name)) ?? false;
}

function take(found, look) {
  ground = found;
  map?.show(found);
  if (drawing && !drawing.drawing) drawing.show(found, tool === "move" ? "static" : "select");
  if (found) map?.look(found, look);
  dress();
  explain();
}

// ---------------------------------------------------------------- tools

function dress() {
  const busy = Boolean(drawing?.drawing);
  const fixed = ground?.kind === "parts";
  editor.dataset.drawing = String(busy);
  for (const button of shapes) {
    button.setAttribute("aria-pressed", String(busy ? drawing.draw.getMode() === { corridor: "way" }[button.dataset.shape] || drawing.draw.getMode() === button.dataset.shape : ground?.kind === button.dataset.shape));
    button.disabled = !drawing || fixed;
  }
  const may = {
    edit: ground && !fixed,
    move: ground && !fixed,
    erase: corners(ground).length > 0,
    hole: ground?.kind === "polygon",
    undo: busy || past.length > 0,
    redo: busy ? drawing.draw.canRedo() : future.length > 0,
    complete: busy && drawing.begun,
    cancel: busy,
  };
  for (const button of tools) {
    const name = button.dataset.tool;
    button.disabled = !drawing || !may[name];
    if (["edit", "move", "erase"].includes(name)) button.setAttribute("aria-pressed", String(!busy && tool === name && Boolean(ground)));
  }
}

function begin(what) {
  tool = "edit";
  if (what !== "hole") map.show(null);
  drawing.begin(what);
  dress();
  explain();
}

function cancel() {
  drawing.show(ground);
  map.show(ground);
  check();
  dress();
  explain();
}

function choose(name) {
  if (drawing.drawing && name !== "complete") cancel();
  tool = name;
  drawing.show(ground, name === "move" ? "static" : "select");
  dress();
  explain();
}

const ACTS = {
  undo,
  redo,
  cancel: () => cancel(),
  complete: () => {
    drawing.complete();
    if (drawing.drawing) say(words.stillDrawing, "warning");
  },
  hole: () => begin("hole"),
};

function drawn(found, ended) {
  ground = found;
  map.show(ground);
  if (!ended) {
    measure();
    return;
  }
  fields.write(ground);
  commit();
  check();
  dress();
  explain();
}

// Leave out the corner that is pressed.
function erase({ point }) {
  if (tool !== "erase" || drawing.drawing || !ground) return;
  const near = corners(ground)
    .map((one) => ({ ...one, far: map.map.project([one.at[1], one.at[0]]).dist(point) }))
    .sort((one, other) => one.far - other.far)[0];
  if (!near || near.far > REACH_PX) return;
  if (!near.left) {
    say(words.least, "warning");
    return;
  }
  drawn(near.left, true);
  drawing.show(ground);
}

// Carry the whole fence along.
function carry(event) {
  if (tool !== "move" || drawing.drawing || !ground || event.originalEvent.touches?.length > 1) return;
  const box = [-12, 12].map((by) => [event.point.x + by, event.point.y + by]);
  if (!map.map.queryRenderedFeatures(box, { layers: ["fence-area", "fence-edge"] }).length) return;
  event.preventDefault();
  const from = event.lngLat;
  const whence = ground;
  const touch = event.type === "touchstart";
  drawing.clear();
  const go = ({ lngLat }) => {
    ground = moved(whence, [lngLat.lat - from.lat, lngLat.lng - from.lng]);
    map.carry(ground, [lngLat.lat - from.lat, lngLat.lng - from.lng]);
  };
  const end = () => {
    map.map.off(touch ? "touchmove" : "mousemove", go);
    drawn(ground, true);
    drawing.show(ground, "static");
  };
  map.holdRings();
  map.map.on(touch ? "touchmove" : "mousemove", go);
  map.map.once(touch ? "touchend" : "mouseup", end);
}

// At the start, and again when day turns into night: the view stays where it was.
function dressMap() {
  const first = drawing === null;
  map.overlay(fields.keep);
  rebuild();
  if (first) map.look(ground, true);
}

function rebuild() {
  drawing?.stop();
  drawing = new Drawing(map.map, map.colours(fields.keep), { said: drawn, state: dress });
  drawing.show(ground);
  dress();
  explain();
}

// ---------------------------------------------------------------- try, begin with, send

async function tryIt(button) {
  button.setAttribute("aria-busy", "true");
  say(words.trying);
  try {
    const answer = await post(given.try);
    if (answer.status === 422) {
      form.requestSubmit(document.getElementById("send-first"));
      return;
    }
    if (!answer.ok) {
      say(words.busy, "warning");
      return;
    }
    const found = await answer.json();
    const trial = document.createElement("div");
    trial.id = "trial";
    trial.tabIndex = -1;
    trial.innerHTML = found.page;
    trialPlace.replaceChildren(trial);
    const summary = trial.querySelector(".trial-summary")?.textContent ?? "";
    if (!map) {
      trial.scrollIntoView({ block: "start" });
      trial.focus({ preventScroll: true });
    } else {
      map.showTrial(found.alarms, found.track);
      editor.scrollIntoView({ block: "start", behavior: map.calm.matches ? "auto" : "smooth" });
    }
    say(summary, found.alarms.length ? "danger" : "good");
  } catch (error) {
    console.warn(error);
    say(words.offline, "warning");
  } finally {
    button.removeAttribute("aria-busy");
  }
}

async function beginWith(button) {
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await post(given.begin, { preset: button.value });
    const found = await answer.json();
    if (found.problems?.length || !answer.ok) {
      say(found.problems?.[0] ?? words.offline, "warning");
      return;
    }
    if (fields.value("name")) delete found.answers.name;
    if (drawing?.drawing) drawing.clear();
    fields.fill(found.answers);
    commit();
    check({ redraw: true, look: true });
    editor.scrollIntoView({ block: "start", behavior: "auto" });
  } catch (error) {
    console.warn(error);
    say(words.offline, "warning");
  } finally {
    button.removeAttribute("aria-busy");
  }
}

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button?.name === "preset") {
    event.preventDefault();
    beginWith(button);
  } else if (button?.name === "try") {
    event.preventDefault();
    tryIt(button);
  } else if (drawing?.begun) {
    event.preventDefault();
    say(words.stillDrawing, "warning");
    editor.scrollIntoView({ block: "start" });
  }
});

form.addEventListener("input", (event) => {
  if (fields.writing || event.target.type === "file") return;
  check({ redraw: event.target.closest("#numbers") !== null, wait: CHECK_AFTER_MS });
});
form.addEventListener("change", (event) => {
  if (fields.writing || event.target.type === "file") return;
  commit();
  if (event.target.name === "keep" && map) {
    map.recolour(fields.keep);
    rebuild();
  }
});

for (const button of shapes) button.addEventListener("click", () => begin(button.dataset.shape));
for (const button of tools) button.addEventListener("click", () => (ACTS[button.dataset.tool] ?? (() => choose(button.dataset.tool)))());

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "Escape" && drawing?.drawing) cancel();
  if (typing || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  event.preventDefault();
  if (event.shiftKey) redo();
  else undo();
});

// ---------------------------------------------------------------- begin

if (window.matchMedia("(pointer: coarse) and (max-width: 999px)").matches && !document.querySelector("#numbers .wrong")) {
  document.getElementById("numbers")?.removeAttribute("open");
}
for (const line of form.querySelectorAll("[data-effect]")) {
  const question = document.getElementById(line.dataset.effect);
  question?.setAttribute("aria-describedby", `${question.getAttribute("aria-describedby") ?? ""} ${line.id}`.trim());
}
try {
  map = new FenceMap(document.getElementById("fence-map"), given);
  map.rings = given.checked.rings;
  map.ground = ground;
  map.map.on("style.load", dressMap);
  map.map.once("idle", () => editor.setAttribute("data-ready", "true"));
  map.map.on("click", erase);
  map.map.on("mousedown", carry);
  map.map.on("touchstart", carry);
  if (ground?.kind === "parts") map.lookAtRings();
} catch (error) {
  console.warn(error);
  map = null;
  editor.classList.add("no-map");
  say(words.failed);
}
