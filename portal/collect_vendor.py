"""Copies the front-end libraries the pages need from `node_modules` into `portal/static/vendor/`.

Third-party code is never committed: `npm ci` fetches what `package-lock.json` names, this copies it,
each library with its licence. The icon sprite holds only the icons listed here.

    npm ci --omit=dev && python -m portal.collect_vendor
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping
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
    "terra-draw/dist/terra-draw.modern.js": "terra-draw/terra-draw.mjs",
    "terra-draw-maplibre-gl-adapter/dist/terra-draw-maplibre-gl-adapter.modern.js": "terra-draw/adapter.mjs",
}
"""Path in `node_modules` -> path in `portal/static/vendor`."""

SPECIFIERS: Final = {"terra-draw/adapter.mjs": {'from"terra-draw"': 'from"./terra-draw.mjs"'}}
"""Bare names in a module that a page finds at no address: the policy of the pages allows no import map."""

NOTICES: Final = {"terra-draw": "terra-draw/LICENSE.txt"}
"""Packages that name their licence in package.json and carry no file of it -> where its text is written."""

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
    circle circle-dashed eraser move pentagon redo-2 route spline-pointer upload
    """.split()  # noqa: SIM905  # a hundred names read best as prose
)
"""The icons of the sprite, by their lucide names."""

MIT: Final = """{name} {version}, {repository}
Copyright (c) {author}

The package is published under the MIT licence by its package.json and carries no licence file;
the text of that licence is:

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

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


def module(text: str, specifiers: Mapping[str, str]) -> str:
    """Give a module with its bare specifiers as addresses, and without the map that is not carried.

    Raises ValueError when a specifier is not there any more: the page would fail, and only in the browser.
    """
    for bare, address in specifiers.items():
        if bare not in text:
            raise ValueError(f"{bare} is not imported any more")
        text = text.replace(bare, address)
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", text)


def notice(package: Path) -> str:
    """Give the licence of a package that only names it; raises ValueError where it is not MIT."""
    said = json.loads((package / "package.json").read_text(encoding="utf-8"))
    if said["license"] != "MIT":
        raise ValueError(f"{said['name']} is under {said['license']} now")
    return MIT.format(**{key: said[key] for key in ("name", "version", "repository", "author")})


def collect(node_modules: Path, vendor: Path) -> list[Path]:
    """Copy every file and write the sprite; gives the files written; idempotent.

    Raises `FileNotFoundError` when `npm ci` has not run.
    """
    written = []
    for source, target in FILES.items():
        path = vendor / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if target.startswith("terra-draw/"):
            text = (node_modules / source).read_text(encoding="utf-8")
            path.write_text(module(text, SPECIFIERS.get(target, {})), encoding="utf-8")
        else:
            shutil.copyfile(node_modules / source, path)
        written.append(path)
    for package, target in NOTICES.items():
        (vendor / target).write_text(notice(node_modules / package), encoding="utf-8")
        written.append(vendor / target)
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
