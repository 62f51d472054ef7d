// Follows the portal's stream and says how fresh the page is. Pages work without it.

const OLD_AFTER_MS = 40_000;
const POLL_MS = 30_000;
const TICK_MS = 15_000;
const CLOSED = 2;

const english = document.documentElement.lang.startsWith("en");

export function ago(at, now = Date.now()) {
  const seconds = Math.max(0, Math.floor((now - at) / 1000));
  const [count, unit] = seconds < 3600 ? [Math.floor(seconds / 60), "minute"] : [Math.floor(seconds / 3600), "hour"];
  if (seconds < 60) return english ? "just now" : "刚刚";
  if (seconds >= 86_400) return null;
  if (english) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
  return `${count} ${unit === "minute" ? "分钟" : "小时"}前`;
}

export function tick(root = document) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-fixed])")) {
    const words = ago(Date.parse(time.dateTime));
    if (words && words !== time.textContent) time.textContent = words;
  }
}

function clock() {
  return new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }).format(new Date());
}

// A line that says whether the page is live, and since when it is not.
class State {
  constructor(element) {
    this.element = element;
    this.words = element.querySelector("[data-live-words]");
    this.heard = Date.now();
    this.heardAt = clock();
    this.full = false;
  }

  hear() {
    this.heard = Date.now();
    this.heardAt = clock();
    this.show("on", this.element.dataset.on);
  }

  check() {
    if (this.full) this.show("", this.element.dataset.full);
    else if (Date.now() - this.heard > OLD_AFTER_MS) this.show("off", this.element.dataset.off.replace("%s", this.heardAt));
  }

  show(kind, words) {
    if (this.words.textContent === words && this.element.classList.contains(kind || "live-state")) return;
    this.element.classList.remove("on", "off");
    if (kind) this.element.classList.add(kind);
    this.words.textContent = words;
  }
}

// What stands on top of every page of whoever is on duty.
const standing = document.getElementById("standing");
const showStanding = calmly(
  () => standing && refresh(standing, standing.dataset.refresh).catch(() => {}),
  700,
);

// Calls `handlers[topic](data)` for every event; `handlers.reload()` when the page can't be caught up by events.
export function follow(handlers) {
  const element = document.querySelector("[data-live-state]");
  if (!element) return;
  const state = new State(element);
  let seen = element.dataset.after;
  let source = null;
  let polling = null;

  const open = () => {
    source = new EventSource(`${element.dataset.url}?after=${seen}`);
    source.addEventListener("open", () => {
      state.full = false;
      clearInterval(polling);
      polling = null;
      state.hear();
    });
    source.addEventListener("ping", () => state.hear());
    source.addEventListener("reset", () => {
      state.hear();
      handlers.reload();
    });
    for (const topic of ["wearer", "incident", "roster", "health"]) {
      source.addEventListener(topic, (event) => {
        seen = event.lastEventId || seen;
        state.hear();
        if (topic === "incident") showStanding();
        handlers[topic]?.(JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => {
      state.check();
      if (source.readyState !== CLOSED) return;
      // Refused: too many viewers, or signed out. The page reloads its parts by itself and asks again.
      state.full = true;
      state.check();
      polling ??= setInterval(() => {
        handlers.reload();
        open();
      }, POLL_MS);
    });
  };

  open();
  setInterval(() => {
    tick();
    state.check();
  }, TICK_MS);
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    handlers.reload();
    open();
  });
}

// Puts a fetched piece of page in place of what is there; typed words, open details and the focus stay.
export async function refresh(container, url, { part = null } = {}) {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (answer.redirected || answer.status === 401) {
    location.reload();
    return false;
  }
  if (!answer.ok) return false;
  const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
  const source = part ? fetched.querySelector(part) : fetched.body;
  if (!source) return false;
  keep(container, source);
  const focused = container.contains(document.activeElement) ? document.activeElement.id : "";
  const selection = focused && document.activeElement.selectionStart;
  container.replaceChildren(...source.childNodes);
  tick(container);
  if (focused) {
    const again = document.getElementById(focused);
    again?.focus({ preventScroll: true });
    if (again && selection !== undefined && again.setSelectionRange) again.setSelectionRange(selection, selection);
  }
  return true;
}

export function keep(before, after) {
  for (const field of before.querySelectorAll("textarea[id], input[id], select[id]")) {
    const same = after.querySelector(`#${CSS.escape(field.id)}`);
    if (same && field.value && field.value !== field.defaultValue) same.value = field.value;
  }
  for (const details of before.querySelectorAll("details[id][open]")) {
    after.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
}

// Runs at most once in `wait_ms`, and once more when it was asked for meanwhile.
export function calmly(work, wait_ms) {
  let timer = null;
  let again = false;
  const run = async () => {
    again = false;
    try {
      await work();
    } finally {
      timer = setTimeout(() => {
        timer = null;
        if (again) start();
      }, wait_ms);
    }
  };
  const start = () => {
    timer = setTimeout(run, 0);
  };
  return () => {
    if (timer === null) start();
    else again = true;
  };
}
