// An order about a band: follows it until its gateway has answered, and copies what is typed into the band.

import { calmly, follow, refresh } from "./live.js";

const order = document.getElementById("order");
const LOOK_AGAIN_MS = 3_000;

const waits = () => order.querySelector("[data-follow]") !== null;

const show = calmly(async () => {
  if (!waits()) return;
  await refresh(order, order.dataset.refresh, { part: "#order" }).catch(() => {});
  ready();
}, 700);

// Buttons that need a script are there only with it.
function ready() {
  for (const button of order.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  for (const button of order.querySelectorAll("[data-print]")) button.hidden = false;
}

order.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const words = copy.querySelector("span");
    const before = words.textContent;
    await navigator.clipboard.writeText(copy.dataset.copy);
    words.textContent = copy.dataset.copied;
    setTimeout(() => {
      words.textContent = before;
    }, 2_000);
  }
  if (event.target.closest("[data-print]")) window.print();
});

// Going back to this page shows no key out of the browser's memory.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

ready();
if (waits()) {
  follow({ health: show, roster: show, reload: show });
  setInterval(show, LOOK_AGAIN_MS);
}
