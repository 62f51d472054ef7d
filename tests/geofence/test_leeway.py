"""How far a wearer can go before a fix is seen otherwise: held against measuring every single place."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.rules.fence import NEAR_REACH_M
from geofence.certainty import certainty
from geofence.leeway import LEAST_M, MOST_M, at_least_m, leeway_m, scales_m
from geofence.plane import off_plane, plane_at
from geofence.shape import Circle, Corridor, Parts, Polygon
from geofence.tracker import PLACES, Limits

lats = st.one_of(st.floats(-84, 84), st.floats(30.9, 31.4))
turns = st.floats(0, 2 * math.pi)


def along(lat, lon, metres, turn):
    """A place so many metres away, by the plane that touches there."""
    return off_plane(plane_at(lat, lon), metres * math.cos(turn), metres * math.sin(turn))


@st.composite
def shapes(draw, near_m=None):
    """A shape around a place, exact as far as `near_m` from its border, and that place."""
    lat, lon = draw(lats), draw(st.floats(-178, 178))
    near_m = draw(st.floats(20, 400)) if near_m is None else near_m

    def part():
        middle = along(lat, lon, draw(st.floats(0, 300)), draw(turns))
        size_m = draw(st.floats(20, 2000))
        kind = draw(st.sampled_from(["circle", "star", "walk"]))
        if kind == "circle":
            return Circle(lat=middle[0], lon=middle[1], radius_m=size_m)
        count = draw(st.integers(3, 9))
        if kind == "star":
            spans = [size_m * draw(st.floats(0.4, 1)) for _ in range(count)]
            ring = tuple(along(*middle, span, 2 * math.pi * k / count) for k, span in enumerate(spans))
            return Polygon(corners=ring, near_m=near_m)
        line = tuple(along(*middle, draw(st.floats(5, size_m)), 0.6 * k) for k in range(count))
        return Corridor(line=line, half_width_m=draw(st.floats(3, 200)), near_m=near_m)

    many = draw(st.integers(1, 3))
    shape = part() if many == 1 else Parts(parts=tuple(part() for _ in range(many)))
    return shape, lat, lon


limits_of = st.builds(
    Limits,
    exit_margin_m=st.floats(0, 200),
    hysteresis_m=st.floats(0, 50),
    dwell=st.just(timedelta(seconds=10)),
    approach_m=st.sampled_from([0.0, 20.0, 100.0]),
    escalate_m=st.sampled_from([(), (300.0, 900.0)]),
)


@st.composite
def watched(draw):
    """Limits, and a shape that is exact as far as the rule wants it for them (`gateway.rules.fence`)."""
    limits = draw(limits_of)
    far_m = max(limits.exit_margin_m, limits.approach_m) + limits.hysteresis_m
    return limits, draw(shapes(near_m=far_m + NEAR_REACH_M + 1.0))


@settings(max_examples=200, deadline=None)
@given(shapes(), st.floats(0, 6000), turns)
def test_the_quick_distance_is_never_more_than_the_true_one_and_on_its_side(made, away_m, turn):
    shape, lat, lon = made
    place = along(lat, lon, away_m, turn)
    told_m, true_m = at_least_m(shape, shape.box(0.0), *place), shape.exact_distance_m(*place)
    assert abs(told_m) <= abs(true_m) + 0.2
    assert (told_m > 0) is (true_m > 0) or abs(true_m) < 0.2


@settings(max_examples=300, deadline=None)
@given(
    watched(),
    st.tuples(st.floats(0, 5000), turns),
    st.tuples(st.floats(0, 1), turns),
    st.sampled_from([3.0, 15.0, 40.0, 200.0]),
    st.floats(0, 1),
    st.sampled_from(PLACES),
    st.sampled_from([1.0, -1.0]),
)
def test_within_the_leeway_every_fix_is_seen_the_same(made, away, step, rough_m, share, place, side):
    """Whatever the place in the table, and for every fix that is at least as accurate."""
    limits, (shape, lat, lon) = made
    here = along(lat, lon, *away)
    found = leeway_m(limits, side * at_least_m(shape, shape.box(0.0), *here), certainty(rough_m))
    assume(found is not None)
    seen, leeway = found
    assert leeway >= LEAST_M
    there = along(*here, step[0] * min(leeway, MOST_M), step[1])
    breach_m = side * shape.exact_distance_m(*there)
    assert seen == limits.judge(breach_m, certainty(rough_m * share), place=place)


@settings(max_examples=200, deadline=None)
@given(lats, st.floats(-178, 178), st.floats(0, 2000), turns)
def test_the_scales_never_make_a_way_shorter_than_it_is(lat, lon, metres, turn):
    lat_m, lon_m = scales_m(lat, lon)
    there = along(lat, lon, metres, turn)
    assert math.hypot((there[0] - lat) * lat_m, (there[1] - lon) * lon_m) >= metres - 0.01


@pytest.mark.parametrize(("lat", "lon"), [(86.0, 0.0), (-89.0, 10.0), (30.0, 179.5), (30.0, -179.5)])
def test_near_a_pole_and_the_date_line_nothing_is_made_easy(lat, lon):
    assert scales_m(lat, lon) is None


def test_beyond_thresholds_of_an_escalation_nothing_is_made_easy():
    limits = Limits(exit_margin_m=20, hysteresis_m=10, dwell=timedelta(0), escalate_m=(300.0,))
    assert leeway_m(limits, 5000.0, certainty(8.0)) is None
    assert leeway_m(limits, -5000.0, certainty(8.0)) is not None


@pytest.mark.parametrize(("breach_m", "seen"), [(-500.0, "within"), (700.0, "beyond")])
def test_the_leeway_ends_just_before_the_limit_it_was_measured_to(breach_m, seen):
    limits, sure = Limits(exit_margin_m=20, hysteresis_m=10, dwell=timedelta(0)), certainty(8.0)
    towards = 1 if seen == "within" else -1
    found = leeway_m(limits, breach_m, sure)
    assert found is not None
    assert found[0] == seen
    assert limits.judge(breach_m + towards * found[1], sure) == seen
    assert limits.judge(breach_m + towards * (found[1] * 1.03 + 3), sure) != seen
