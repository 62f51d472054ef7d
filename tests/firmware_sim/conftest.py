"""The shipped ground and the shipped evening."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.ground import Ground, load_ground
from firmware_sim.scenario import Scenario, origin_of, parse
from firmware_sim.settings import scenario_path

SEED_DIR = Path(__file__).parents[2] / "data" / "seed"


@pytest.fixture(scope="session")
def evening_text() -> str:
    return scenario_path("evening").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def ground(evening_text: str) -> Ground:
    return load_ground(SEED_DIR, origin_of(evening_text))


@pytest.fixture(scope="session")
def evening(evening_text: str, ground: Ground) -> Scenario:
    return parse(evening_text, ground)
