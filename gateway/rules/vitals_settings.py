"""[rules.vitals]: the limits of one wearer; where the defaults come from stands in docs/rules.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, NamedTuple

import msgspec

from gateway.rules.measurements import (
    PLAUSIBLE_BODY_TEMP_C,
    PLAUSIBLE_BPM,
    PLAUSIBLE_DIASTOLIC_MMHG,
    PLAUSIBLE_SPO2_PCT,
    PLAUSIBLE_SYSTOLIC_MMHG,
)
from gateway.rules.vitals_runs import NEVER, Limit

Bpm = Annotated[float, msgspec.Meta(ge=20, le=250)]
Mmhg = Annotated[float, msgspec.Meta(ge=20, le=280)]
Celsius = Annotated[float, msgspec.Meta(ge=30, le=43)]

JUMP_BPM, JUMP_MMHG, JUMP_PCT, JUMP_C = 60.0, 60.0, 15.0, 1.5
"""No body changes so much within a minute by itself: such a reading must be repeated before it clears."""
CONFIRMED_AFTER = timedelta(seconds=30)
"""The repeat that confirms a crisis is another measurement, not the next frame of the same one."""


class VitalsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.vitals]; the defaults are no medical advice, a doctor sets them for each wearer.

    *_low_*, *_high_*: a reading below, or above, is beyond the limit.
    sustained_readings: so many in a row raise; sustained_s: or at least two, so many seconds apart.
    max_gap_s: readings farther apart than this are not "in a row".
    *_hysteresis_*: back by this much before the limit can raise again.
    cooldown_s: and not sooner than this after the last time.
    repeated_pressure_s: the same two pressures again within this are one measurement, sent twice.
    crisis: the crisis limits below raise at once and as critical.
    crisis_systolic_mmhg, crisis_diastolic_mmhg: above, confirmed by one repeat within crisis_repeat_s.
    crisis_heart_rate_bpm: below, for crisis_sustained_s.
    max_event_age_s: older readings fill the history only.
    """

    heart_rate_low_bpm: Bpm = 45.0
    heart_rate_high_bpm: Bpm = 125.0
    systolic_low_mmhg: Mmhg = 90.0
    systolic_high_mmhg: Mmhg = 160.0
    diastolic_low_mmhg: Mmhg = 50.0
    diastolic_high_mmhg: Mmhg = 100.0
    spo2_low_pct: Annotated[float, msgspec.Meta(ge=50, le=100)] = 90.0
    body_temp_low_c: Celsius = 30.0
    body_temp_high_c: Celsius = 38.0
    sustained_readings: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    sustained_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 120.0
    max_gap_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 3600.0
    heart_rate_hysteresis_bpm: Annotated[float, msgspec.Meta(ge=0, le=100)] = 5.0
    pressure_hysteresis_mmhg: Annotated[float, msgspec.Meta(ge=0, le=100)] = 5.0
    spo2_hysteresis_pct: Annotated[float, msgspec.Meta(ge=0, le=20)] = 2.0
    body_temp_hysteresis_c: Annotated[float, msgspec.Meta(ge=0, le=3)] = 0.3
    cooldown_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 1800.0
    repeated_pressure_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 240.0
    crisis: bool = True
    crisis_systolic_mmhg: Mmhg = 180.0
    crisis_diastolic_mmhg: Mmhg = 120.0
    crisis_repeat_s: Annotated[float, msgspec.Meta(ge=30, le=3600)] = 300.0
    crisis_heart_rate_bpm: Bpm = 40.0
    crisis_sustained_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0

    def __post_init__(self) -> None:
        for low, high in (
            ("heart_rate_low_bpm", "heart_rate_high_bpm"),
            ("systolic_low_mmhg", "systolic_high_mmhg"),
            ("diastolic_low_mmhg", "diastolic_high_mmhg"),
            ("body_temp_low_c", "body_temp_high_c"),
        ):
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(f"{low} must be below {high} ({getattr(self, high):g})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One measured quantity: from `low` to `high` all is well; outside `bounds` the sensor is at fault."""

    limits: tuple[Limit, ...]
    bounds: tuple[float, float]
    low: float
    high: float


class Quantities(NamedTuple):
    """All of them, in the order of their codes."""

    heart_rate: Quantity
    systolic: Quantity
    diastolic: Quantity
    spo2: Quantity
    body_temp: Quantity


def quantities(settings: VitalsSettings) -> Quantities:
    """Give each quantity with its limits, a crisis before the plain limit it goes beyond."""
    one = settings
    slow = min(one.crisis_heart_rate_bpm, one.heart_rate_low_bpm)
    systolic = max(one.crisis_systolic_mmhg, one.systolic_high_mmhg)
    diastolic = max(one.crisis_diastolic_mmhg, one.diastolic_high_mmhg)
    return Quantities(
        heart_rate=_quantity(
            PLAUSIBLE_BPM,
            *_crisis(one, "heart_rate_crisis_low", -1, slow),
            _plain(one, "heart_rate_low", -1, one.heart_rate_low_bpm),
            _plain(one, "heart_rate_high", 1, one.heart_rate_high_bpm),
        ),
        systolic=_quantity(
            PLAUSIBLE_SYSTOLIC_MMHG,
            *_crisis(one, "systolic_crisis_high", 1, systolic),
            _plain(one, "systolic_low", -1, one.systolic_low_mmhg),
            _plain(one, "systolic_high", 1, one.systolic_high_mmhg),
        ),
        diastolic=_quantity(
            PLAUSIBLE_DIASTOLIC_MMHG,
            *_crisis(one, "diastolic_crisis_high", 1, diastolic),
            _plain(one, "diastolic_low", -1, one.diastolic_low_mmhg),
            _plain(one, "diastolic_high", 1, one.diastolic_high_mmhg),
        ),
        spo2=_quantity(PLAUSIBLE_SPO2_PCT, _plain(one, "spo2_low", -1, one.spo2_low_pct)),
        body_temp=_quantity(
            PLAUSIBLE_BODY_TEMP_C,
            _plain(one, "body_temp_low", -1, one.body_temp_low_c),
            _plain(one, "body_temp_high", 1, one.body_temp_high_c),
        ),
    )


def _quantity(bounds: tuple[float, float], *limits: Limit) -> Quantity:
    low = max((one.limit for one in limits if one.sign < 0), default=bounds[0])
    high = min((one.limit for one in limits if one.sign > 0), default=bounds[1])
    return Quantity(limits=limits, bounds=bounds, low=low, high=high)


def _body(settings: VitalsSettings, code: str) -> tuple[str, float, float]:
    """Give unit, hysteresis and jump of the quantity a code begins with."""
    if code.startswith("heart_rate"):
        return "bpm", settings.heart_rate_hysteresis_bpm, JUMP_BPM
    if code.startswith("spo2"):
        return "%", settings.spo2_hysteresis_pct, JUMP_PCT
    if code.startswith("body_temp"):
        return "°C", settings.body_temp_hysteresis_c, JUMP_C
    return "mmHg", settings.pressure_hysteresis_mmhg, JUMP_MMHG


def _plain(settings: VitalsSettings, code: str, sign: int, limit: float) -> Limit:
    unit, hysteresis, jump = _body(settings, code)
    return Limit(
        code=code,
        sign=sign,
        limit=limit,
        hysteresis=hysteresis,
        unit=unit,
        needed=settings.sustained_readings,
        sustained=timedelta(seconds=settings.sustained_s),
        gap=timedelta(seconds=settings.max_gap_s),
        jump=jump,
    )


def _crisis(settings: VitalsSettings, code: str, sign: int, limit: float) -> tuple[Limit, ...]:
    """Give the crisis limit: a slow heart must last, a pressure must be confirmed once; none when off."""
    if not settings.crisis:
        return ()
    unit, hysteresis, jump = _body(settings, code)
    slow_heart = unit == "bpm"
    return (
        Limit(
            code=code,
            sign=sign,
            limit=limit,
            hysteresis=hysteresis,
            unit=unit,
            needed=NEVER,
            sustained=timedelta(seconds=settings.crisis_sustained_s) if slow_heart else CONFIRMED_AFTER,
            gap=timedelta(seconds=settings.crisis_repeat_s),
            jump=jump,
            severity="critical",
        ),
    )
