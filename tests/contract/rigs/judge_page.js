// What can be measured on a page: targets, sizes of text, its width, its words, what the policy refused.
(least) => {
  const told = (one) => one.outerHTML.replace(/\s+/g, " ").slice(0, 120);
  const shown = (one) =>
    one.checkVisibility({ visibilityProperty: true }) && one.getBoundingClientRect().height > 0;
  const hiddenFromAll = (one) => one.closest(".maplibregl-canvas, .skip, [aria-hidden=true], svg");

  // A link inside a sentence is as large as its line (WCAG 2.2, 2.5.8, exception "inline").
  const inline = (one) => one.matches("a") && one.closest("p, dd, .prose, .note");
  const box = (one) => {
    const parts = [one];
    if (one.matches("input[type=radio], input[type=checkbox], input[type=file]")) parts.push(...one.labels);
    const boxes = parts.map((part) => part.getBoundingClientRect());
    const left = Math.min(...boxes.map((b) => b.left));
    const top = Math.min(...boxes.map((b) => b.top));
    const width = Math.max(...boxes.map((b) => b.right)) - left;
    return { width, height: Math.max(...boxes.map((b) => b.bottom)) - top };
  };
  const targets = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  const small = [...document.querySelectorAll(targets)]
    .filter((one) => (shown(one) || one.labels?.length) && !hiddenFromAll(one) && !inline(one))
    .filter((one) => box(one).height > 0)
    .filter((one) => Math.min(box(one).height, box(one).width) < least.target - 0.5)
    .map((one) => `target ${Math.round(box(one).width)}x${Math.round(box(one).height)}: ${told(one)}`);

  const fine = [];
  const words = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement;
    if (!node.data.trim() || one.closest("script, style, noscript, template")) continue;
    if (!one.closest("[lang^=zh]:not(html)")) words.push(node.data.trim());
    const size = Number.parseFloat(getComputedStyle(one).fontSize);
    if (shown(one) && !hiddenFromAll(one) && size < least.text) fine.push(`text ${size} px: ${told(one)}`);
  }
  for (const name of ["aria-label", "aria-valuetext", "placeholder", "title", "alt"]) {
    for (const one of document.querySelectorAll(`[${name}]`)) words.push(one.getAttribute(name));
  }

  const over = document.documentElement.scrollWidth - innerWidth;
  const wide = over > 0 ? [`${over} px too wide`] : [];
  return { small, fine, wide, words, refused: globalThis.refused ?? [] };
};
