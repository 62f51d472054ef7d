"""The walk somebody usually takes, out of where they were: a line and how far they stray from it. Pure.

1. Fixes that are too vague are left out; the rest is thinned to one in `STEP_S`.
2. Home is the middle of the busiest cell of the ground: people are at home most.
3. A walk is a stretch away from home between two fixes at home, without a gap, long and far enough.
4. The usual walk is the medoid: the walk from which the others, all together, are least far
   (each distance is the mean of how far a walk's fixes are from the other's line, cut at `FAR_M`).
5. A walk there and back on one way is that way once.
6. Only walks like it count for the width: the 90th percentile of their fixes' distances from its line.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import shapely
from shapely.geometry import LineString, MultiPoint, Point

from portal.care.places import METRES_A_DEGREE

VAGUE_M = 60.0
STEP_S = 20.0
CELL_M = 40.0
HOME_M = 45.0
"""So near home is at home: a building's length."""
GAP_S = 20 * 60.0
LEAST_S, LEAST_REACH_M, LEAST_FIXES = 5 * 60.0, 80.0, 4
LEAST_WALKS = 2
FAR_M = 150.0
LIKE_M = 60.0
"""Walks nearer than this to each other, on average, are the same walk."""
MOST_WALKS = 60
"""The newest so many are compared, each with each."""
TOLERANCE_M = 8.0
MOST_CORNERS = 80
STRAYING = 0.9
LEAST_HALF_M, MOST_HALF_M, ROUND_M = 20.0, 100.0, 5.0

XY = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One fix: seconds since whenever, degrees of WGS-84, and how far off it may be."""

    at_s: float
    lat: float
    lon: float
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualWalk:
    """A line of (lat, lon) with its half width; `walks` of the `of` that were found are like it."""

    line: tuple[tuple[float, float], ...]
    half_width_m: float
    walks: int
    of: int


def usual_walk(track: Sequence[Seen]) -> UsualWalk | None:
    """Give the usual walk of a track in the order of time; None where no two walks are alike."""
    track = _thinned([one for one in track if (one.accuracy_m or 0.0) <= VAGUE_M])
    if not track:
        return None
    lat0, lon0 = track[0].lat, track[0].lon
    east_m = METRES_A_DEGREE * math.cos(math.radians(lat0))
    places = [((one.lon - lon0) * east_m, (one.lat - lat0) * METRES_A_DEGREE) for one in track]
    home = _home(places)
    walks = [[home, *walk, home] for walk in _walks([one.at_s for one in track], places, home)[-MOST_WALKS:]]
    if len(walks) < LEAST_WALKS:
        return None
    lines, points = [LineString(walk) for walk in walks], [MultiPoint(walk) for walk in walks]
    apart = [[_apart_m(line, walk) for walk in points] for line in lines]
    medoid = min(range(len(walks)), key=lambda number: sum(apart[number]))
    like = [number for number, far_m in enumerate(apart[medoid]) if far_m <= LIKE_M]
    if len(like) < LEAST_WALKS:
        return None
    line = _simple(_one_way(walks[medoid], home))
    strays = sorted(line.distance(Point(place)) for number in like for place in walks[number])
    half_m = strays[min(len(strays) - 1, int(STRAYING * len(strays)))]
    half_m = math.ceil(max(half_m, LEAST_HALF_M) / ROUND_M) * ROUND_M
    corners = ((lat0 + y / METRES_A_DEGREE, lon0 + x / east_m) for x, y in line.coords)
    return UsualWalk(
        line=tuple((round(lat, 6), round(lon, 6)) for lat, lon in corners),
        half_width_m=min(half_m, MOST_HALF_M),
        walks=len(like),
        of=len(walks),
    )


def _thinned(track: Sequence[Seen]) -> list[Seen]:
    kept: list[Seen] = []
    for one in track:
        if not kept or one.at_s - kept[-1].at_s >= STEP_S:
            kept.append(one)
    return kept


def _home(places: Sequence[XY]) -> XY:
    """The middle of the fixes of the busiest cell, and of the cells around it."""
    cells = Counter((round(x / CELL_M), round(y / CELL_M)) for x, y in places)
    (column, row), _ = cells.most_common(1)[0]
    near = [
        (x, y)
        for x, y in places
        if abs(round(x / CELL_M) - column) <= 1 and abs(round(y / CELL_M) - row) <= 1
    ]
    return sorted(x for x, _ in near)[len(near) // 2], sorted(y for _, y in near)[len(near) // 2]


def _walks(times_s: Sequence[float], places: Sequence[XY], home: XY) -> list[list[XY]]:
    """The stretches from home to home, the fixes at home at both ends with them."""
    found: list[list[XY]] = []
    began: int | None = None
    for number, ((before_s, at_s), place) in enumerate(
        zip(pairwise(times_s), places[1:], strict=True), start=1
    ):
        if at_s - before_s > GAP_S:
            began = None
        elif math.dist(place, home) <= HOME_M:
            if began is not None and _is_walk(
                times_s[number] - times_s[began], places[began : number + 1], home
            ):
                found.append(list(places[began : number + 1]))
            began = None
        elif began is None and math.dist(places[number - 1], home) <= HOME_M:
            began = number - 1
    return found


def _is_walk(lasted_s: float, walk: Sequence[XY], home: XY) -> bool:
    reach_m = max(math.dist(place, home) for place in walk)
    return len(walk) >= LEAST_FIXES + 2 and lasted_s >= LEAST_S and reach_m >= LEAST_REACH_M


def _apart_m(line: LineString, walk: MultiPoint) -> float:
    """How far the fixes of a walk are from a line, on average; one that is far off counts `FAR_M`."""
    away = shapely.distance(line, shapely.get_parts(walk))
    return float(away.clip(max=FAR_M).mean())


def _one_way(walk: Sequence[XY], home: XY) -> LineString:
    """The way out alone where the way back is the same, else the whole round."""
    turn = max(range(len(walk)), key=lambda number: math.dist(walk[number], home))
    out, back = LineString(walk[: turn + 1]), walk[turn:]
    same = all(out.distance(Point(place)) <= LEAST_HALF_M for place in back)
    return out if same else LineString(walk)


def _simple(line: LineString) -> LineString:
    """The line with few corners, the same to `TOLERANCE_M` where that is enough."""
    tolerance_m = TOLERANCE_M
    simple = line.simplify(tolerance_m, preserve_topology=False)
    while len(simple.coords) > MOST_CORNERS:
        tolerance_m *= 1.5
        simple = line.simplify(tolerance_m, preserve_topology=False)
    return simple
