"""Where somebody stayed: stay points with their durations, and what was travelled between them.

Stay points after Li, Zheng et al., "Mining user similarity based on location history" (ACM GIS 2008), 3.1:
fixes that stay within a distance of the first of them for at least a time. Two stays at one place with only
a moment between them are one: a receiver that jumped for a moment did not take anybody for a walk.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.care.track.way import Floats, Track, plane

STAY_RADIUS_M = 60.0
STAY_LEAST_S = 5 * 60.0
MERGE_S = 5 * 60.0
DEAD_BAND_M = 12.0
"""Less than this is no step: a receiver that lies still wanders so far."""
TRIM_M = 20.0
"""So near its middle a stay begins and ends; where its fixes wander more, twice as far as half of them do."""
CHUNK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Somebody stayed: from the fix `first` to the fix `last`, both included, around a middle."""

    first: int
    last: int
    start_ms: int
    end_ms: int
    lat: float
    lon: float

    @property
    def lasting_s(self) -> float:
        """How long it was."""
        return (self.end_ms - self.start_ms) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A way in numbers; `moving_s` is the time neither stayed nor unknown."""

    distance_m: float
    moving_s: float
    staying_s: float
    unknown_s: float


def stays(track: Track, stretches: Sequence[tuple[int, int]]) -> list[Stay]:
    """The stays of a track in order; none reaches over a gap (`stretches` lie between them)."""
    east, north = plane(track)
    may_begin = _may_begin(track.at_ms, east, north)
    found: list[tuple[int, int]] = []
    for first, last in stretches:
        runs = _runs(track.at_ms, (east, north), may_begin, (first, last))
        found += _merged(list(runs), track.at_ms, (east, north))
    trimmed = (_trimmed((east, north), first, last) for first, last in found)
    least_ms = STAY_LEAST_S * 1000
    return [
        _stay(track, first, last)
        for first, last in trimmed
        if track.at_ms[last] - track.at_ms[first] >= least_ms
    ]


def totals(track: Track, stretches: Sequence[tuple[int, int]], stayed: Sequence[Stay]) -> Totals:
    """Distance and times of a way; jitter around a place is no distance."""
    east, north = plane(track)
    distance_m = moving_ms = 0.0
    for first, last in sections(stretches, stayed):
        distance_m += travelled_m(east[first : last + 1], north[first : last + 1])
        moving_ms += float(track.at_ms[last] - track.at_ms[first])
    known_ms = sum(float(track.at_ms[last] - track.at_ms[first]) for first, last in stretches)
    whole_ms = float(track.at_ms[-1] - track.at_ms[0]) if len(track) else 0.0
    return Totals(
        distance_m=distance_m,
        moving_s=moving_ms / 1000,
        staying_s=sum(stay.lasting_s for stay in stayed),
        unknown_s=(whole_ms - known_ms) / 1000,
    )


def sections(stretches: Sequence[tuple[int, int]], stayed: Sequence[Stay]) -> list[tuple[int, int]]:
    """The stretches without their stays: from the last fix of one stay to the first of the next."""
    found = []
    for first, last in stretches:
        begin = first
        for stay in stayed:
            if first <= stay.first and stay.last <= last:
                if stay.first > begin:
                    found.append((begin, stay.first))
                begin = stay.last
        if last > begin:
            found.append((begin, last))
    return found


def travelled_m(east: Floats, north: Floats) -> float:
    """How far somebody went along fixes in metres; steps within the dead band wait until they add up."""
    if len(east) < 2:  # noqa: PLR2004  # a step needs two
        return 0.0
    xs, ys = east.tolist(), north.tolist()
    x, y, squared, gone = xs[0], ys[0], DEAD_BAND_M**2, 0.0
    for to_x, to_y in zip(xs, ys, strict=True):
        step = (to_x - x) ** 2 + (to_y - y) ** 2
        if step >= squared:
            gone += float(step**0.5)
            x, y = to_x, to_y
    return gone


def _may_begin(at_ms: NDArray[np.int64], east: Floats, north: Floats) -> NDArray[np.bool_]:
    """Where a stay may begin at all: the fix one least stay later, and one half of it later, are near."""
    if not len(at_ms):
        return np.zeros(0, dtype=bool)
    may = np.ones(len(at_ms), dtype=bool)
    for share in (0.5, 1.0):
        later = np.searchsorted(at_ms, at_ms + round(STAY_LEAST_S * 1000 * share))
        reached = np.minimum(later - (share < 1.0), len(at_ms) - 1)
        may &= np.hypot(east[reached] - east, north[reached] - north) <= STAY_RADIUS_M
        if share == 1.0:
            may &= later < len(at_ms)
    return may


def _runs(
    at_ms: NDArray[np.int64], at: tuple[Floats, Floats], may: NDArray[np.bool_], stretch: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    candidates = np.flatnonzero(may[stretch[0] : stretch[1] + 1]) + stretch[0]
    free = stretch[0]
    for start in candidates.tolist():
        if start < free:
            continue
        end = _leaves(at, start, stretch[1])
        if at_ms[end] - at_ms[start] >= STAY_LEAST_S * 1000:
            yield start, end
            free = end + 1


def _leaves(at: tuple[Floats, Floats], start: int, last: int) -> int:
    """The last fix that is still within the radius of the fix `start`."""
    east, north = at
    begin, size = start + 1, 32
    while begin <= last:
        end = min(begin + size, last + 1)
        far = np.hypot(east[begin:end] - east[start], north[begin:end] - north[start]) > STAY_RADIUS_M
        if far.any():
            return begin + int(far.argmax()) - 1
        begin, size = end, min(size * 4, CHUNK * 16)
    return last


def _merged(
    runs: list[tuple[int, int]], at_ms: NDArray[np.int64], at: tuple[Floats, Floats]
) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        if merged and at_ms[first] - at_ms[merged[-1][1]] <= MERGE_S * 1000:
            before, here = _middle(at, *merged[-1]), _middle(at, first, last)
            if float(np.hypot(before[0] - here[0], before[1] - here[1])) <= STAY_RADIUS_M:
                merged[-1] = (merged[-1][0], last)
                continue
        merged.append((first, last))
    return merged


def _trimmed(at: tuple[Floats, Floats], first: int, last: int) -> tuple[int, int]:
    """A stay without its first and last steps: coming and going lie within the radius too."""
    middle = _middle(at, first, last)
    off = np.hypot(at[0][first : last + 1] - middle[0], at[1][first : last + 1] - middle[1])
    near = np.flatnonzero(off <= max(TRIM_M, 2 * float(np.median(off))))
    return first + int(near[0]), first + int(near[-1])


def _middle(at: tuple[Floats, Floats], first: int, last: int) -> tuple[float, float]:
    return float(np.median(at[0][first : last + 1])), float(np.median(at[1][first : last + 1]))


def _stay(track: Track, first: int, last: int) -> Stay:
    lat, lon = _middle((track.lat, track.lon), first, last)
    times = int(track.at_ms[first]), int(track.at_ms[last])
    return Stay(first=first, last=last, start_ms=times[0], end_ms=times[1], lat=lat, lon=lon)
