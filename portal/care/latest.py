"""The newest of everything about a wearer: pure rules of what may replace what.

Order is by time measured, bounded by the time heard, so that
a band whose clock runs ahead cannot freeze its own marker,
a late reading never moves a newer one aside,
and readings flagged as backlog fill the history only.
"""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Protocol, cast

from gateway.model import (
    BandAlarm,
    Battery,
    BloodPressure,
    BodyTemp,
    Fix,
    HeartRate,
    Reading,
    SpO2,
    Steps,
    Worn,
)


class Latest(Protocol):
    """What `advance` reads and writes; `portal.care.models.WearerState` is one."""

    heard_at: datetime | None
    fix_at: datetime | None
    lat: float | None
    lon: float | None
    accuracy_m: float | None
    source: str | None
    speed_m_s: float | None
    heart_rate_at: datetime | None
    heart_rate_bpm: float | None
    blood_pressure_at: datetime | None
    systolic_mmhg: float | None
    diastolic_mmhg: float | None
    spo2_at: datetime | None
    spo2_pct: float | None
    body_temp_at: datetime | None
    body_temp_c: float | None
    steps_at: datetime | None
    steps: int | None
    battery_at: datetime | None
    battery_pct: float | None
    worn_at: datetime | None
    worn: bool | None


VITAL_KINDS: dict[type, tuple[str, str, str | None]] = {
    HeartRate: ("heart_rate", "heart_rate_bpm", None),
    BloodPressure: ("blood_pressure", "systolic_mmhg", "diastolic_mmhg"),
    SpO2: ("spo2", "spo2_pct", None),
    BodyTemp: ("body_temp", "body_temp_c", None),
    Steps: ("steps", "steps", None),
    Battery: ("battery", "battery_pct", None),
    Worn: ("worn", "worn", None),
}
"""Kind of a reading, the name of its value and of its second value; the same names stand in `Latest`."""


NEWEST_NAMES = tuple(Latest.__annotations__)


def draft_of(latest: Latest) -> Latest:
    """A plain copy to advance by the thousand: setting a value of a mapped row costs ten times as much."""
    return cast("Latest", SimpleNamespace(**{name: getattr(latest, name) for name in NEWEST_NAMES}))


def write_draft(draft: Latest, latest: Latest) -> None:
    """Write what changed in a draft back to the row it was made of."""
    for name in NEWEST_NAMES:
        value = getattr(draft, name)
        if value != getattr(latest, name):
            setattr(latest, name, value)


def measured_at(reading_at: datetime | None, received_at: datetime, now: datetime) -> datetime:
    """When a reading was measured, never later than it was heard, and never in the portal's future."""
    heard = min(received_at, now)
    return heard if reading_at is None else min(reading_at, heard)


def advance(latest: Latest, reading: Reading, at: datetime) -> bool:
    """Let a live reading measured `at` replace an older one of its kind.

    True when something changed.
    An invalid fix says nothing about where the wearer is, and an alarm is no value: both change nothing.
    """
    if isinstance(reading, Fix):
        if not reading.valid or not _newer(at, latest.fix_at):
            return False
        latest.fix_at = at
        latest.lat, latest.lon = reading.lat, reading.lon
        latest.accuracy_m, latest.source = reading.accuracy_m, reading.source
        latest.speed_m_s = reading.speed_m_s
        return True
    if isinstance(reading, BandAlarm):
        return False
    kind, first, second = VITAL_KINDS[type(reading)]
    if not _newer(at, getattr(latest, f"{kind}_at")):
        return False
    setattr(latest, f"{kind}_at", at)
    setattr(latest, first, getattr(reading, first))
    if second is not None:
        setattr(latest, second, getattr(reading, second))
    return True


def hear(latest: Latest, at: datetime) -> bool:
    """Note that the band was heard of at this time; True when that is news."""
    if not _newer(at, latest.heard_at):
        return False
    latest.heard_at = at
    return True


def _newer(at: datetime, than: datetime | None) -> bool:
    """Whether `at` is not before `than`; of two at the same instant the one reported later counts."""
    return than is None or at >= than
