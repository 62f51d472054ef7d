"""What a thousand wearers cost the live map: frames a second while it is panned, against it empty.

Chromium draws with software GL, which any graphics card is many times as fast as: read the ratio.
Both are panned in the same page and in turn, each the median of several turns.
"""

from __future__ import annotations

import logging
import statistics
import time

from bench.served import SOFTWARE_GL, chromium, portal_app, served, settle_wearers, signed_in

WEARERS = 1_000
TURNS = 3
PLACES = {"the estate (zoom 15)": 15.0, "some houses (zoom 17)": 17.0, "rings with words (zoom 19.1)": 19.1}
PAN = """async ({ zoom, seconds, empty }) => {
  const { map } = document.getElementById("map");
  const ours = map.getStyle().layers.filter((layer) => ["wearers", "apart", "fences"].includes(layer.source));
  for (const layer of ours) map.setLayoutProperty(layer.id, "visibility", empty ? "none" : "visible");
  map.jumpTo({ center: [121.105, 31.1553], zoom });
  await new Promise((done) => setTimeout(done, 1500));
  let frames = 0;
  const count = () => (frames += 1);
  map.on("render", count);
  const began = performance.now();
  await new Promise((done) => {
    const step = (now) => {
      const turn = ((now - began) / 1000) * 0.8;
      const center = [121.105 + 0.0012 * Math.cos(turn), 31.1553 + 0.0012 * Math.sin(turn)];
      map.jumpTo({ center, zoom });
      if (now - began < seconds * 1000) requestAnimationFrame(step);
      else done();
    };
    requestAnimationFrame(step);
  });
  map.off("render", count);
  return (frames / (performance.now() - began)) * 1000;
}"""


def main(*, seconds: float) -> None:
    """Measure and print; a turn takes half the seconds."""
    logging.disable(logging.INFO)
    each_s = max(1.0, seconds / 2)
    with portal_app() as app:
        settle_wearers(app, WEARERS)
        with served(app) as address, chromium(*SOFTWARE_GL) as browser:
            page = signed_in(browser, address)
            began = time.perf_counter()
            page.goto("/care/")
            page.wait_for_selector(f"#map[data-ready][data-wearers='{WEARERS}']", timeout=120_000)
            spent_s = time.perf_counter() - began
            print(f"{WEARERS:,} wearers: the page with its list and its map is drawn after {spent_s:.1f} s")
            print(f"{'panning, frames a second':32}{'empty':>8}{'full':>8}{'ratio':>8}")
            for name, zoom in PLACES.items():
                told: dict[bool, list[float]] = {True: [], False: []}
                for _ in range(TURNS):
                    for empty in (True, False):
                        asked = {"zoom": zoom, "seconds": each_s, "empty": empty}
                        told[empty].append(page.evaluate(PAN, asked))
                nothing, full = statistics.median(told[True]), statistics.median(told[False])
                print(f"{name:32}{nothing:>8.1f}{full:>8.1f}{full / nothing:>8.2f}")
