"""Bodies drift and tire; wires lose and double messages; both by seed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.faults import Faults, Weather
from firmware_sim.physiology import BaseLine, Body


def body(seed: int = 1) -> Body:
    return Body({"heart_rate_bpm": BaseLine([(0.0, 70.0)]), "systolic_mmhg": BaseLine([(0.0, 130.0)]),
                 "diastolic_mmhg": BaseLine([(0.0, 75.0)]), "spo2_pct": BaseLine([(0.0, 97.0)]),
                 "body_temp_c": BaseLine([(0.0, 36.4)])}, random.Random(seed))  # fmt: skip


def test_a_base_line_is_held_before_straight_between_and_held_after() -> None:
    line = BaseLine([(0.0, 130.0)])
    line.drift(20.0, 170.0, 40.0)
    assert [line.at(at_s) for at_s in (0, 20, 40, 60, 500)] == [130, 130, 150, pytest.approx(170), 170]


def test_a_second_drift_begins_where_the_first_had_come_to() -> None:
    line = BaseLine([(0.0, 130.0)])
    line.drift(0.0, 170.0, 40.0)
    line.drift(20.0, 130.0, 20.0)
    assert [round(line.at(at_s)) for at_s in (10, 20, 30, 40, 60)] == [140, 150, 140, 130, 130]


def test_the_heart_follows_the_walk_and_calms_down_again() -> None:
    subject = body()
    for at_s in range(0, 180, 5):
        walking = subject.step(at_s, 1.2)
    for at_s in range(180, 400, 5):
        resting = subject.step(at_s, 0.0)
    assert 82 < walking.heart_rate_bpm < 98
    assert 64 < resting.heart_rate_bpm < 76


@given(st.integers(0, 1000))
@settings(max_examples=30)
def test_a_resting_body_stays_in_the_range_of_a_resting_body(seed: int) -> None:
    subject = body(seed)
    for at_s in range(0, 600, 10):
        signs = subject.step(at_s, 0.0)
        assert 60 < signs.heart_rate_bpm < 80
        assert 120 < signs.systolic_mmhg < 140
        assert 94 <= signs.spo2_pct <= 100
        assert 36.0 < signs.body_temp_c < 36.8


def test_fair_weather_loses_and_delays_nothing() -> None:
    weather = Weather(Faults(), 1)
    assert {weather.fate() for _ in range(100)} == {(0.0,)}


def test_the_same_seed_draws_the_same_weather() -> None:
    faults = Faults(lost=0.2, doubled=0.3, late_s=1.0)
    first, second = Weather(faults, 5), Weather(faults, 5)
    assert [first.fate() for _ in range(200)] == [second.fate() for _ in range(200)]


def test_losses_doubles_and_delays_come_about_as_often_as_asked() -> None:
    weather = Weather(Faults(lost=0.2, doubled=0.25, late_s=2.0), 3)
    fates = [weather.fate() for _ in range(4000)]
    assert 0.17 < sum(fate == () for fate in fates) / 4000 < 0.23
    assert 0.17 < sum(len(fate) == 2 for fate in fates) / 4000 < 0.23
    assert all(0 <= delay_s <= 2 for fate in fates for delay_s in fate)


@pytest.mark.parametrize("faults", [{"lost": 1.0}, {"doubled": 1.5}, {"late_s": -1}])
def test_impossible_weather_is_refused(faults: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Faults(**faults)
