"""What a frame measured of a body, and what says whether it can be trusted: read once for all the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from gateway.model import BloodPressure, BodyTemp, Envelope, Fix, HeartRate, SpO2, Steps, Worn
from gateway.rules.moment import happened_at
from gateway.rules.quality import MOVING_M_S, Quality, clear_from, doubtful, witness

PLAUSIBLE_BPM = (20.0, 250.0)
PLAUSIBLE_SYSTOLIC_MMHG = (50.0, 280.0)
PLAUSIBLE_DIASTOLIC_MMHG = (20.0, 180.0)
PLAUSIBLE_SPO2_PCT = (50.0, 100.0)
PLAUSIBLE_BODY_TEMP_C = (30.0, 43.0)
"""What lies outside, both ends included as possible, is a fault of the sensor (0 and 255: not worn)."""

Body = HeartRate | BloodPressure | SpO2 | BodyTemp
Witness = Fix | Steps | Worn
Value = tuple[datetime, str, float]
"""When it was measured, which quantity, and its value."""

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

BODIES = frozenset(QUANTITIES)
WITNESSES = frozenset({Fix, Steps, Worn})


Measurements = tuple[list[Body], list[Witness], list[Value]]
"""A frame's readings of a body, whatever they say; those that tell whether to trust them
(a fix only when it moves); and the plausible values, oldest first, of a blood pressure the systolic one."""


Still = tuple[object, float, float, datetime, datetime]
"""Of one quantity: what the state keeps of it, the lowest and the highest value, since when and until when.

While the state keeps this very object, a value between them, measured between these times, is no news."""


class _Last:
    """The last frame that was read: five rules ask for the same one, one after the other."""

    read: tuple[Envelope | None, Measurements] = (None, ([], [], []))


def measurements(event: Envelope) -> Measurements:
    """Give what a frame measured."""
    envelope, found = _Last.read
    if envelope is not event:
        found = _read(event)
        _Last.read = (event, found)
    return found


def _read(event: Envelope) -> Measurements:
    heard_at = event.received_at
    bodies: list[Body] = []
    witnesses: list[Witness] = []
    values: list[Value] = []
    for reading in event.uplink.readings:
        kind = type(reading)
        if (known := QUANTITIES.get(kind)) is not None:
            bodies.append(reading)  # type: ignore[arg-type]  # its type was asked
            name, value_of, (least, most) = known
            value = value_of(reading)
            if least <= value <= most:
                at = reading.at
                values.append((heard_at if at is heard_at else happened_at(at, heard_at), name, value))
        elif kind is Fix:
            speed = reading.speed_m_s  # type: ignore[union-attr]  # the same
            if speed is not None and speed >= MOVING_M_S[0]:
                witnesses.append(reading)  # type: ignore[arg-type]  # the same
        elif kind is Steps or kind is Worn:
            witnesses.append(reading)  # type: ignore[arg-type]  # the same
    if len(values) > 1:
        values.sort()
    return bodies, witnesses, values


def plausible(value: float, bounds: tuple[float, float]) -> bool:
    """Whether a sensor can have measured this; never for what is no number."""
    return bounds[0] <= value <= bounds[1]


def news(values: Sequence[Value], still: Mapping[str, Still], kept: Mapping[str, Any]) -> list[Value]:
    """Give the values that may change something of what is `kept` of each quantity."""
    found = []
    for one in values:
        when, name, value = one
        known = still.get(name)
        if (
            known is None
            or known[0] is not kept.get(name)
            or not known[1] <= value <= known[2]
            or not known[3] <= when < known[4]
        ):
            found.append(one)
    return found


def witnessed(quality: Quality, witnesses: Sequence[Witness], heard_at: datetime) -> Quality:
    """Give the quality after what a frame says of it."""
    for reading in witnesses:
        quality = witness(quality, reading, heard_at)
    return quality


def trusted(values: list[Value], quality: Quality, heard_at: datetime, max_age: timedelta) -> list[Value]:
    """Give those of the values, oldest first, that are fresh and in no doubt."""
    if not values:
        return values
    oldest = values[0][0]
    if heard_at - oldest <= max_age and clear_from(quality, oldest):
        return values
    return [one for one in values if heard_at - one[0] <= max_age and not doubtful(quality, one[0])]


def to_judge(
    event: Envelope,
    quality: Quality,
    *,
    kept: Mapping[str, Any] | None,
    still: Mapping[str, Still],
    max_age: timedelta,
) -> tuple[Quality, list[Value]]:
    """Give the quality after a frame, and the values in it to be judged, oldest first.

    `kept` and `still` leave out what changes nothing (`news`); `kept` None: nothing is left out.
    """
    _, witnesses, values = measurements(event)
    if kept is not None:
        values = news(values, still, kept)
    if witnesses:
        quality = witnessed(quality, witnesses, event.received_at)
    return quality, trusted(values, quality, event.received_at, max_age)
