"""Walks are closed functions of time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.ground import Grid
from firmware_sim.walk import Journey, Line, Stretch

SQUARE = Line(((0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0), (0.0, 0.0)))
NORTH = Line(((0.0, 0.0), (0.0, 100.0)))


@given(st.floats(-2000, 2000), st.floats(-2000, 2000))
@settings(max_examples=100)
def test_the_grid_goes_to_wgs84_and_back(east_m: float, north_m: float) -> None:
    grid = Grid(31.1553, 121.1050)
    back = grid.to_metres(*grid.to_wgs84((east_m, north_m)))
    assert math.dist(back, (east_m, north_m)) < 1e-6


def test_a_degree_of_the_grid_has_the_length_of_the_ellipsoid() -> None:
    """Published values at 30 degrees: 110,852 m of latitude, 96,486 m of longitude."""
    north_m, east_m = Grid(30.0, 121.0).metres_per_degree
    assert north_m == pytest.approx(110_852, abs=2)
    assert east_m == pytest.approx(96_486, abs=2)


def test_courses_count_from_north_with_the_clock() -> None:
    assert [SQUARE.at(along_m)[1] for along_m in (5, 15, 25, 35)] == [0, 90, 180, 270]


def test_a_round_goes_on_for_ever() -> None:
    stretch = Stretch(0.0, SQUARE, 1.0, "round", 5.0)
    assert stretch.place(0).point == (0, 5)
    assert stretch.place(40).point == pytest.approx((0, 5))
    assert stretch.place(10).point == pytest.approx((5, 10))


def test_to_and_fro_turns_at_the_end_and_faces_back() -> None:
    stretch = Stretch(0.0, NORTH, 1.0, "to_and_fro")
    assert stretch.place(90).point == pytest.approx((0, 90))
    turned = stretch.place(110)
    assert turned.point == pytest.approx((0, 90))
    assert turned.course_deg == 180
    assert stretch.place(201).point == pytest.approx((0, 1))


def test_once_stays_at_the_end() -> None:
    place = Stretch(0.0, NORTH, 1.0, "once").place(500)
    assert (place.point, place.speed_m_s) == ((0, 100), 0.0)


@given(st.floats(1, 400), st.floats(0, 200), st.floats(0.3, 2.0))
@settings(max_examples=100)
def test_nobody_jumps_when_leaving_or_coming_back(leave_s: float, away_s: float, speed: float) -> None:
    journey = Journey(Stretch(0.0, SQUARE, 0.8, "round"))
    journey.leave(leave_s, ((50.0, 0.0), (50.0, 60.0)), speed)
    journey.come_back(leave_s + away_s, speed)
    fastest = max(speed, 0.8)
    step_s = 0.5
    now_s = 0.0
    before = journey.place(0.0).point
    while now_s < leave_s + 2 * away_s + 50:
        now_s += step_s
        here = journey.place(now_s).point
        assert math.dist(before, here) <= fastest * step_s + 1e-6
        before = here


def test_after_coming_back_the_round_goes_on_where_it_was_left() -> None:
    journey = Journey(Stretch(0.0, NORTH, 1.0, "to_and_fro"))
    journey.leave(30.0, ((40.0, 30.0),), 1.0)
    journey.come_back(60.0, 1.0)
    assert journey.place(60.0).point == pytest.approx((30, 30))
    assert journey.place(90.0).point == pytest.approx((0, 30))
    assert journey.place(95.0).point == pytest.approx((0, 35))


def test_nobody_comes_back_without_having_left() -> None:
    with pytest.raises(ValueError, match="without having left"):
        Journey(Stretch(0.0, NORTH, 1.0, "once")).come_back(5.0, 1.0)
