"""The usual walk out of a track: found where walks are alike, however noisy, and not where there is none."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.shape import Corridor
from portal.care.track.usual_walk import MOST_CORNERS, Seen, usual_walk

HOME = (31.15535, 121.1046)
METRES_A_DEGREE = 111_195.0
ACROSS = METRES_A_DEGREE * math.cos(math.radians(HOME[0]))
DAY_S = 86_400.0
ROUND = ((0, 0), (120, 0), (220, 80), (220, 200), (60, 200), (0, 0))
MARKET = ((0, 0), (-200, 0), (-200, -150), (-200, 0), (0, 0))


def seen(at_s: float, x: float, y: float, **more: float) -> Seen:
    return Seen(at_s=at_s, lat=HOME[0] + y / METRES_A_DEGREE, lon=HOME[1] + x / ACROSS, **more)


def walked(way, *, at_s: float, noise_m: float = 0.0, seed: int = 1) -> list[Seen]:
    """A walk at 1 m/s along a way, a fix every 30 s, an hour at home before and after."""
    chance = random.Random(seed)
    places = [(0.0, 0.0)] * 120
    for (x, y), (to_x, to_y) in pairwise(way):
        steps = max(1, round(math.dist((x, y), (to_x, to_y)) / 30))
        places += [(x + (to_x - x) * i / steps, y + (to_y - y) * i / steps) for i in range(steps)]
    places += [(0.0, 0.0)] * 120
    return [
        seen(at_s + 30 * number, x + chance.gauss(0, noise_m), y + chance.gauss(0, noise_m))
        for number, (x, y) in enumerate(places)
    ]


def days(*ways, noise_m: float = 0.0) -> list[Seen]:
    return [
        one
        for day, way in enumerate(ways)
        for one in walked(way, at_s=day * DAY_S, noise_m=noise_m, seed=day)
    ]


def test_the_walk_of_most_days_is_found_and_the_other_left_out():
    found = usual_walk(days(ROUND, ROUND, MARKET, ROUND, noise_m=4.0))
    assert found is not None
    assert (found.walks, found.of) == (3, 4)
    ground = Corridor(line=found.line, half_width_m=found.half_width_m)
    for x, y in ROUND:
        assert ground.exact_distance_m(HOME[0] + y / METRES_A_DEGREE, HOME[1] + x / ACROSS) < 0
    market = (HOME[0] - 150 / METRES_A_DEGREE, HOME[1] - 200 / ACROSS)
    assert ground.exact_distance_m(*market) > 100


def test_a_walk_there_and_back_is_one_way_with_few_corners():
    found = usual_walk(days(MARKET, MARKET, noise_m=2.0))
    assert found is not None
    assert len(found.line) <= 5
    (lat, lon), (end_lat, end_lon) = found.line[0], found.line[-1]
    assert math.hypot((lat - HOME[0]) * METRES_A_DEGREE, (lon - HOME[1]) * ACROSS) < 15
    assert math.hypot((end_lat - HOME[0]) * METRES_A_DEGREE + 150, (end_lon - HOME[1]) * ACROSS + 200) < 15


def test_a_walk_that_strays_is_wider():
    narrow, wide = usual_walk(days(ROUND, ROUND, ROUND)), usual_walk(days(ROUND, ROUND, ROUND, noise_m=25.0))
    assert narrow is not None
    assert wide is not None
    assert narrow.half_width_m == 20
    assert 25 <= wide.half_width_m <= 80


@pytest.mark.parametrize(
    "track",
    [
        [],
        days(((0, 0), (30, 0), (0, 0)), ((0, 0), (30, 0), (0, 0))),
        days(ROUND),
        days(ROUND, MARKET),
    ],
    ids=["nothing", "at home all day", "one walk", "two walks that are not alike"],
)
def test_where_no_two_walks_are_alike_there_is_none(track):
    assert usual_walk(track) is None


def test_a_vague_fix_and_a_silence_make_no_walk():
    vague = [
        Seen(at_s=one.at_s, lat=one.lat, lon=one.lon, accuracy_m=500.0) if (one.lat, one.lon) != HOME else one
        for one in days(ROUND, ROUND)
    ]
    assert usual_walk(vague) is None
    silent = [one for one in days(ROUND, ROUND) if not 120 * 30 < one.at_s % DAY_S < 120 * 30 + 1_500]
    assert usual_walk(silent) is None


@given(
    st.lists(st.tuples(st.floats(-3_000, 3_000), st.floats(-3_000, 3_000), st.floats(5, 4_000)), max_size=60)
)
def test_whatever_the_track_what_is_found_is_a_way(places):
    at_s, track = 0.0, []
    for x, y, later_s in places:
        at_s += later_s
        track.append(seen(at_s, x, y))
    found = usual_walk(track)
    if found is not None:
        assert len(found.line) <= MOST_CORNERS
        Corridor(line=found.line, half_width_m=found.half_width_m)
