// The sound of the desk: while an alarm nobody has taken stands on the board, this device sounds.
// A browser lets no page sound before a person pressed something, so it is armed by a press, said loudly while
// it is not, and remembered on this device. The tones are made here: no file that could be missing.

const KEY = "desk-sound";
const EVERY_MS = 4000;
const DRILL_EVERY_MS = 8000;
const HUSH_MS = 120_000;
const BLINK_MS = 1000;
const TONES = {
  alarm: { wave: "square", volume: 0.22, notes: [[880, 0], [660, 0.22], [880, 0.44], [660, 0.66], [990, 0.95]] },
  drill: { wave: "sine", volume: 0.16, notes: [[440, 0], [554, 0.3]] },
};
const NOTE_S = 0.2;

const bar = document.getElementById("sound");
const board = document.getElementById("board");
const words = JSON.parse(bar.dataset.words);
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const title = document.title;
let context = null;
let wanted = localStorage.getItem(KEY) === "on";
let sounding = null;
let hushed = 0;
let known = new Set();
let lit = false;

const ready = () => context?.state === "running";

function standing() {
  const cards = [...board.querySelectorAll("[data-incident][data-untaken]")];
  const real = cards.filter((card) => !("drill" in card.dataset));
  return { ids: cards.map((card) => card.dataset.incident), kind: real.length ? "alarm" : cards.length ? "drill" : null };
}

// ---------------------------------------------------------------- tones

function play(kind) {
  if (!ready()) return;
  const { wave, volume, notes } = TONES[kind];
  for (const [hertz, begin] of notes) {
    const tone = context.createOscillator();
    const loudness = context.createGain();
    const at = context.currentTime + begin;
    tone.type = wave;
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.0001, at);
    loudness.gain.exponentialRampToValueAtTime(volume, at + 0.02);
    loudness.gain.setValueAtTime(volume, at + NOTE_S - 0.04);
    loudness.gain.exponentialRampToValueAtTime(0.0001, at + NOTE_S);
    tone.connect(loudness).connect(context.destination);
    tone.start(at);
    tone.stop(at + NOTE_S);
  }
  bar.dataset.played = String(Number(bar.dataset.played ?? 0) + 1);
  bar.dataset.tone = kind;
}

async function open() {
  context ??= new AudioContext();
  context.onstatechange = show;
  // A browser that wants a press first leaves this pending: nobody waits for it.
  context.resume().then(show, show);
  await Promise.race([context.resume().catch(() => {}), new Promise((done) => setTimeout(done, 300))]);
  show();
  weigh();
}

// ---------------------------------------------------------------- what the bar says

function show() {
  const state = !wanted ? "off" : !ready() ? "asleep" : Date.now() < hushed ? "hushed" : "on";
  if (bar.dataset.state === state) return;
  bar.dataset.state = state;
  bar.className = `note desk-sound note-${state === "on" ? "good" : "warning"}`;
  bar.querySelector("[data-sound-words]").textContent = words[state];
  bar.querySelector("[data-icon-on]").hidden = state !== "on";
  bar.querySelector("[data-icon-off]").hidden = state === "on";
  const shown = { "sound-arm": state === "off" || state === "asleep", "sound-test": state === "on", "sound-hush": state === "on" && sounding !== null, "sound-off": state === "on" || state === "hushed" };
  for (const [id, visible] of Object.entries(shown)) document.getElementById(id).hidden = !visible;
}

function again() {
  delete bar.dataset.state;
  show();
}

// ---------------------------------------------------------------- when it sounds

function stop() {
  clearInterval(sounding?.timer);
  sounding = null;
}

function weigh() {
  const { ids, kind } = standing();
  if (ids.some((id) => !known.has(id))) hushed = 0;
  known = new Set(ids);
  bar.dataset.waiting = String(ids.length);
  const silent = !kind || !wanted || !ready() || Date.now() < hushed;
  if (silent) {
    stop();
  } else if (sounding?.kind !== kind) {
    stop();
    sounding = { kind, timer: setInterval(() => play(kind), kind === "drill" ? DRILL_EVERY_MS : EVERY_MS) };
    play(kind);
  }
  name(ids.length, kind);
  again();
}

function name(count, kind) {
  const shown = kind === "drill" ? words.titleDrill : words.title;
  lit = !lit || calm.matches;
  document.title = count ? (lit ? `(${count}) ${shown}` : `(${count}) ${title}`) : title;
}

// ---------------------------------------------------------------- presses

document.getElementById("sound-arm").addEventListener("click", async () => {
  wanted = true;
  localStorage.setItem(KEY, "on");
  await open();
  if (ready() && !sounding) play("drill");
  document.getElementById("sound-test").focus();
});
document.getElementById("sound-test").addEventListener("click", () => play("alarm"));
document.getElementById("sound-hush").addEventListener("click", () => {
  hushed = Date.now() + HUSH_MS;
  weigh();
  document.getElementById("sound-off").focus();
});
document.getElementById("sound-off").addEventListener("click", () => {
  wanted = false;
  localStorage.setItem(KEY, "off");
  weigh();
  document.getElementById("sound-arm").focus();
});

// Remembered on this device, but a browser may still want one press after the page was opened.
if (wanted) open();
for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => {
    if (wanted && !ready()) open();
  });
}
new MutationObserver(weigh).observe(board, { childList: true, subtree: true });
setInterval(weigh, BLINK_MS);
bar.hidden = false;
weigh();
