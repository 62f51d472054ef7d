"""Whether a measurement of a body is worth judging: worn, and not while walking briskly.

What is doubtful neither raises nor clears anything.
Only what is worth storing is kept: marks are rewritten at most once a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from gateway.model import BloodPressure, BodyTemp, Fix, HeartRate, Reading, SpO2, Steps, Worn
from gateway.rules.moment import happened_at

PLAUSIBLE_BPM = (20.0, 250.0)
PLAUSIBLE_SYSTOLIC_MMHG = (50.0, 280.0)
PLAUSIBLE_DIASTOLIC_MMHG = (20.0, 180.0)
PLAUSIBLE_SPO2_PCT = (50.0, 100.0)
PLAUSIBLE_BODY_TEMP_C = (30.0, 43.0)
"""What lies outside, both ends included as possible, is a fault of the sensor (0 and 255: not worn)."""

QUANTITIES: MappingProxyType[type, tuple[str, Callable[[Any], float], tuple[float, float]]] = (
    MappingProxyType(
        {
            HeartRate: ("heart_rate", attrgetter("heart_rate_bpm"), PLAUSIBLE_BPM),
            BloodPressure: ("systolic", attrgetter("systolic_mmhg"), PLAUSIBLE_SYSTOLIC_MMHG),
            SpO2: ("spo2", attrgetter("spo2_pct"), PLAUSIBLE_SPO2_PCT),
            BodyTemp: ("body_temp", attrgetter("body_temp_c"), PLAUSIBLE_BODY_TEMP_C),
        }
    )
)
"""What a trend or a habit is made of: the quantity, its value in a reading, and what can be true of it."""
WITNESSES = frozenset({Fix, Steps, Worn})
"""The readings that say whether the others can be trusted."""
MOVING_STEPS_PER_MIN = 60.0
"""A slow walk has 60 to 79 steps a minute, moderate effort begins at 100 (Tudor-Locke et al. 2018)."""
MOVING_M_S = (1.5, 6.0)
"""From a brisk walk up to a slow bicycle; what is faster is a vehicle, in which one sits."""
MOTION_SETTLES = timedelta(seconds=120)
"""So long before and after motion a reading is doubtful."""
OFF_WRIST = timedelta(seconds=60)
"""So long after the band said that it is not worn; bands that say so with a zero never say "worn" again."""
REWRITE = timedelta(seconds=60)
STEPS_APART = timedelta(seconds=60)
STEPS_FRESH_S = 300.0
"""Steps are held to have been made within this time, however old the count before them is."""
MOST_STEPS = 9_999_999
SET_BACK = timedelta(hours=1)
"""A mark so far in the future was made under a clock of ours that was wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """`off_at`: when the band last said that it is not worn; `moving_at`: the last motion seen.

    `steps` is the count at `steps_at`, the base of the next cadence.
    """

    off_at: datetime | None = None
    moving_at: datetime | None = None
    steps: int | None = None
    steps_at: datetime | None = None


def witness(quality: Quality, reading: Fix | Steps | Worn, heard_at: datetime) -> Quality:
    """Give the quality after a reading that says something about the others; the same object if nothing."""
    kind = type(reading)
    if kind is Fix:
        assert isinstance(reading, Fix)
        speed = reading.speed_m_s
        if speed is None or not reading.valid or not MOVING_M_S[0] <= speed <= MOVING_M_S[1]:
            return quality
        return _moved(quality, happened_at(reading.at, heard_at))
    at = happened_at(reading.at, heard_at)
    if isinstance(reading, Worn):
        if reading.worn:
            later = quality.off_at is not None and (at >= quality.off_at or _set_back(quality.off_at, at))
            return replace(quality, off_at=None) if later else quality
        return replace(quality, off_at=at) if _due(quality.off_at, at) else quality
    assert isinstance(reading, Steps)
    return _stepped(quality, reading.steps, at)


def doubtful(quality: Quality, at: datetime) -> bool:
    """Whether a body measured at that time was not wearing the band, or was moving."""
    off_at, moving_at = quality.off_at, quality.moving_at
    if off_at is not None and abs(at - off_at) <= OFF_WRIST:
        return True
    return moving_at is not None and abs(at - moving_at) <= MOTION_SETTLES


def plausible(value: float, bounds: tuple[float, float]) -> bool:
    """Whether a sensor can have measured this; never for what is no number."""
    return bounds[0] <= value <= bounds[1]


def look(
    quality: Quality, readings: tuple[Reading, ...], heard_at: datetime
) -> tuple[Quality, list[tuple[datetime, str, float]]]:
    """Give the quality after a frame, and when it measured which plausible quantity and value, oldest first.

    Of a blood pressure that is the systolic one.
    """
    measured: list[tuple[datetime, str, float]] = []
    for reading in readings:
        kind = type(reading)
        if kind is Fix:
            speed = reading.speed_m_s  # type: ignore[union-attr]
            if speed is not None and speed >= MOVING_M_S[0]:
                quality = witness(quality, reading, heard_at)  # type: ignore[arg-type]
        elif (known := QUANTITIES.get(kind)) is not None:
            name, value_of, (least, most) = known
            value = value_of(reading)
            if least <= value <= most:
                at = reading.at
                when = heard_at if at is heard_at else happened_at(at, heard_at)
                measured.append((when, name, value))
        elif kind is Steps or kind is Worn:
            quality = witness(quality, reading, heard_at)  # type: ignore[arg-type]
    if len(measured) > 1:
        measured.sort()
    return quality, measured


def _set_back(old: datetime, at: datetime) -> bool:
    return old - at > SET_BACK


def _due(old: datetime | None, at: datetime) -> bool:
    """Whether a mark is to be rewritten: there is none, it is old, or it lies in a wrong future."""
    return old is None or at - old >= REWRITE or _set_back(old, at)


def _moved(quality: Quality, at: datetime) -> Quality:
    return replace(quality, moving_at=at) if _due(quality.moving_at, at) else quality


def _stepped(quality: Quality, steps: int, at: datetime) -> Quality:
    if not 0 <= steps <= MOST_STEPS or steps == quality.steps:
        return quality
    old, old_at = quality.steps, quality.steps_at
    if old is None or old_at is None or _set_back(old_at, at):
        return replace(quality, steps=steps, steps_at=at)
    passed = at - old_at
    if passed < STEPS_APART:
        return quality
    cadence = (steps - old) * 60.0 / min(passed.total_seconds(), STEPS_FRESH_S)
    moved = _moved(quality, at) if cadence >= MOVING_STEPS_PER_MIN else quality
    return replace(moved, steps=steps, steps_at=at)
