"""How sure a fix is, against the formula and against counted throws."""

from __future__ import annotations

import random
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.certainty import RADIUS_PER_SIGMA, SURE, certainty, probability_past


def test_a_fix_without_error_is_always_sure():
    sure = certainty(0)
    assert sure.past(20.01, 20)
    assert not sure.past(20, 20)
    assert sure.before(20, 20)


def test_two_thirds_of_the_throws_fall_within_the_radius_and_95_of_100_short_of_the_reach():
    rng = random.Random(5)
    accuracy_m = 40.0
    sigma = accuracy_m / RADIUS_PER_SIGMA
    throws = [(rng.gauss(0, sigma), rng.gauss(0, sigma)) for _ in range(20_000)]
    within = sum(hypot(x, y) <= accuracy_m for x, y in throws) / len(throws)
    short = sum(x <= certainty(accuracy_m).reach_m for x, _ in throws) / len(throws)
    assert within == pytest.approx(0.68, abs=0.01)
    assert short == pytest.approx(0.95, abs=0.005)


@given(st.floats(-2_000, 2_000), st.floats(-100, 100), st.floats(0.1, 1_000))
def test_past_and_before_are_the_two_ends_of_the_probability(at_m, line_m, accuracy_m):
    sure, probability = certainty(accuracy_m), probability_past(at_m, line_m, accuracy_m)
    if abs(probability - SURE) > 1e-6 and abs(probability - (1 - SURE)) > 1e-6:
        assert sure.past(at_m, line_m) is (probability > SURE)
        assert sure.before(at_m, line_m) is (probability < 1 - SURE)
