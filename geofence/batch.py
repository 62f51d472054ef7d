"""Signed distances of many places from many shapes at once, with numpy: the same as asking one by one.

A bank holds shapes of one make, so that what one of them needs is a column of an array:
circles, and those of edges with up to 4, 8, 16 ... of them, the rest filled up with edges of no length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from geofence.ellipsoid import AXIS_M, SQUASH, mean_radius_m, place_m
from geofence.plane import on_plane
from geofence.shape import Circle, Corridor, Polygon

FEWEST_EDGES = 4
MOST_AT_ONCE = 32_768
"""Places times edges worked on at once, so that they stay in the processor's cache."""

Floats = Any
"""A numpy array of float64."""
Numbers = Any
"""A numpy array of whole numbers."""


class Bank(Protocol):
    """Shapes of one make; `at_once` is how many questions to ask together."""

    at_once: int

    def distances(self, which: Numbers, lats: Floats, lons: Floats) -> Floats:
        """Give the signed metres of each place (degrees) from the shape of that number in the bank."""


def banks(shapes: Sequence[Circle | Polygon | Corridor]) -> list[tuple[list[int], Bank]]:
    """Give banks that hold every shape once, each with the numbers of its shapes in their order."""
    makes: dict[int, list[int]] = {}
    for number, shape in enumerate(shapes):
        makes.setdefault(0 if isinstance(shape, Circle) else _room(shape), []).append(number)
    filled: list[tuple[list[int], Bank]] = []
    for edges, numbers in makes.items():
        held = [shapes[number] for number in numbers]
        if edges:
            filled.append((numbers, Edged([one for one in held if not isinstance(one, Circle)], edges)))
        else:
            filled.append((numbers, Round([one for one in held if isinstance(one, Circle)])))
    return filled


def _room(shape: Polygon | Corridor) -> int:
    """The power of two that has room for its edges."""
    return max(FEWEST_EDGES, 1 << (len(shape.drawn()) - 1).bit_length())


class Round:
    """Circles; see `Circle.signed_distance_m`."""

    at_once = MOST_AT_ONCE

    def __init__(self, circles: Sequence[Circle]) -> None:
        import numpy as np  # noqa: PLC0415 (it comes with shapely: only who has a batch pays)

        rows = []
        for one in circles:
            out_m, _, up_m = place_m(one.lat, 0.0)
            rows.append((out_m, up_m, one.lon, 2 * mean_radius_m(one.lat), one.radius_m))
        self._columns = np.array(rows).T

    def distances(self, which: Numbers, lats: Floats, lons: Floats) -> Floats:
        """Give the chord, bent onto the ground, less the radius."""
        import numpy as np  # noqa: PLC0415 (as above)

        out0_m, up0_m, lon0, diameter_m, radius_m = self._columns[:, which]
        sine, cosine = np.sin(np.radians(lats)), np.cos(np.radians(lats))
        across_m = AXIS_M / np.sqrt(1 - SQUASH * sine * sine)
        turn = np.sin(np.radians(lons - lon0) / 2)
        out_m = across_m * cosine
        square = (out_m - out0_m) ** 2 + (across_m * (1 - SQUASH) * sine - up0_m) ** 2
        square += 4 * out_m * out0_m * turn * turn
        return diameter_m * np.arcsin(np.minimum(np.sqrt(square) / diameter_m, 1.0)) - radius_m


class Edged:
    """Polygons and corridors of at most `edges` edges."""

    def __init__(self, shapes: Sequence[Polygon | Corridor], edges: int) -> None:
        import numpy as np  # noqa: PLC0415 (as above)

        self.at_once = max(1, MOST_AT_ONCE // edges)
        self._boxes = np.array([one.box(one.near_m) for one in shapes]).T
        self._near_m = np.array([one.near_m for one in shapes])
        widths_m = [one.half_width_m if isinstance(one, Corridor) else 0.0 for one in shapes]
        self._width_m = np.array(widths_m)
        self._planes = np.array([one.plane() for one in shapes]).T.copy()
        drawn = []
        for one in shapes:
            (from_x, from_y, *_), *_ = one.drawn()
            spare = edges - len(one.drawn())
            drawn.append([*one.drawn(), *[(from_x, from_y, from_y, 0.0, 0.0, 0.0, 0.0)] * spare])
        self._edges = np.array(drawn).transpose(2, 0, 1).copy()

    def distances(self, which: Numbers, lats: Floats, lons: Floats) -> Floats:
        """Give `near_m` outside a shape's box, and the exact distance inside it."""
        import numpy as np  # noqa: PLC0415 (as above)

        south, north, west, east = self._boxes[:, which]
        near = (lats > south) & (lats < north) & (lons > west) & (lons < east)
        if near.all():
            return self._exact(which, lats, lons)
        told = self._near_m[which]
        (some,) = np.nonzero(near)
        told[some] = self._exact(which[some], lats[some], lons[some])
        return told

    def _exact(self, which: Numbers, lats: Floats, lons: Floats) -> Floats:
        """The nearest edge of all; the side by a ray to the east, for those that have an inside."""
        import numpy as np  # noqa: PLC0415 (as above)

        planes: Any = tuple(self._planes[:, which])
        xs: Any
        ys: Any
        xs, ys, shrink = on_plane(planes, lats, lons)
        from_x, from_y, to_y, run_x, run_y, per_square, slope = (part[which] for part in self._edges)
        off_x = np.subtract(xs[:, None], from_x, out=from_x)
        off_y = np.subtract(ys[:, None], from_y, out=from_y)
        crossed = (off_y < 0.0) != (ys[:, None] < to_y)
        crossed &= off_x < np.multiply(slope, off_y, out=slope)
        along = off_x * run_x
        along += np.multiply(off_y, run_y, out=to_y)
        along *= per_square
        np.maximum(along, 0.0, out=along)
        np.minimum(along, 1.0, out=along)
        off_x -= np.multiply(run_x, along, out=run_x)
        off_y -= np.multiply(run_y, along, out=run_y)
        off_x *= off_x
        off_y *= off_y
        off_x += off_y
        border_m = np.sqrt(off_x.min(axis=1)) * shrink
        width_m = self._width_m[which]
        inside = np.logical_xor.reduce(crossed, axis=1) & (width_m == 0.0)
        return np.where(inside, -border_m, border_m - width_m)
