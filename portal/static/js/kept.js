// What stays on this device for when there is no network: how pages look, and, only where the person asked for it
// here, the last state of those they look after. It goes when they say so, sign out, or another account comes.

const STORE = "shouwang-kept";
const DISPLAY = "/kept/display";
const STATE = "/kept/state";
const OWNER = "kept-owner";
const body = document.body;
const able = "serviceWorker" in navigator && "caches" in window;

const put = async (path, value) => (await caches.open(STORE)).put(path, Response.json(value));

async function forget() {
  localStorage.removeItem(OWNER);
  await (await caches.open(STORE)).delete(STATE);
}

async function keep() {
  const answer = await fetch("/me/last-known", { headers: { Accept: "application/json" } });
  if (!answer.ok) {
    if (answer.status === 401 || answer.status === 404) await forget();
    return false;
  }
  const state = await answer.json();
  if (localStorage.getItem(OWNER) !== state.owner) return false;
  await put(STATE, state);
  return true;
}

async function removeWorker() {
  localStorage.removeItem(OWNER);
  for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister();
  for (const name of await caches.keys()) if (name.startsWith("shouwang-")) await caches.delete(name);
}

/** Bring the worker in; where the server has none any more (404, 410), take out the one that is here. */
async function work() {
  try {
    const here = await navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" });
    await here.update();
  } catch {
    const answer = await fetch("/sw.js", { cache: "no-store" }).catch(() => null);
    if (answer && (answer.status === 404 || answer.status === 410)) await removeWorker();
  }
}

function offer(section) {
  const box = section.querySelector("input");
  const said = section.querySelector("[role=status]");
  section.hidden = false;
  box.checked = localStorage.getItem(OWNER) === body.dataset.owner;
  box.addEventListener("change", async () => {
    box.disabled = true;
    let good = true;
    if (box.checked) {
      localStorage.setItem(OWNER, body.dataset.owner);
      good = await keep().catch(() => false);
    }
    if (!box.checked || !good) await forget();
    said.textContent = good ? (box.checked ? section.dataset.on : section.dataset.off) : section.dataset.failed;
    box.checked = box.checked && good;
    box.disabled = false;
  });
}

async function start() {
  const { lang, dataset } = document.documentElement;
  await put(DISPLAY, { language: lang.startsWith("en") ? "en" : "zh", mode: dataset.mode ?? "", size: dataset.size ?? "" });
  const owner = localStorage.getItem(OWNER);
  if (owner && owner !== body.dataset.owner) await forget();
  else if (owner) await keep().catch(() => {});
  for (const form of document.querySelectorAll("form[action^='/logout']")) {
    form.addEventListener("submit", () => forget());
  }
  const section = document.querySelector("[data-keep-offline]");
  if (section) offer(section);
  await work();
}

if (able) start().catch(() => {});
