"""Many shapes and many places: which of them are near each other, and how far they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from geofence.batch import Floats, Numbers, banks
from geofence.shape import NEAR_M, FenceShape, Parts

ROUND_DEG = 720.0
"""More than the longitudes of a strip span, so that strips lie one behind the other in one order."""
THINNEST_DEG = 0.001
MOST_STRIPS = 4_000
MOST_PAIRS = 1_000_000
"""So many pairs are given at a time, or those of one shape where it alone has more."""


class Index:
    """The boxes of many shapes, each grown by `near_m` metres; a shape's number is its place in `shapes`.

    Raises ValueError without any shape.
    """

    def __init__(self, shapes: Sequence[FenceShape], *, near_m: float = NEAR_M) -> None:
        import numpy as np  # noqa: PLC0415 (it comes with shapely: only who has a batch pays)

        if not shapes:
            raise ValueError("an index needs at least one shape")
        self._boxes = np.array([shape.box(near_m) for shape in shapes]).T
        parts = [shape.parts if isinstance(shape, Parts) else (shape,) for shape in shapes]
        self._counts = np.array([len(one) for one in parts])
        self._firsts = np.cumsum(self._counts) - self._counts
        filled = banks([part for one in parts for part in one])
        self._banks = [bank for _, bank in filled]
        self._home = np.empty((2, int(self._counts.sum())), dtype=np.int64)
        for place, (numbers, _) in enumerate(filled):
            self._home[0, numbers] = place
            self._home[1, numbers] = np.arange(len(numbers))

    def near(self, lats: Floats, lons: Floats) -> Iterator[tuple[Numbers, Numbers]]:
        """Give pairs, the number of a place and that of a shape it may be within `near_m` of; each once.

        `lats` and `lons` are arrays of one length, in degrees.
        Pairs come as two arrays at a time, ordered by shape.
        The places are ordered by strips of latitude and by longitude within them:
        a box then is one run of each strip it touches.
        """
        import numpy as np  # noqa: PLC0415 (as above)

        if not len(lats):
            return
        south, north, west, east = self._boxes
        lowest, highest = float(lats.min()), float(lats.max())
        thick = max(THINNEST_DEG, float(np.median(north - south)), (highest - lowest) / MOST_STRIPS)
        keys = np.floor((lats - lowest) / thick) * ROUND_DEG + lons
        order = np.argsort(keys)
        keys = keys[order]
        first = np.maximum(np.floor((south - lowest) / thick), 0).astype(np.int64)
        last = np.floor((np.minimum(north, highest) - lowest) / thick).astype(np.int64)
        shapes, strips = _runs(first, np.maximum(last + 1 - first, 0))
        begins = np.searchsorted(keys, strips * ROUND_DEG + west[shapes])
        held = np.searchsorted(keys, strips * ROUND_DEG + east[shapes]) - begins
        done = 0
        while done < len(shapes):
            until = int(np.searchsorted(np.cumsum(held[done:]), MOST_PAIRS)) + 1 + done
            which, rows = _runs(begins[done:until], held[done:until])
            places, numbers = order[rows], shapes[done:until][which]
            inside = (lats[places] > south[numbers]) & (lats[places] < north[numbers])
            yield places[inside], numbers[inside]
            done = until

    def signed_distances(self, lats: Floats, lons: Floats, pairs: tuple[Numbers, Numbers]) -> Floats:
        """Give the signed distance in metres of each pair, as the shape itself gives it.

        `pairs`: two arrays of one length, the number of a place and that of a shape.
        Those of one shape beside each other are quickest.
        """
        import numpy as np  # noqa: PLC0415 (as above)

        places, shapes = pairs
        if not len(places):
            return np.empty(0)
        counts = self._counts[shapes]
        asked, parts = _runs(self._firsts[shapes], counts)
        told = np.empty(len(parts))
        bank_of, slot_of = self._home[:, parts]
        for place, bank in enumerate(self._banks):
            (rows,) = np.nonzero(bank_of == place)
            for start in range(0, len(rows), bank.at_once):
                some = rows[start : start + bank.at_once]
                at = places[asked[some]]
                told[some] = bank.distances(slot_of[some], lats[at], lons[at])
        return np.minimum.reduceat(told, np.cumsum(counts) - counts)


def _runs(starts: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """Runs of whole numbers one after the other: which run each is of, and the numbers themselves."""
    import numpy as np  # noqa: PLC0415 (as above)

    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) + (starts - np.cumsum(counts) + counts)[which]
