"""What a body was measured to be, as a chart shows it: by quantity, live and plausible only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.backtest.stage import Suspended
from gateway.model import Battery, BloodPressure, BodyTemp, Envelope, HeartRate, Reading, SpO2
from gateway.rules.measurements import (
    PLAUSIBLE_BODY_TEMP_C,
    PLAUSIBLE_BPM,
    PLAUSIBLE_DIASTOLIC_MMHG,
    PLAUSIBLE_SPO2_PCT,
    PLAUSIBLE_SYSTOLIC_MMHG,
    plausible,
)
from gateway.rules.moment import happened_at

BOUNDS = {
    "heart_rate": PLAUSIBLE_BPM,
    "systolic": PLAUSIBLE_SYSTOLIC_MMHG,
    "diastolic": PLAUSIBLE_DIASTOLIC_MMHG,
    "spo2": PLAUSIBLE_SPO2_PCT,
    "body_temp": PLAUSIBLE_BODY_TEMP_C,
    "battery": (0.0, 100.0),
}
QUANTITIES = tuple(BOUNDS)
"""Everything that is charted, in the order of the charts."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of one quantity, in its usual unit."""

    at: datetime
    value: float


def measured(heard: Iterable[Envelope | Suspended], *, since: datetime) -> dict[str, tuple[Measured, ...]]:
    """Give the values of every quantity measured from `since` on, oldest first."""
    found: dict[str, list[Measured]] = {name: [] for name in QUANTITIES}
    for envelope in heard:
        if isinstance(envelope, Suspended) or envelope.uplink.backlog:
            continue
        for reading in envelope.uplink.readings:
            for name, value in _values(reading):
                at = happened_at(reading.at, envelope.received_at)
                if at >= since and plausible(value, BOUNDS[name]):
                    found[name].append(Measured(at, value))
    return {name: tuple(sorted(values, key=lambda one: one.at)) for name, values in found.items()}


def quantity_of(code: str) -> str:
    """Give the quantity an alarm's code is about; empty for one about none."""
    return next((name for name in QUANTITIES if code.startswith(name)), "")


def _values(reading: Reading) -> tuple[tuple[str, float], ...]:
    match reading:
        case HeartRate(heart_rate_bpm=value):
            return (("heart_rate", value),)
        case BloodPressure(systolic_mmhg=upper, diastolic_mmhg=lower):
            return ("systolic", upper), ("diastolic", lower)
        case SpO2(spo2_pct=value):
            return (("spo2", value),)
        case BodyTemp(body_temp_c=value):
            return (("body_temp", value),)
        case Battery(battery_pct=value):
            return (("battery", value),)
        case _:
            return ()
