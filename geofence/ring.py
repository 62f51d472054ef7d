"""Rings and lines on a plane, in metres: their edges, how far a point is from them, what makes them bad."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from geofence.ellipsoid import check_place

MAX_CORNERS = 1_000
MIN_CORNERS = 3
MIN_AREA_M2 = 1.0
TOUCHING_M = 0.01

Point = tuple[float, float]
Edge = tuple[float, float, float, float, float, float, float]
"""From x, y; to y; the run in x and y; 1 over its length squared; x run a y run."""
Corner = tuple[int, float, float]
"""Its number as given, from 1; its latitude and longitude in degrees."""


def clean(corners: tuple[Point, ...], *, closed: bool, what: str) -> list[Corner]:
    """Give the corners without immediate repeats, and without the closing one where it is a ring.

    Raises ValueError, naming `what` and the corner, when one is out of range or too few differ.
    """
    kept: list[Corner] = []
    for number, (lat, lon) in enumerate(corners, start=1):
        check_place(lat, lon, f"{what}corner {number}")
        if not kept or kept[-1][1:] != (lat, lon):
            kept.append((number, lat, lon))
    while closed and len(kept) > 1 and kept[0][1:] == kept[-1][1:]:
        kept.pop()
    least = MIN_CORNERS if closed else MIN_CORNERS - 1
    if len(kept) < least:
        kind = "polygon" if closed else "line"
        raise ValueError(f"{what}a {kind} has at least {least} different corners, not {len(kept)}")
    return kept


def edges(points: list[Point], *, closed: bool) -> list[Edge]:
    """Give each edge with what the distance loops would otherwise compute every time."""
    ends = [*points[1:], points[0]] if closed else points[1:]
    found = []
    for (from_x, from_y), (to_x, to_y) in zip(points, ends, strict=False):
        run_x, run_y = to_x - from_x, to_y - from_y
        square = run_x * run_x + run_y * run_y
        found.append(
            (from_x, from_y, to_y, run_x, run_y, 1 / square if square else 0.0, run_x / run_y if run_y else 0)
        )
    return found


def to_rings(rings: tuple[Edge, ...], x: float, y: float) -> float:
    """Give the signed metres from the nearest edge of the rings; negative inside an odd number of them.

    A ray to the east counts the rings around the point.
    """
    best = inf
    inside = False
    for from_x, from_y, to_y, run_x, run_y, per_square, slope in rings:
        off_x = x - from_x
        off_y = y - from_y
        along = (off_x * run_x + off_y * run_y) * per_square
        if along <= 0.0:
            square = off_x * off_x + off_y * off_y
        elif along >= 1.0:
            off_x -= run_x
            square = off_x * off_x + (y - to_y) ** 2
        else:
            across = off_x * run_y - off_y * run_x
            square = across * across * per_square
        if square < best:  # noqa: PLR1730 (a call of min costs more than the whole comparison)
            best = square
        if (from_y > y) is not (to_y > y) and x < from_x + (y - from_y) * slope:
            inside = not inside
    return -sqrt(best) if inside else sqrt(best)


def to_line(line: tuple[Edge, ...], x: float, y: float) -> float:
    """Give the metres from the nearest edge of a line."""
    return abs(to_rings(line, x, y))


def deepest(rings: list[list[Point]], numbers: list[list[int]]) -> tuple[float, float, float]:
    """Check the rings, the outer one first, and give the largest circle inside: x, y, radius in metres.

    `numbers`: what each corner is called, ring by ring.
    Raises ValueError, naming the ring and its corners, when a ring crosses or touches itself or has no area,
    a hole is not wholly inside the outer ring, or two holes touch or overlap.
    """
    import shapely  # noqa: PLC0415 (90 ms and 29 MiB: only who has a polygon pays)

    areas = [shapely.Polygon(ring) for ring in rings]
    for place, area in enumerate(areas):
        _check_simple(area, rings[place], numbers[place], named(place))
    for place, hole in enumerate(areas[1:], start=1):
        if not areas[0].contains_properly(hole):
            corner = _first_outside(areas[0], rings[place], numbers[place])
            raise ValueError(f"{named(place)}it is not wholly inside the outer ring{corner}")
        for other in range(1, place):
            if hole.intersects(areas[other]):
                raise ValueError(f"holes {other} and {place} touch or overlap; draw them as one")
    ground = shapely.Polygon(rings[0], rings[1:])
    radius = shapely.maximum_inscribed_circle(ground, tolerance=1.0)
    (core_x, core_y), _ = radius.coords
    around = tuple(edge for ring in rings for edge in edges(ring, closed=True))
    return core_x, core_y, -to_rings(around, core_x, core_y)


def named(place: int) -> str:
    """Give what a message says before it speaks of a ring: nothing for the outer one, at place 0."""
    return f"hole {place}: " if place else ""


def _check_simple(area: Any, ring: list[Point], numbers: list[int], what: str) -> None:
    import shapely  # noqa: PLC0415 (as above)

    if area.is_valid and area.area >= MIN_AREA_M2:
        return
    told = shapely.is_valid_reason(area)
    reason, _, where = told.partition("[")
    if area.is_valid or not area.area:
        raise ValueError(f"{what}the corners, in this order, make no simple polygon: no area")
    x, y = (float(part) for part in where.rstrip("]").split()[:2])
    after = [
        str(number)
        for edge, number in zip(edges(ring, closed=True), numbers, strict=True)
        if to_line((edge,), x, y) < TOUCHING_M
    ]
    met = f" where the edges after corners {' and '.join(after)} meet" if after else ""
    raise ValueError(f"{what}the corners, in this order, make no simple polygon: {reason}{met}")


def _first_outside(outer: Any, ring: list[Point], numbers: list[int]) -> str:
    import shapely  # noqa: PLC0415 (as above)

    for point, number in zip(ring, numbers, strict=True):
        if not outer.contains_properly(shapely.Point(point)):
            return f" (see its corner {number})"
    return ""
