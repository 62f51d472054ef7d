"""The shipped evening tells the story that the demo promises, whatever the seed."""

from __future__ import annotations

import math
import tomllib
from itertools import islice, takewhile
from pathlib import Path

import pytest

from firmware_sim.band import Band, Sample
from firmware_sim.ground import Ground
from firmware_sim.scenario import Scenario

ROOT = Path(__file__).parents[2]
SEEDS = (1, 2, 3, 4, 5)


def life(evening: Scenario, ground: Ground, device: str, seed: int, until_s: float) -> list[Sample]:
    plan = next(plan for plan in evening.bands if plan.device == device)
    return list(takewhile(lambda sample: sample.at_s <= until_s, Band(plan, ground, seed).samples()))


def test_it_knows_every_configured_band_and_telephone(evening: Scenario) -> None:
    config = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    devices = {device["id"]: wearer["name"] for wearer in config["wearers"] for device in wearer["devices"]}
    assert {plan.device: plan.wearer for plan in evening.bands} == devices
    phones = {
        contact["phone"]: contact["name"] for wearer in config["wearers"] for contact in wearer["contacts"]
    }
    phones |= {person["phone"]: person["name"] for person in config["staff"]}
    assert {person.phone: person.name for person in evening.people} == phones


@pytest.mark.parametrize("seed", SEEDS)
def test_wang_is_in_his_fence_first_and_well_outside_it_in_time(
    evening: Scenario, ground: Ground, seed: int
) -> None:
    """In time: outside radius and margin by second 65, for the rest of his way out."""
    centre = ground.grid.to_metres(31.15535, 121.10460)
    samples = life(evening, ground, "4700186508", seed, 415)
    away_m = {
        sample.at_s: math.dist(centre, ground.grid.to_metres(sample.lat, sample.lon)) for sample in samples
    }
    assert all(metres < 90 for at_s, metres in away_m.items() if at_s <= 15)
    assert all(metres > 110 for at_s, metres in away_m.items() if at_s >= 65)
    assert max(away_m.values()) > 250


@pytest.mark.parametrize("seed", SEEDS)
def test_chen_has_three_readings_over_her_limit_by_second_ninety_and_none_before_twenty(
    evening: Scenario, ground: Ground, seed: int
) -> None:
    measured = [
        (sample.at_s, sample.vitals.systolic_mmhg)
        for sample in life(evening, ground, "band-chen", seed, 90)
        if sample.vitals is not None
    ]
    assert all(systolic < 150 for at_s, systolic in measured if at_s <= 20)
    assert sum(systolic > 150 for _, systolic in measured) >= 3


def test_zhang_presses_at_thirty_seconds_and_nobody_else_does(evening: Scenario, ground: Ground) -> None:
    presses = {plan.device: Band(plan, ground, 1).presses() for plan in evening.bands}
    assert {device: [press.at_s for press in found] for device, found in presses.items() if found} == {
        "band-zhang": [30]
    }


def test_the_first_guardian_stays_silent_and_the_second_presses_one(evening: Scenario) -> None:
    people = evening.personas()
    assert people["+8613800138001"].answer == "no_answer"
    assert (people["+8613800138002"].answer, people["+8613800138002"].key) == ("presses", "1")


@pytest.mark.parametrize("device", ["band-zhang", "band-liu", "band-xu", "gnss-zhao", "band-chen"])
def test_the_others_walk_inside_the_estate(evening: Scenario, ground: Ground, device: str) -> None:
    samples = life(evening, ground, device, 1, 600)
    points = [ground.grid.to_metres(sample.lat, sample.lon) for sample in samples]
    assert all(-215 < east_m < 215 and -175 < north_m < 175 for east_m, north_m in points)
    assert math.dist(points[0], points[60]) > 10


def test_the_same_seed_lives_the_same_life_and_another_seed_another(
    evening: Scenario, ground: Ground
) -> None:
    plan = evening.bands[0]
    once = list(islice(Band(plan, ground, 7).samples(), 200))
    assert list(islice(Band(plan, ground, 7).samples(), 200)) == once
    assert list(islice(Band(plan, ground, 8).samples(), 200)) != once


def test_measurements_come_at_their_own_pace(evening: Scenario, ground: Ground) -> None:
    plan = evening.bands[0]
    times = [s.at_s for s in islice(Band(plan, ground, 1).samples(), 40) if s.vitals is not None]
    assert times == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
