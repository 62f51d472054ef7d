// The page without a network: it looks as the person's pages did, shows what was kept here, dated, and goes on
// to the page that was wanted as soon as the network is back.

const KEPT = "shouwang-kept";
const root = document.documentElement;

async function read(path) {
  const found = await (await caches.open(KEPT)).match(path);
  return found ? found.json() : null;
}

function element(name, words, className) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (words) made.textContent = words;
  return made;
}

function dated(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const how = { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", hour12: false };
  if (!today) Object.assign(how, { month: "short", day: "numeric" });
  return new Intl.DateTimeFormat(root.lang, how).format(at);
}

function card(one, section) {
  const made = element("article", "", "card");
  made.append(element("h2", `${one.name} ${one.where}`));
  if (one.alarm) made.append(element("p", section.dataset.alarm, "pill pill-danger"));
  const meta = [one.at, ...one.vitals].filter(Boolean).join(" · ");
  if (meta) made.append(element("p", meta, "soft"));
  const calls = element("div", "", "actions");
  for (const call of one.calls) {
    const link = element("a", section.dataset.call.replace("%s", call.name), "button quiet");
    link.href = `tel:${call.phone}`;
    calls.append(link);
  }
  if (calls.childElementCount) made.append(calls);
  return made;
}

async function show() {
  const look = await read("/kept/display");
  if (look?.mode === "elder") Object.assign(root.dataset, { mode: "elder", size: look.size });
  const state = await read("/kept/state");
  if (!state) return;
  const section = document.querySelector("[data-kept]");
  section.querySelector("[data-when]").textContent = section.dataset.words.replace("%s", dated(state.at));
  section.append(...state.cards.map((one) => card(one, section)));
  section.hidden = false;
}

async function back() {
  const answer = await fetch("/manifest.webmanifest", { method: "HEAD", cache: "no-store" }).catch(() => null);
  if (answer?.ok) location.reload();
}

document.querySelector("[data-again]").addEventListener("click", () => location.reload());
if (location.pathname !== "/offline") {
  window.addEventListener("online", back);
  setInterval(back, 10_000);
}
show().catch(() => {});
