"""The figures of vital signs: percentiles, hours and days of the community, gaps, steps, what is doubtful."""

from __future__ import annotations

import datetime as dt
import itertools
from statistics import quantiles
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.care.vitals.history import once
from portal.care.vitals.quality import doubts
from portal.care.vitals.stats import (
    HOUR_MS,
    LEAST_GAP_MS,
    borders,
    buckets,
    day_begins_ms,
    day_number,
    gaps,
    hour_of,
    longest_pause_ms,
    percentile,
    runs,
    spread,
    steps_made,
)
from portal.care.vitals.svg import thinned, ticks

VALUES = st.floats(min_value=20, max_value=300, allow_nan=False)
MINUTE_MS = 60_000
TIMES = st.lists(st.integers(0, 3 * 86_400_000), min_size=1, max_size=60, unique=True).map(sorted)
DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2030, 12, 31))


@given(st.lists(VALUES, min_size=2, max_size=80))
def test_percentiles_are_those_of_the_standard_library(values):
    ordered = sorted(values)
    expected = quantiles(ordered, n=10, method="inclusive")
    assert [percentile(ordered, share) for share in range(10, 100, 10)] == pytest.approx(expected)


@given(st.lists(VALUES, min_size=1, max_size=80), st.floats(0, 100), st.floats(0, 100))
def test_percentiles_rise_and_stay_between_the_extremes(values, one, other):
    ordered = sorted(values)
    low, high = sorted((one, other))
    assert ordered[0] <= percentile(ordered, low) <= percentile(ordered, high) <= ordered[-1]


def test_the_figures_of_nothing_are_none_and_of_one_are_that_one():
    assert spread([]) is None
    found = spread([72.0])
    assert (found.count, found.least, found.p10, found.p50, found.p90, found.most) == (1, 72, 72, 72, 72, 72)


@given(DAYS, st.integers(1, 31))
def test_hours_and_days_are_those_of_shanghai_and_leave_no_moment_out(first, days):
    for size, length in (("hour", HOUR_MS), ("day", 24 * HOUR_MS)):
        edges = borders(first, days, size)
        assert edges[0] == day_begins_ms(first)
        assert edges[-1] == day_begins_ms(first + dt.timedelta(days=days))
        assert {later - earlier for earlier, later in itertools.pairwise(edges)} == {length}
    assert hour_of(edges[0]) == 0
    assert hour_of(edges[0] - 1) == 23
    assert [day_number(edge) - day_number(edges[0]) for edge in edges] == list(range(days + 1))


@given(st.integers(946_684_800_000, 4_000_000_000_000))
def test_days_and_hours_by_number_are_those_of_the_time_zone(at_ms):
    there = dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo("Asia/Shanghai"))
    assert hour_of(at_ms) == there.hour
    assert day_number(at_ms) == (there.date() - dt.date(1970, 1, 1)).days


@given(DAYS, st.lists(st.tuples(st.integers(0, 7 * 86_400_000 - 1), VALUES), max_size=80))
def test_every_measurement_is_in_exactly_one_bucket(first, found):
    begin = day_begins_ms(first)
    samples = sorted((begin + at_ms, value) for at_ms, value in found)
    all_buckets = buckets(samples, first, 7, "hour")
    assert len(all_buckets) == 7 * 24
    assert sum(one.spread.count for one in all_buckets if one.spread) == len(samples)
    for one in all_buckets:
        inside = [value for at_ms, value in samples if one.begin_ms <= at_ms < one.end_ms]
        assert one.spread == spread(inside)


def test_an_empty_hour_has_no_figures_rather_than_zero():
    first = dt.date(2026, 11, 23)
    (one, *rest) = buckets([(day_begins_ms(first) + 5, 70.0)], first, 1, "hour")
    assert one.spread.p50 == 70
    assert {bucket.spread for bucket in rest} == {None}


@given(TIMES)
def test_runs_and_gaps_are_two_ways_to_say_the_same(times):
    pause = longest_pause_ms(times)
    pieces = list(runs(times, pause))
    assert [n for begin, end in pieces for n in range(begin, end)] == list(range(len(times)))
    between = [(times[a[1] - 1], times[b[0]]) for a, b in itertools.pairwise(pieces)]
    assert between == gaps(times, pause, times[0], times[-1])
    for begin, end in pieces:
        assert all(times[n + 1] - times[n] <= pause for n in range(begin, end - 1))


def test_a_band_that_measures_every_two_hours_has_no_gap_between_and_one_of_a_night_is_seen():
    every = [n * 2 * HOUR_MS for n in range(8)]
    assert longest_pause_ms(every) == 6 * HOUR_MS
    assert longest_pause_ms([0, MINUTE_MS]) == LEAST_GAP_MS
    times = [*every, every[-1] + 9 * HOUR_MS]
    assert gaps(times, longest_pause_ms(times), 0, times[-1]) == [(every[-1], times[-1])]


@given(st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=20), min_size=1, max_size=5))
def test_steps_add_up_over_the_midnights_of_the_band(days):
    counts, at_ms = [], 0
    for day in days:
        total = 0
        for made in day:
            total += made
            at_ms += MINUTE_MS
            counts.append((at_ms, float(total)))
        counts.append((at_ms + 1, 0.0))
    assert sum(made for _, made in steps_made(counts, (0, 0.0))) == sum(map(sum, days))


def test_the_first_count_goes_on_from_the_one_before():
    assert steps_made([(10, 130.0), (20, 150.0)], (5, 100.0)) == [(10, 30), (20, 20)]
    assert steps_made([(10, 130.0)], None) == [(10, 130)]
    assert steps_made([(10, 30.0)], (5, 9000.0)) == [(10, 30)]


def test_what_is_measured_off_the_wrist_or_in_motion_is_doubtful():
    found = doubts([100_000], [1_000_000], [(3_000_000, 100.0), (3_060_000, 170.0), (3_120_000, 175.0)])
    assert [found.doubtful(at_ms) for at_ms in (39_999, 40_000, 160_000, 160_001)] == [0, 1, 1, 0]
    assert [found.doubtful(at_ms) for at_ms in (879_999, 880_000, 1_120_000, 1_120_001)] == [0, 1, 1, 0]
    assert [found.doubtful(at_ms) for at_ms in (2_900_000, 2_940_000, 3_180_000, 3_180_001)] == [0, 1, 1, 0]


def test_a_pressure_sent_again_is_one_measurement():
    rows = [(0, 120.0, 80.0), (60_000, 120.0, 80.0), (120_000, 121.0, 80.0), (500_000, 121.0, 80.0)]
    assert [row[0] for row in once(rows)] == [0, 120_000, 500_000]


@given(st.lists(st.tuples(st.floats(0, 700), st.floats(0, 200)), min_size=1, max_size=300))
def test_a_thinned_line_keeps_its_ends_and_its_extremes(spots):
    spots.sort(key=lambda spot: spot[0])
    kept = thinned(spots)
    assert set(kept) <= set(spots)
    assert (kept[0], kept[-1][0] // 1) == (spots[0], spots[-1][0] // 1)
    assert min(y for _, y in kept) == min(y for _, y in spots)
    assert max(y for _, y in kept) == max(y for _, y in spots)


@given(st.floats(0, 200), st.floats(0.5, 200))
def test_ticks_lie_inside_and_are_few(low, size):
    found = ticks(low, low + size)
    assert len(found) <= 6
    assert all(low - 1e-6 <= one <= low + size + 1e-6 for one in found)
