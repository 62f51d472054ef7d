"""Readings from the numbers a text band sends, and the numbers with which it says "no reading". Pure.

What no body can have is a ValueError with a constant reason, never a reading.
"""

from __future__ import annotations

from datetime import datetime

from gateway.model import Battery, BloodPressure, BodyTemp, HeartRate, Reading, SpO2, Steps, Worn

NO_HEART_RATE = (0.0, 255.0)
MAX_NUMBER = 1e9
"""Also keeps out nan and the infinities."""


def number(field: bytes) -> float | None:
    """A plain decimal number, None for anything else."""
    if b"_" in field:  # Python's own way to write 1_000
        return None
    try:
        value = float(field)
    except ValueError:
        return None
    return value if abs(value) < MAX_NUMBER else None


def pulse(bpm: float | None) -> list[Reading]:
    """Beats a minute; 0 and 255 mean that the band is not on a wrist."""
    if bpm is None:
        return []
    if bpm in NO_HEART_RATE:
        return [Worn(worn=False)]
    return [HeartRate(heart_rate_bpm=_in_range(bpm, 300))]


def pressure(systolic: float | None, diastolic: float | None, bpm: float | None = None) -> list[Reading]:
    """Pressure in mmHg and the heart rate beside it; nothing measured at all means not on a wrist."""
    beats = pulse(bpm)
    if systolic and diastolic:
        if diastolic > systolic:
            raise ValueError("value impossible")
        measured = BloodPressure(
            systolic_mmhg=_in_range(systolic, 400), diastolic_mmhg=_in_range(diastolic, 300)
        )
        return [measured, *(reading for reading in beats if isinstance(reading, HeartRate))]
    return beats or ([Worn(worn=False)] if systolic == diastolic == 0 else [])


def oxygen(percent: float | None) -> list[Reading]:
    """Oxygen in per cent; 0 is no reading."""
    return [SpO2(spo2_pct=_in_range(percent, 100))] if percent else []


def temperature(celsius: float | None) -> list[Reading]:
    """Degrees Celsius; 0 and below is no reading."""
    return [BodyTemp(body_temp_c=_in_range(celsius, 60))] if celsius and celsius > 0 else []


def battery(field: bytes, at: datetime | None = None) -> list[Reading]:
    """Per cent in one to three digits; anything else is no reading."""
    if field.isdigit() and len(field) <= 3 and int(field) <= 100:  # noqa: PLR2004 - per cent
        return [Battery(battery_pct=float(field), at=at)]
    return []


def steps(field: bytes, at: datetime | None = None) -> list[Reading]:
    """Steps since midnight; nobody walks ten million in a day, so seven digits are the most."""
    if field.isdigit() and len(field) <= 7:  # noqa: PLR2004 - see above
        return [Steps(steps=int(field), at=at)]
    return []


def _in_range(value: float, high: float) -> float:
    if not 0 <= value <= high:
        raise ValueError("value impossible")
    return value
