"""Copies the front-end libraries the pages need from `node_modules` into `portal/static/vendor/`.

Third-party code is never committed: `npm ci` fetches what `package-lock.json` names, this copies it,
each library with its licence. The icon sprite holds only the icons listed here.

    npm ci --omit=dev && python -m portal.collect_vendor
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
VENDOR: Final = Path(__file__).parent / "static" / "vendor"

FILES: Final = {
    "@picocss/pico/css/pico.min.css": "pico/pico.min.css",
    "@picocss/pico/LICENSE.md": "pico/LICENSE.md",
    "maplibre-gl/dist/maplibre-gl.mjs": "maplibre-gl/maplibre-gl.mjs",
    "maplibre-gl/dist/maplibre-gl-worker.mjs": "maplibre-gl/maplibre-gl-worker.mjs",
    "maplibre-gl/dist/maplibre-gl.css": "maplibre-gl/maplibre-gl.css",
    "maplibre-gl/LICENSE.txt": "maplibre-gl/LICENSE.txt",
    "lucide-static/LICENSE": "lucide/LICENSE",
    "uplot/dist/uPlot.esm.js": "uplot/uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
    "uplot/LICENSE": "uplot/LICENSE",
}
"""Path in `node_modules` -> path in `portal/static/vendor`."""

ICONS: Final = tuple(
    """
    a-large-small accessibility activity arrow-left arrow-right badge-check banknote battery battery-low
    bell bike building-2 calendar camera car chart-line check chevron-left chevron-right circle-alert
    circle-check circle-dot circle-help circle-x clipboard-list clock construction dog download droplets
    ellipsis external-link eye file-check file-text filter flag footprints forward hand hand-helping
    handshake heart heart-handshake heart-pulse history hourglass house id-card image inbox info key-round
    landmark languages layout-dashboard life-buoy lightbulb list locate lock log-in log-out map map-pin
    megaphone menu message-circle message-square-text messages-square monitor moon navigation newspaper
    paperclip pause pencil phone phone-call pin play plus printer radio recycle rotate-ccw satellite scale
    search send settings shield shield-check siren sparkles star sun table-2 thermometer thumbs-up trash-2
    trees triangle-alert undo-2 user-check user-round users volume-2 volume-x vote watch wifi wifi-off
    wrench x zap
    """.split()  # noqa: SIM905  # a hundred names read best as prose
)
"""The icons of the sprite, by their lucide names."""

_BODY = re.compile(r"<svg[^>]*>(?P<body>.*)</svg>", re.DOTALL)


def sprite(icons: Path, names: tuple[str, ...]) -> str:
    """Give one SVG with a `<symbol>` for each named icon of a folder; raises `OSError` if one is missing."""
    symbols = []
    for name in names:
        match = _BODY.search((icons / f"{name}.svg").read_text(encoding="utf-8"))
        body = " ".join(match["body"].split()) if match else ""
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{body}</symbol>')
    joined = "\n".join(symbols)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n<!-- lucide-static, ISC -->\n{joined}\n</svg>\n'


def collect(node_modules: Path, vendor: Path) -> list[Path]:
    """Copy every file and write the sprite; gives the files written; idempotent.

    Raises `FileNotFoundError` when `npm ci` has not run.
    """
    written = []
    for source, target in FILES.items():
        path = vendor / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(node_modules / source, path)
        written.append(path)
    icons = vendor / "lucide" / "icons.svg"
    icons.write_text(sprite(node_modules / "lucide-static" / "icons", ICONS), encoding="utf-8")
    return [*written, icons]


def main() -> int:
    """Collect into the checkout; gives the exit status."""
    try:
        written = collect(ROOT / "node_modules", VENDOR)
    except FileNotFoundError as error:
        sys.stderr.write(f"{error.filename} is not there: run `npm ci` first\n")
        return 1
    sys.stdout.write(f"{len(written)} files in {VENDOR}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
