"""What could be set otherwise so that an alarm comes less often, and how far that may go; pure.

Nothing here is advice: a value is only told after it was tried over the journal (`gateway.desk.tuning`).
Crisis values, an SOS, a fall and whatever a band itself raises have no knob, and never get one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

HOUR_MIN = 60
DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One key of a rule's settings: values to try, as steps from today's, the smallest change first.

    No value below `least` or above `most` is tried. A key that is an hour of the day is moved by minutes.
    A true alarm that would come more than `latest_s` later is as good as lost;
    where the key itself is a wait, that much longer is what is asked for.
    """

    rule: str
    key: str
    steps: tuple[float, ...]
    unit: tuple[str, str]
    least: float = 0.0
    most: float = 1e9
    latest_s: float = 600.0

    def values(self, today: Any) -> Iterator[Any]:
        """Give the values to try."""
        if isinstance(today, str):
            now = _minutes(today)
            later = (now + int(step) for step in self.steps if now is not None)
            yield from (f"{at // HOUR_MIN:02d}:{at % HOUR_MIN:02d}" for at in later if at < DAY_MIN)
            return
        for step in self.steps:
            value = round(today + step, 2)
            if self.least <= value <= self.most:
                yield value


def _minutes(hour: str) -> int | None:
    return int(hour[:2]) * HOUR_MIN + int(hour[3:]) if hour else None


BPM, MMHG, PERCENT, CELSIUS = ("bpm", "次/分"), ("mmHg", "mmHg"), ("%", "%"), ("°C", "℃")
METRES, SECONDS, HOUR = ("m", "米"), ("s", "秒"), ("", "")

UP, DOWN = (5.0, 10.0, 15.0, 20.0), (-3.0, -5.0, -8.0)
CHANGE_UP = (5.0, 10.0, 15.0, 25.0)


def _vitals(key: str, steps: tuple[float, ...], unit: tuple[str, str], least: float, most: float) -> Knob:
    return Knob(rule="vitals", key=key, steps=steps, unit=unit, least=least, most=most)


def _change(rule: str, key: str, steps: tuple[float, ...], unit: tuple[str, str]) -> Knob:
    return Knob(rule=rule, key=key, steps=steps, unit=unit, most=100.0)


MARGIN = Knob(rule="fence", key="exit_margin_m", steps=(10.0, 20.0, 30.0, 50.0), unit=METRES, most=300.0)
DWELL = Knob(rule="fence", key="dwell_s", steps=(50.0, 170.0, 290.0), unit=SECONDS, most=600.0)
BODY = {
    "heart_rate": ("heart_rate_bpm", CHANGE_UP, BPM),
    "systolic": ("systolic_mmhg", CHANGE_UP, MMHG),
    "spo2": ("spo2_pct", (1.0, 2.0, 3.0), PERCENT),
    "body_temp": ("body_temp_c", (0.2, 0.4, 0.6), CELSIUS),
}

KNOBS: MappingProxyType[str, tuple[Knob, ...]] = MappingProxyType(
    {
        "fence_exit": (MARGIN, DWELL),
        "fence_enter": (DWELL,),
        "heart_rate_high": (_vitals("heart_rate_high_bpm", UP, BPM, 0, 150),),
        "heart_rate_low": (_vitals("heart_rate_low_bpm", DOWN, BPM, 40, 100),),
        "systolic_high": (_vitals("systolic_high_mmhg", UP, MMHG, 0, 180),),
        "systolic_low": (_vitals("systolic_low_mmhg", DOWN, MMHG, 80, 200),),
        "diastolic_high": (_vitals("diastolic_high_mmhg", UP, MMHG, 0, 120),),
        "diastolic_low": (_vitals("diastolic_low_mmhg", DOWN, MMHG, 40, 200),),
        "spo2_low": (_vitals("spo2_low_pct", (-1.0, -2.0, -3.0), PERCENT, 86, 100),),
        "body_temp_high": (_vitals("body_temp_high_c", (0.2, 0.4, 0.6), CELSIUS, 30, 38.6),),
        "body_temp_low": (_vitals("body_temp_low_c", (-0.3, -0.6, -1.0), CELSIUS, 30, 40),),
        **{
            f"{name}_{end}": (_change("trend", *BODY[name]),)
            for name in ("heart_rate", "systolic", "spo2")
            for end in ("rise", "fall")
        },
        **{
            f"{name}_unusual_{end}": (_change("baseline", *BODY[name]),)
            for name in BODY
            for end in ("high", "low")
        },
        "silent": (
            Knob(
                rule="silence",
                key="silent_after_s",
                steps=(600.0, 1800.0, 3600.0, 5400.0),
                unit=SECONDS,
                most=21_600,
                latest_s=3600,
            ),
        ),
        "battery_low": (
            Knob(rule="battery", key="low_pct", steps=(-3.0, -5.0, -8.0), unit=PERCENT, least=5),
        ),
        "off_wrist": (
            Knob(
                rule="removed",
                key="off_wrist_after_s",
                steps=(1800.0, 3600.0, 7200.0, 14_400.0),
                unit=SECONDS,
                most=43_200,
                latest_s=14_400,
            ),
        ),
        "not_up": (Knob(rule="inactivity", key="by", steps=(30, 60, 90, 120), unit=HOUR),),
        "still": (
            Knob(
                rule="inactivity",
                key="still_after_s",
                steps=(1800.0, 3600.0, 7200.0),
                unit=SECONDS,
                most=43_200,
                latest_s=3600,
            ),
        ),
        "vitals_missing": (
            Knob(
                rule="vitals_missing",
                key="expect_every_s",
                steps=(3600.0, 7200.0, 14_400.0, 28_800.0),
                unit=SECONDS,
                most=43_200,
                latest_s=28_800,
            ),
        ),
    }
)
"""By the code of an alarm what could be set otherwise; a code that is not here is never tuned."""
