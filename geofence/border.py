"""The borders of many shapes as straight edges in degrees, and how far the true border may be from them.

Circles and the legs of corridors become rings of many corners, each leg a ring of its own;
a geodesic between two corners bulges beside the straight line in degrees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import pi, tan
from typing import Any

from geofence.plane import BACK_STEPS, on_plane, plane_at
from geofence.shape import Circle, Corridor, FenceShape, Parts, Polygon

END_CORNERS = 12
"""A round end, half a circle, is drawn with so many."""
OFF = tan(pi / 4 / END_CORNERS) ** 2
"""So much of its radius it lies outside at the corners, and as much inside between them."""
STRETCH = 1e-4
"""At most, what the plane's scale does to 5 km that are 50 km from its middle, or to a radius of 50 km."""
SLACK_M = 0.001
EARTH_M = 6_356_000.0
"""The earth's least radius."""

Floats = Any
"""A numpy array of float64."""
Numbers = Any
"""A numpy array of whole numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Edges of pieces, those of one piece beside each other; inside a piece is inside its shape.

    `pieces`: what each piece is of, asked where an edge is too near to tell; `shapes`: that shape's number.
    `starts`: each piece's first edge; `boxes`: its south, north, west and east in degrees.
    `lats`, `lons` and `to_lats`, `to_lons`: where edges begin and end, in degrees.
    `off_m`: how far the true border may be from the edge, in metres.
    """

    pieces: Sequence[Circle | Polygon | Corridor]
    shapes: Numbers
    starts: Numbers
    boxes: tuple[Floats, Floats, Floats, Floats]
    lats: Floats
    lons: Floats
    to_lats: Floats
    to_lons: Floats
    off_m: Floats


def edges_of(shapes: Sequence[FenceShape]) -> Edges:
    """Give the edges of all shapes: of the polygons first, then of circles and of the legs of corridors."""
    import numpy as np  # noqa: PLC0415 (it comes with shapely: only who has a batch pays)

    parts = [(part, number) for number, shape in enumerate(shapes) for part in _parts(shape)]
    polygons = [(part, number) for part, number in parts if isinstance(part, Polygon)]
    round_ones = [(part, number) for part, number in parts if not isinstance(part, Polygon)]
    legs = [(part, number, leg) for part, number in round_ones for leg in _legs(part)]
    rings = [ring for polygon, _ in polygons for ring in (polygon.corners, *polygon.holes)]
    sizes = np.array([len(ring) for ring in rings] + [2 * END_CORNERS] * len(legs))
    drawn = _columns(chain.from_iterable(rings), int(sizes[: len(rings)].sum()), 2)
    lats, lons = np.concatenate((drawn, _rounded(legs)), axis=1)
    after = np.arange(1, len(lats) + 1)
    ends = np.cumsum(sizes)
    after[ends - 1] = ends - sizes
    counts = np.array([1 + len(polygon.holes) for polygon, _ in polygons] + [1] * len(legs))
    radii_m = np.zeros(len(lats))
    radii_m[len(drawn[0]) :] = np.repeat([_radius_m(part) for part, *_ in legs], 2 * END_CORNERS)
    to_lats, to_lons = lats[after], lons[after]
    real = (lats != to_lats) | (lons != to_lons)  # a closed ring names its first corner twice
    kept = np.cumsum(real) - real
    lats, lons, to_lats, to_lons, radii_m = (part[real] for part in (lats, lons, to_lats, to_lons, radii_m))
    starts = kept[(ends - sizes)[np.cumsum(counts) - counts]]
    return Edges(
        pieces=[*(part for part, _ in polygons), *(part for part, *_ in legs)],
        shapes=np.array([*(number for _, number in polygons), *(number for _, number, _ in legs)]),
        starts=starts,
        boxes=(
            np.minimum.reduceat(lats, starts),
            np.maximum.reduceat(lats, starts),
            np.minimum.reduceat(lons, starts),
            np.maximum.reduceat(lons, starts),
        ),
        lats=lats,
        lons=lons,
        to_lats=to_lats,
        to_lons=to_lons,
        off_m=SLACK_M + (OFF + STRETCH) * radii_m + _bulge_m(lats, lons, to_lats, to_lons),
    )


def _parts(shape: FenceShape) -> Sequence[Circle | Polygon | Corridor]:
    return shape.parts if isinstance(shape, Parts) else (shape,)


def _legs(part: Circle | Corridor) -> Iterator[tuple[float, ...]]:
    """Where each leg begins and ends on the part's plane, in metres; a circle is a leg of no length."""
    if isinstance(part, Circle):
        yield 0.0, 0.0, 0.0, 0.0
    else:
        plane = part.plane()
        points = [on_plane(plane, lat, lon)[:2] for lat, lon in part.line]
        legs = [begin + end for begin, end in pairwise(points) if begin != end]
        yield from legs or [points[0] * 2]


def _radius_m(part: Any) -> float:
    return part.radius_m if isinstance(part, Circle) else part.half_width_m


def _rounded(legs: Sequence[tuple[Any, int, tuple[float, ...]]]) -> Floats:
    """The latitudes and longitudes of rings around legs."""
    import numpy as np  # noqa: PLC0415 (as above)

    circles = (
        plane_at(part.lat, part.lon) if isinstance(part, Circle) else part.plane() for part, *_ in legs
    )
    planes = _columns(circles, len(legs), 14)[:, :, None]
    from_x, from_y, to_x, to_y = _columns((leg for *_, leg in legs), len(legs), 4)[:, :, None]
    wide_m = _columns(((_radius_m(part),) for part, *_ in legs), len(legs), 1)[0][:, None] * (1 + OFF)
    turns = np.arctan2(to_y - from_y, to_x - from_x) + (np.arange(2 * END_CORNERS) + 0.5) * (
        np.pi / END_CORNERS
    )
    ahead = np.abs(np.arange(2 * END_CORNERS) + 0.5 - END_CORNERS) > END_CORNERS / 2
    xs = np.where(ahead, to_x, from_x) + wide_m * np.cos(turns)
    ys = np.where(ahead, to_y, from_y) + wide_m * np.sin(turns)
    planed: Any = tuple(planes)
    lats: Any = planes[0] + np.zeros(xs.shape)
    lons: Any = planes[1] + np.zeros(xs.shape)
    for _ in range(BACK_STEPS):  # as `off_plane` does it for one place
        there_x, there_y, _ = on_plane(planed, lats, lons)
        lats += (ys - there_y) / planes[6]
        lons += (xs - there_x) / (planes[2] * planes[9])
    return np.array((np.ravel(lats), np.ravel(lons)))


def _bulge_m(lats: Floats, lons: Floats, to_lats: Floats, to_lons: Floats) -> Floats:
    """Twice what a geodesic bends beside the straight line in degrees: its square by tan(lat) / 8 R."""
    import numpy as np  # noqa: PLC0415 (as above)

    steepest = np.radians(np.maximum(np.abs(lats), np.abs(to_lats)))
    up = np.radians(to_lats - lats)
    across = np.radians(to_lons - lons) * np.cos(np.radians(np.minimum(np.abs(lats), np.abs(to_lats))))
    return (up * up + across * across) * np.tan(steepest) * (EARTH_M / 4)


def _columns(rows: Iterable[Iterable[float]], count: int, wide: int) -> Floats:
    """Rows of numbers as columns."""
    import numpy as np  # noqa: PLC0415 (as above)

    return np.fromiter(chain.from_iterable(rows), float, count * wide).reshape(-1, wide).T
