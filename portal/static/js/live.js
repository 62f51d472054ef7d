// Follows the portal's stream and says how fresh the page is. Pages work without it.

const OLD_AFTER_MS = 40_000;
const ASK_AFTER_MS = 4_000;
const ASK_EVERY_S = 5;
const AGAIN_MS = 20_000;
const RELOAD_MS = 30_000;
const TICK_MS = 15_000;
const CLOSED = 2;
const TOPICS = ["wearer", "incident", "roster", "health"];

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

// A form that was sent takes the page along: to load it anew would cost the answer, to fetch it the answer's words.
const LEAVING_MS = 20_000;
let sent = 0;
window.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) sent = Date.now();
});
window.addEventListener("pageshow", () => (sent = 0));
const leaving = () => Date.now() - sent < LEAVING_MS;

/** Load the page anew, unless it is being left for the answer to a form. */
export function anew() {
  if (!leaving()) location.reload();
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
    this.asking = false;
  }

  hear() {
    this.heard = Date.now();
    this.heardAt = clock();
    if (this.asking) this.show("", this.element.dataset.full.replace("%s", ASK_EVERY_S));
    else this.show("on", this.element.dataset.on);
  }

  check() {
    if (Date.now() - this.heard > OLD_AFTER_MS) this.show("off", this.element.dataset.off.replace("%s", this.heardAt));
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

// Hears events from the stream's own process, and asks the portal every few seconds while that cannot be had.
class Follower {
  constructor(element, handlers) {
    this.state = new State(element);
    this.handlers = handlers;
    this.stream = element.dataset.stream;
    this.portal = element.dataset.url;
    this.seen = element.dataset.after;
    this.streaming = null;
    this.asking = null;
    this.waiting = null;
    this.reloading = null;
  }

  open() {
    if (!this.stream) {
      this.ask();
      return;
    }
    this.streaming?.close();
    this.streaming = this.listen(this.stream);
    this.streaming.addEventListener("open", () => this.streams());
    this.streaming.addEventListener("error", () => this.lost());
  }

  // The stream is there: nobody needs to be asked any more.
  streams() {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.stopAsking();
    this.state.hear();
  }

  // Ended or not to be had. A browser comes back by itself unless it was refused; meanwhile the portal is asked.
  lost() {
    this.state.check();
    const refused = this.streaming.readyState === CLOSED;
    if (refused) setTimeout(() => this.open(), AGAIN_MS);
    this.waiting ??= setTimeout(() => this.ask(), refused ? 0 : ASK_AFTER_MS);
  }

  ask() {
    if (this.asking) return;
    this.state.asking = true;
    this.asking = this.listen(this.portal);
    this.asking.addEventListener("open", () => {
      clearInterval(this.reloading);
      this.reloading = null;
    });
    this.asking.addEventListener("error", () => {
      this.state.check();
      if (this.asking?.readyState !== CLOSED) return;
      // The portal refuses too: signed out, or it is in trouble. The page reloads its parts by itself.
      this.asking = null;
      this.reloading ??= setInterval(() => {
        this.handlers.reload();
        this.ask();
      }, RELOAD_MS);
    });
  }

  stopAsking() {
    this.asking?.close();
    this.asking = null;
    this.state.asking = false;
    clearInterval(this.reloading);
    this.reloading = null;
  }

  listen(address) {
    const source = new EventSource(`${address}?after=${this.seen}`, { withCredentials: true });
    const heard = (event) => {
      this.seen = event.lastEventId || this.seen;
      this.state.hear();
    };
    source.addEventListener("ping", heard);
    source.addEventListener("reset", () => {
      this.state.hear();
      this.handlers.reload();
    });
    for (const topic of TOPICS) {
      source.addEventListener(topic, (event) => {
        heard(event);
        if (topic === "incident") showStanding();
        this.handlers[topic]?.(JSON.parse(event.data));
      });
    }
    return source;
  }

  close() {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.streaming?.close();
    this.stopAsking();
  }
}

// Calls `handlers[topic](data)` for every event; `handlers.reload()` when the page can't be caught up by events.
export function follow(handlers) {
  const element = document.querySelector("[data-live-state]");
  if (!element) return;
  const follower = new Follower(element, handlers);
  follower.open();
  setInterval(() => {
    tick();
    follower.state.check();
  }, TICK_MS);
  window.addEventListener("pagehide", () => follower.close());
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    handlers.reload();
    follower.open();
  });
}

// Puts a fetched piece of page in place of what is there; typed words, open details and the focus stay.
export async function refresh(container, url, { part = null } = {}) {
  if (leaving()) return false;
  const answer = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (answer.redirected || answer.status === 401) {
    anew();
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
    // A hidden page's timers may wait for a minute; an alarm may not.
    if (document.hidden) {
      timer = 0;
      run();
    } else {
      timer = setTimeout(run, 0);
    }
  };
  return () => {
    if (timer === null) start();
    else again = true;
  };
}
