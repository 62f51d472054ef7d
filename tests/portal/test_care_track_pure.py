"""A way as columns: gaps, stays and fewer corners hold whatever the fixes are."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.care.track.lines import simplified
from portal.care.track.stays import (
    STAY_LEAST_S,
    STAY_RADIUS_M,
    sections,
    stays,
    totals,
    travelled_m,
)
from portal.care.track.way import gap_after_s, gaps, impossible, pieces, plane, rough, track_of

LAT, LON = 31.1553, 121.105
steadily = settings(deadline=None)
"""A machine shared with others is slow for a moment now and then."""
METRE = 1 / 111_195


def walk(steps, *, every_s=10, start_s=0, accuracy_m=8.0, source="gnss"):
    """Rows of a way: `steps` are metres east and north of the start, one fix each."""
    across = METRE / np.cos(np.radians(LAT))
    return [
        (
            round((start_s + number * every_s) * 1000),
            LAT + north * METRE,
            LON + east * across,
            accuracy_m,
            source,
        )
        for number, (east, north) in enumerate(steps)
    ]


rows = st.lists(
    st.tuples(
        st.integers(0, 86_400_000),
        st.floats(LAT - 0.01, LAT + 0.01),
        st.floats(LON - 0.01, LON + 0.01),
        st.one_of(st.none(), st.floats(1, 500)),
        st.sampled_from([None, "gnss", "wifi", "cell", "unheard"]),
    ),
    max_size=120,
)
ways = st.lists(
    st.tuples(st.integers(1, 1_500), st.floats(-80, 80), st.floats(-80, 80)), min_size=1, max_size=200
)


def way(moves):
    """A track of moves: seconds, metres east and metres north since the fix before."""
    at, east, north, made = 0, 0.0, 0.0, []
    across = METRE / np.cos(np.radians(LAT))
    for seconds, dx, dy in moves:
        at, east, north = at + seconds * 1000, east + dx, north + dy
        made.append((at, LAT + north * METRE, LON + east * across, 8.0, "gnss"))
    return track_of(made)


@steadily
@given(rows)
def test_a_track_rises_in_time_and_keeps_the_last_word_of_each_instant(told):
    track = track_of(told)
    assert (np.diff(track.at_ms) > 0).all()
    last = {row[0]: row for row in told}
    assert len(track) == len(last)
    for number, at_ms in enumerate(track.at_ms.tolist()):
        assert (track.lat[number], track.lon[number]) == last[at_ms][1:3]


@steadily
@given(ways)
def test_gaps_and_pieces_share_out_the_whole_way(moves):
    track = way(moves)
    found = gaps(track)
    stretches = pieces(len(track), found)
    assert [number for first, last in stretches for number in range(first, last + 1)] == list(
        range(len(track))
    )
    limit_ms = gap_after_s(track) * 1000
    assert all(gap.end_ms - gap.start_ms > limit_ms for gap in found)
    for first, last in stretches:
        assert (np.diff(track.at_ms[first : last + 1]) <= limit_ms).all()


@steadily
@given(ways)
def test_stays_are_long_enough_apart_in_time_and_over_no_gap(moves):
    track = way(moves)
    stretches = pieces(len(track), gaps(track))
    found = stays(track, stretches)
    east, north = plane(track)
    for stay in found:
        assert stay.lasting_s >= STAY_LEAST_S
        assert any(first <= stay.first < stay.last <= last for first, last in stretches)
        near = np.hypot(east - east[stay.first], north - north[stay.first])[stay.first : stay.last + 1]
        assert np.median(near) <= 2 * STAY_RADIUS_M
    assert all(one.last < other.first for one, other in pairwise(found))


@steadily
@given(ways)
def test_the_times_of_a_way_add_up(moves):
    track = way(moves)
    stretches = pieces(len(track), gaps(track))
    found = stays(track, stretches)
    summed = totals(track, stretches, found)
    whole_s = (track.at_ms[-1] - track.at_ms[0]) / 1000
    assert summed.moving_s + summed.staying_s + summed.unknown_s == pytest.approx(whole_s)
    assert summed.distance_m >= 0
    assert all(first < last for first, last in sections(stretches, found))


@steadily
@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=1, max_size=60))
def test_nobody_goes_farther_than_the_way_between_all_fixes(steps):
    east, north = (np.asarray(column) for column in zip(*steps, strict=True))
    assert travelled_m(east, north) <= np.hypot(np.diff(east), np.diff(north)).sum() + 1e-6


@steadily
@given(ways, st.floats(0.5, 40))
def test_what_is_left_out_lies_at_its_time_within_the_tolerance(moves, tolerance_m):
    track = way(moves)
    stretches = pieces(len(track), gaps(track))
    kept, error_m = simplified(track, stretches, tolerance_m=tolerance_m)
    assert error_m <= tolerance_m
    assert {end for stretch in stretches for end in stretch} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    east, north = plane(track)
    drawn_east = np.interp(track.at_ms, track.at_ms[kept], east[kept])
    drawn_north = np.interp(track.at_ms, track.at_ms[kept], north[kept])
    assert (np.hypot(east - drawn_east, north - drawn_north) <= error_m + 1e-6).all()


@steadily
@given(ways, st.integers(2, 40))
def test_no_more_corners_than_asked_for_but_the_ends_of_pieces(moves, most):
    track = way(moves)
    stretches = pieces(len(track), gaps(track))
    kept, _ = simplified(track, stretches, tolerance_m=0.0, most=most)
    assert len(kept) <= max(most, 2 * len(stretches))


def test_an_hour_on_a_bench_is_one_stay_though_the_receiver_wanders_and_jumps_once():
    random = np.random.default_rng(3)
    steps = [tuple(pair) for pair in random.normal(0, 6, (360, 2))]
    steps[100] = (150.0, 90.0)
    track = track_of(walk(steps))
    (stay,) = stays(track, pieces(len(track), gaps(track)))
    assert stay.lasting_s == pytest.approx(3590)
    assert totals(track, [(0, 359)], [stay]).distance_m == 0


def test_a_walk_between_two_stays_is_measured_by_its_metres():
    random = np.random.default_rng(4)
    sitting = [(0.0, 0.0)] * 60
    walking = [(12.0 * step, 0.0) for step in range(1, 51)]
    there = [(600.0, 0.0)] * 60
    steps = np.asarray(sitting + walking + there) + random.normal(0, 2, (170, 2))
    track = track_of(walk([tuple(pair) for pair in steps]))
    stretches = pieces(len(track), gaps(track))
    home, shop = stays(track, stretches)
    summed = totals(track, stretches, [home, shop])
    assert summed.distance_m == pytest.approx(600, abs=60)
    assert 300 < summed.moving_s < 520


def test_rare_fixes_have_longer_gaps_and_rough_ones_in_a_gap_are_counted():
    often = track_of(walk([(0, 0)] * 20, every_s=30))
    rarely = track_of(walk([(0, 0)] * 20, every_s=600))
    assert gap_after_s(often) == 900
    assert gap_after_s(rarely) == 1800
    broken = track_of(walk([(0, 0)] * 20) + walk([(0, 0)] * 20, start_s=7200))
    (gap,) = gaps(broken, np.asarray([190_000, 200_000, 3_600_000, 7_200_000, 9_000_000]))
    assert (gap.before, gap.rough, gap.lasting_s) == (19, 2, 7010.0)


def test_a_fix_nobody_could_have_been_at_is_named_and_its_neighbours_are_not():
    steps = [(0.0, 0.0), (5.0, 0.0), (4000.0, 0.0), (10.0, 0.0), (15.0, 0.0)]
    track = track_of(walk(steps))
    assert impossible(track).tolist() == [False, False, True, False, False]


def test_vague_fixes_and_those_of_cells_are_rough():
    told = walk([(0, 0)], accuracy_m=101) + walk([(0, 0)], start_s=1, source="cell", accuracy_m=None)
    told += walk([(0, 0)], start_s=2, accuracy_m=None)
    assert rough(track_of(told)).tolist() == [True, True, False]


def test_a_hundred_thousand_fixes_are_worked_through_in_less_than_two_seconds():
    count = 100_000
    random = np.random.default_rng(5)
    moves = np.where((np.arange(count) // 5000 % 2)[:, None] == 1, random.normal(1.2, 1, (count, 2)), 0)
    steps = moves.cumsum(axis=0) + random.normal(0, 4, (count, 2))
    track = track_of(walk([tuple(pair) for pair in steps], every_s=0.86))
    began = time.process_time()
    stretches = pieces(len(track), gaps(track))
    found = stays(track, stretches)
    kept, error_m = simplified(track, stretches)
    spent_s = time.process_time() - began
    print(f"{len(found)} stays, {len(kept)} corners within {error_m:.1f} m, {spent_s:.2f} s")
    assert len(found) >= 5
    assert spent_s < 2
