"""Whether a measurement of a body is worth judging: worn, and not while walking briskly.

What is doubtful neither raises nor clears anything.
Only what is worth storing is kept: marks are rewritten at most once a minute.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from gateway.model import Fix, Steps, Worn
from gateway.rules.moment import happened_at

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


class Quality(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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


def clear_from(quality: Quality, at: datetime) -> bool:
    """Whether nothing casts doubt on what was measured at that time, or at any later one."""
    off_at, moving_at = quality.off_at, quality.moving_at
    return (off_at is None or at - off_at > OFF_WRIST) and (
        moving_at is None or at - moving_at > MOTION_SETTLES
    )


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
