"""Fewer fixes for the same way: what is left out lies, at its own time, close to what is drawn.

Top-down time ratio (Meratnia and de By, "Spatiotemporal compression techniques for moving point objects",
EDBT 2004): Douglas-Peucker with the synchronised distance: a play-back is everywhere at its time.
The widest error is split first: a bound on the number gives the best line of that many corners.
Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from portal.care.track.way import Floats, Track, plane

TOLERANCE_M = 2.0
MOST_CORNERS = 8_000


def simplified(
    track: Track,
    stretches: Sequence[tuple[int, int]],
    *,
    tolerance_m: float = TOLERANCE_M,
    most: int = MOST_CORNERS,
) -> tuple[NDArray[np.int64], float]:
    """The numbers of the fixes to draw, rising, and how many metres any other lies off the line at its time.

    The first and the last of every stretch are kept, and that distance is at most `tolerance_m`
    unless that would take more than `most` fixes.
    """
    east, north = plane(track)
    at_s = track.at_ms / 1000.0
    kept = {end for stretch in stretches for end in stretch}
    heap: list[tuple[float, int, int, int]] = []
    for first, last in stretches:
        _offer(heap, (at_s, east, north), first, last)
    while heap and -heap[0][0] > tolerance_m and len(kept) < most:
        _, first, worst, last = heapq.heappop(heap)
        kept.add(worst)
        _offer(heap, (at_s, east, north), first, worst)
        _offer(heap, (at_s, east, north), worst, last)
    error_m = -heap[0][0] if heap else 0.0
    return np.asarray(sorted(kept), dtype=np.int64), error_m


def _offer(
    heap: list[tuple[float, int, int, int]], columns: tuple[Floats, Floats, Floats], first: int, last: int
) -> None:
    """Put the fix between two that lies farthest from where the line has it at that time on the heap."""
    if last - first < 2:  # noqa: PLR2004  # nothing lies between neighbours
        return
    at_s, east, north = (column[first : last + 1] for column in columns)
    share = (at_s - at_s[0]) / (at_s[-1] - at_s[0])
    off = np.hypot(
        east - east[0] - share * (east[-1] - east[0]), north - north[0] - share * (north[-1] - north[0])
    )
    worst = int(off[1:-1].argmax()) + 1
    heapq.heappush(heap, (-float(off[worst]), first, first + worst, last))
