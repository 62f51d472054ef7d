"""A wearer's way as columns, and what can be said of it: its gaps, its rough and its impossible fixes.

Pure: numpy arrays in, numbers out. A fix stands at the time it was measured; a band that claims the future
was put back to when it was heard before it was stored (`portal.care.latest.measured_at`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCES = ("", "gnss", "wifi", "cell")
"""What told a position; a fix holds the place in this tuple."""
METRES_A_DEGREE = 111_195.0
"""Of latitude, on the mean sphere (6,371,009 m)."""
VAGUE_M = 100.0
"""A fix vaguer than this, or of a cell, is rough: shown, but no way and no stay is made of it."""
GAP_S = 15 * 60.0
GAP_INTERVALS = 3.0
"""So long without a fix is a gap; where fixes come rarely, so many of their usual intervals."""
IMPOSSIBLE_M_S = 70.0
"""A single fix that needs more than this (250 km/h) both to come and to go is a mistake of the receiver."""

Row = tuple[int, float, float, float | None, str | None]
"""`at_ms`, lat, lon, `accuracy_m`, source."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """Fixes in the order of time, a column each; an unknown accuracy is NaN."""

    at_ms: NDArray[np.int64]
    lat: Floats
    lon: Floats
    accuracy_m: Floats
    source: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.at_ms)

    def only(self, chosen: NDArray[np.bool_]) -> Track:
        """The fixes where `chosen` is true."""
        return Track(
            at_ms=self.at_ms[chosen],
            lat=self.lat[chosen],
            lon=self.lon[chosen],
            accuracy_m=self.accuracy_m[chosen],
            source=self.source[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time without an exact fix, between fix `before` and the next; `rough` ones may lie in it."""

    before: int
    start_ms: int
    end_ms: int
    rough: int = 0

    @property
    def lasting_s(self) -> float:
        """How long it is."""
        return (self.end_ms - self.start_ms) / 1000


def track_of(rows: Sequence[Row]) -> Track:
    """Give rows, in the order they were reported, as a track.

    Of several at one instant the one reported last counts.
    """
    if not rows:
        none = np.empty(0)
        return Track(
            at_ms=none.astype(np.int64), lat=none, lon=none, accuracy_m=none, source=none.astype(np.int8)
        )
    times, lats, lons, accuracies, sources = _turned(rows)
    at_ms = np.asarray(times, dtype=np.int64)
    order = np.argsort(at_ms, kind="stable")
    at_ms = at_ms[order]
    last = np.append(at_ms[1:] != at_ms[:-1], True)
    kept = order[last]
    place = {name: number for number, name in enumerate(SOURCES)}
    return Track(
        at_ms=at_ms[last],
        lat=np.asarray(lats, dtype=np.float64)[kept],
        lon=np.asarray(lons, dtype=np.float64)[kept],
        accuracy_m=np.asarray(accuracies, dtype=np.float64)[kept],
        source=np.asarray([place.get(name or "", 0) for name in sources], dtype=np.int8)[kept],
    )


def _turned(rows: Sequence[Row]) -> tuple[list[Any], ...]:
    """Rows as columns; `zip(*rows)` would make a hundred thousand iterators, and take six times as long."""
    return tuple([row[column] for row in rows] for column in range(5))


def plane(track: Track) -> tuple[Floats, Floats]:
    """Metres east and north of the track's first fix; exact to a thousandth over some 20 km."""
    if not len(track):
        return track.lon, track.lat
    across = METRES_A_DEGREE * np.cos(np.radians(track.lat[0]))
    return (track.lon - track.lon[0]) * across, (track.lat - track.lat[0]) * METRES_A_DEGREE


def rough(track: Track) -> NDArray[np.bool_]:
    """Which fixes are no more than an estimate."""
    vague: NDArray[np.bool_] = (track.accuracy_m > VAGUE_M) | (track.source == SOURCES.index("cell"))
    return vague


def impossible(track: Track) -> NDArray[np.bool_]:
    """Which single fixes lie so far off both neighbours that nobody could have been there."""
    wrong = np.zeros(len(track), dtype=bool)
    if len(track) > 2:  # noqa: PLR2004  # a fix with two neighbours
        east, north = plane(track)
        speed = np.hypot(np.diff(east), np.diff(north)) / (np.diff(track.at_ms) / 1000)
        wrong[1:-1] = (speed[:-1] > IMPOSSIBLE_M_S) & (speed[1:] > IMPOSSIBLE_M_S)
        wrong[1:] &= ~wrong[:-1]  # the neighbour of a mistake is not one for that
    return wrong


def gap_after_s(track: Track) -> float:
    """How long without a fix is a gap here."""
    if len(track) < 2:  # noqa: PLR2004  # an interval needs two
        return GAP_S
    return max(GAP_S, GAP_INTERVALS * float(np.median(np.diff(track.at_ms))) / 1000)


def gaps(track: Track, rough_at_ms: NDArray[np.int64] | None = None) -> list[Gap]:
    """The gaps of a track in order; with the times of rough fixes, how many of them lie in each."""
    steps = np.diff(track.at_ms)
    others = np.empty(0, dtype=np.int64) if rough_at_ms is None else np.sort(rough_at_ms)
    found = []
    for before in np.flatnonzero(steps > gap_after_s(track) * 1000):
        start, end = int(track.at_ms[before]), int(track.at_ms[before + 1])
        inside = int(np.searchsorted(others, end) - np.searchsorted(others, start, side="right"))
        found.append(Gap(before=int(before), start_ms=start, end_ms=end, rough=inside))
    return found


def pieces(count: int, between: Sequence[Gap]) -> list[tuple[int, int]]:
    """The stretches of a track of `count` fixes between its gaps, each (first, last), both included."""
    if not count:
        return []
    firsts = [0, *(gap.before + 1 for gap in between)]
    lasts = [*(gap.before for gap in between), count - 1]
    return list(zip(firsts, lasts, strict=True))
