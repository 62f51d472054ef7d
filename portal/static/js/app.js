// What every page does beyond HTML: say that something is being sent, that the line is lost, and keep words typed.
// Everything works without this file; nothing here is needed to read or to send.

import "./kept.js";

const body = document.body;
document.documentElement.classList.add("js");

function clock() {
  return new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }).format(new Date());
}

// ---------------------------------------------------------------- sending

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  const asked = event.submitter?.dataset.ask;
  if (asked && event.submitter.dataset.asked !== "1") {
    event.preventDefault();
    event.submitter.dataset.asked = "1";
    event.submitter.textContent = asked;
    return;
  }
  if (form.dataset.sent === "1") {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  const button = event.submitter;
  if (button) {
    button.setAttribute("aria-busy", "true");
    if (form.enctype === "multipart/form-data") {
      const words = button.querySelector("span");
      if (words) words.textContent = body.dataset.sending;
    }
  }
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});

// ---------------------------------------------------------------- the line

const loaded = clock();
let strip = null;

function say(words, kind) {
  strip?.remove();
  strip = document.createElement("div");
  strip.className = `note note-${kind} offline`;
  strip.setAttribute("role", "status");
  const inner = document.createElement("div");
  inner.textContent = words;
  strip.append(inner);
  body.append(strip);
}

window.addEventListener("offline", () => say(body.dataset.lost.replace("%s", loaded), "warning"));
window.addEventListener("online", () => {
  if (!strip) return;
  say(body.dataset.back, "good");
  setTimeout(() => strip?.remove(), 4000);
});

// ---------------------------------------------------------------- words typed are kept until they are sent

const KEEP = "typed:";

function keeper(form) {
  const key = KEEP + form.dataset.keep;
  const fields = () => [...form.elements].filter((field) => field.name && field.matches("textarea, input[type=text], input[type=tel], select") && !field.dataset.private);
  const save = () => sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(fields().map((field) => [field.name, field.value]))));
  if (!form.querySelector("[data-problems]") && !document.querySelector("[data-problems]")) {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? "{}");
    for (const field of fields()) if (!field.value && kept[field.name]) field.value = kept[field.name];
  }
  form.addEventListener("input", save);
}

for (const form of document.querySelectorAll("form[data-keep]")) keeper(form);
for (const done of document.querySelectorAll("[data-kept-done]")) sessionStorage.removeItem(KEEP + done.dataset.keptDone);

document.querySelector("[data-problems]")?.focus();

// ---------------------------------------------------------------- questions that depend on an answer

function weigh(form) {
  for (const field of form.querySelectorAll("[data-when-field]")) {
    const answers = new FormData(form).getAll(field.dataset.whenField);
    const asked = field.dataset.whenValue.split("|").some((value) => answers.includes(value));
    field.hidden = !asked;
    for (const input of field.querySelectorAll("input, select, textarea")) input.disabled = !asked;
  }
}

for (const form of document.querySelectorAll("form")) {
  if (!form.querySelector("[data-when-field]")) continue;
  weigh(form);
  form.addEventListener("change", () => weigh(form));
}
