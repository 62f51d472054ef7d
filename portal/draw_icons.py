"""Draws the icons a telephone puts on its home screen, once: `python -m portal.draw_icons`.

They are our own mark (`static/icons/shouwang.svg`) as PNG, for systems that take no SVG.
The results are committed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

ICONS: Final = Path(__file__).parent / "static" / "icons"
SIZES_PX: Final = (192, 512)
BOX: Final = 32.0
"""The side of the mark's own drawing, whose numbers stand below."""
GROUND: Final = "#0b5a69"
LINE: Final = 2.4
FINER: Final = 4
"""Drawn so many times as large, then made smaller: smooth edges."""

Point = tuple[float, float]


def outline() -> list[Point]:
    """Give the points of the heart: two half circles, a notch between them, and a tip."""
    radius = 7.5 / math.sqrt(2)
    left = _arc((11.25, 12.85), radius, 135, 315)
    right = _arc((20.75, 12.85), radius, 225, 405)
    return [(16.0, 25.0), *left, (16.0, 10.1), *right, (16.0, 25.0)]


def icon(size_px: int, *, maskable: bool) -> Image.Image:
    """Give the icon; a maskable one fills its square and keeps the mark within the part no mask cuts off."""
    side = size_px * FINER
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((0, 0, side - 1, side - 1), radius=0 if maskable else side / 4, fill=GROUND)
    shrunk = 0.7 if maskable else 1.0
    scale = side / BOX

    def at(point: Point) -> Point:
        x, y = (BOX / 2 + (value - BOX / 2) * shrunk for value in point)
        return (x * scale, y * scale)

    width = LINE * shrunk * scale
    points = [at(point) for point in outline()]
    pen.line(points, fill="white", width=round(width), joint="curve")
    for point in points:
        _dot(pen, point, width / 2)
    _dot(pen, at((16.0, 16.2)), 2.2 * shrunk * scale)
    return picture.resize((size_px, size_px), Image.Resampling.LANCZOS)


def main() -> None:
    """Write the four icons."""
    for size_px in SIZES_PX:
        icon(size_px, maskable=False).save(ICONS / f"shouwang-{size_px}.png", optimize=True)
        icon(size_px, maskable=True).save(ICONS / f"shouwang-maskable-{size_px}.png", optimize=True)


def _arc(centre: Point, radius: float, start_deg: int, end_deg: int) -> list[Point]:
    angles = [math.radians(degrees) for degrees in range(start_deg, end_deg + 1, 3)]
    return [(centre[0] + radius * math.cos(turn), centre[1] + radius * math.sin(turn)) for turn in angles]


def _dot(pen: ImageDraw.ImageDraw, centre: Point, radius: float) -> None:
    x, y = centre
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")


if __name__ == "__main__":
    main()
