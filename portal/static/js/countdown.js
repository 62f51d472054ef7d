// Counts down to what an incident does next by itself: "2 分 10 秒后从头再次拨打".

const english = document.documentElement.lang.startsWith("en");

export function lasting(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  if (!minutes) return english ? `${rest} s` : `${rest} 秒`;
  const two = String(rest).padStart(2, "0");
  return english ? `${minutes} min ${two} s` : `${minutes} 分 ${two} 秒`;
}

export function count(root, now = Date.now()) {
  for (const clock of root.querySelectorAll("[data-next-at]")) {
    const seconds = Math.ceil((Date.parse(clock.dataset.nextAt) - now) / 1000);
    const words = seconds > 0 ? clock.dataset.in.replace("%s", lasting(seconds)) : clock.dataset.now;
    if (clock.textContent !== words) clock.textContent = words;
  }
}
