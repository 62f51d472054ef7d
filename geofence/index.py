"""Many shapes and many places: which of them are near each other, and how far they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from geofence.batch import Floats, signed_distances
from geofence.shape import NEAR_M, FenceShape

ROUND_DEG = 720.0
"""More than the longitudes of a strip span, so that strips lie one behind the other in one order."""
THINNEST_DEG = 0.001
MOST_STRIPS = 4_000

Numbers = Any
"""A numpy array of whole numbers."""


class Index:
    """The boxes of many shapes, each grown by `near_m` metres; a shape's number is its place in `shapes`.

    Raises ValueError without any shape.
    """

    def __init__(self, shapes: Sequence[FenceShape], *, near_m: float = NEAR_M) -> None:
        import numpy as np  # noqa: PLC0415 (it comes with shapely: only who has a batch pays)
        import shapely  # noqa: PLC0415 (90 ms and 29 MiB: the same)

        if not shapes:
            raise ValueError("an index needs at least one shape")
        self._shapes = tuple(shapes)
        self._boxes = np.array([shape.box(near_m) for shape in self._shapes]).T
        south, north, west, east = self._boxes
        self._tree = shapely.STRtree(shapely.box(west, south, east, north))
        self._point = shapely.Point

    def candidates(self, lat: float, lon: float) -> tuple[int, ...]:
        """Give the numbers of the shapes that may be within `near_m` of (lat, lon), in degrees; sorted."""
        return tuple(sorted(self._tree.query(self._point(lon, lat)).tolist()))

    def near(self, lats: Floats, lons: Floats) -> Iterator[tuple[int, Numbers]]:
        """Give, shape by shape, its number and the numbers of the places that may be within `near_m` of it.

        `lats` and `lons` are arrays of one length, in degrees.
        A shape with no such place is left out; no more than one shape's places are held at a time.
        The places are ordered by strips of latitude and by longitude within them:
        a box then is one run of each strip it touches.
        """
        import numpy as np  # noqa: PLC0415 (as above)

        if not len(lats):
            return
        lowest = float(lats.min())
        thick = max(
            THINNEST_DEG,
            float(np.median(self._boxes[1] - self._boxes[0])),
            (float(lats.max()) - lowest) / MOST_STRIPS,
        )
        keys = np.floor((lats - lowest) / thick) * ROUND_DEG + lons
        order = np.argsort(keys)
        keys, highest = keys[order], int((float(lats.max()) - lowest) // thick)
        for number, (south, north, west, east) in enumerate(self._boxes.T.tolist()):
            first = max(0, int((south - lowest) // thick))
            strips = np.arange(first, min(highest, int((north - lowest) // thick)) + 1) * ROUND_DEG
            starts = np.searchsorted(keys, strips + west).tolist()
            ends = np.searchsorted(keys, strips + east).tolist()
            runs = [order[start:end] for start, end in zip(starts, ends, strict=True) if start < end]
            if runs:
                places = np.concatenate(runs)
                inside = (lats[places] > south) & (lats[places] < north)
                if inside.any():
                    yield number, places[inside]

    def signed_distances(self, lats: Floats, lons: Floats, pairs: tuple[Numbers, Numbers]) -> Floats:
        """Give the signed distance in metres of each pair, as the shape itself gives it.

        `pairs`: two arrays of one length, the number of a place and that of a shape.
        """
        import numpy as np  # noqa: PLC0415 (as above)

        places, shapes = pairs
        told = np.empty(len(places))
        order = np.argsort(shapes, kind="stable")
        numbers, starts = np.unique(shapes[order], return_index=True)
        ends = np.append(starts[1:], len(order))
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True):
            rows = order[start:end]
            some = places[rows]
            told[rows] = signed_distances(self._shapes[number], lats[some], lons[some])
        return told
