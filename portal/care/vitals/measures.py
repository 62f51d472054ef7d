"""What is measured of a body: names, units, limits, and what counts as a difference worth words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One quantity.

    `kind` and `second` say where the history keeps it; `low` and `high` are the settings of its limits.
    `decimals` are those people read; `differs` is the least difference that is said to be one.
    `possible`: what lies outside is no measurement of a living body (docs/rules.md, "[rules.vitals]").
    """

    key: str
    kind: str
    name: object
    unit: object
    second: bool = False
    low: str = ""
    high: str = ""
    decimals: int = 0
    differs: float = 0.0
    possible: tuple[float, float] = (0.0, float("inf"))

    def figure(self, value: float) -> str:
        """A value as people read it, without its unit."""
        return f"{value:.{self.decimals}f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is drawn in one picture: one kind of the history."""

    kind: str
    name: object
    icon: str
    measures: tuple[Measure, ...]


HEART_RATE = Measure(
    key="heart_rate",
    kind="heart_rate",
    name=lazy_gettext("心率"),
    unit=lazy_gettext("次/分"),
    low="heart_rate_low_bpm",
    high="heart_rate_high_bpm",
    differs=6,
    possible=(20, 250),
)
SYSTOLIC = Measure(
    key="systolic",
    kind="blood_pressure",
    name=lazy_gettext("收缩压（高压）"),
    unit="mmHg",
    low="systolic_low_mmhg",
    high="systolic_high_mmhg",
    differs=6,
    possible=(50, 280),
)
DIASTOLIC = Measure(
    key="diastolic",
    kind="blood_pressure",
    name=lazy_gettext("舒张压（低压）"),
    unit="mmHg",
    second=True,
    low="diastolic_low_mmhg",
    high="diastolic_high_mmhg",
    differs=5,
    possible=(20, 180),
)
SPO2 = Measure(
    key="spo2",
    kind="spo2",
    name=lazy_gettext("血氧"),
    unit="%",
    low="spo2_low_pct",
    differs=2,
    possible=(50, 100),
)
BODY_TEMP = Measure(
    key="body_temp",
    kind="body_temp",
    name=lazy_gettext("体温"),
    unit="℃",
    low="body_temp_low_c",
    high="body_temp_high_c",
    decimals=1,
    differs=0.4,
    possible=(30, 43),
)
STEPS = Measure(key="steps", kind="steps", name=lazy_gettext("步数"), unit=lazy_gettext("步"))

PANELS = (
    Panel(kind="heart_rate", name=lazy_gettext("心率"), icon="heart-pulse", measures=(HEART_RATE,)),
    Panel(kind="blood_pressure", name=lazy_gettext("血压"), icon="activity", measures=(SYSTOLIC, DIASTOLIC)),
    Panel(kind="spo2", name=lazy_gettext("血氧"), icon="droplets", measures=(SPO2,)),
    Panel(kind="body_temp", name=lazy_gettext("体温"), icon="thermometer", measures=(BODY_TEMP,)),
)
"""The pictures of measurements, in their order; steps are counted, not measured, and come after them."""
KINDS = tuple(panel.kind for panel in PANELS)


def possible(kind: str, value: float, second: float | None) -> bool:
    """Whether a reading can be one of a living body; a pressure has its systolic above its diastolic."""
    panel = next(one for one in PANELS if one.kind == kind)
    for measure in panel.measures:
        said = second if measure.second else value
        if said is None or not measure.possible[0] <= said <= measure.possible[1]:
            return False
    return second is None or second < value


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one quantity, None where there is none."""

    low: float | None = None
    high: float | None = None

    def beyond(self, value: float) -> bool:
        """Whether a value lies beyond a limit; the limit itself does not."""
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)


def limits_of(settings: object) -> Mapping[str, Limits]:
    """The limits of every measure, by its key; `settings` are those of `[rules.vitals]` in force."""
    return {
        measure.key: Limits(
            low=_bound(settings, measure, measure.low), high=_bound(settings, measure, measure.high)
        )
        for panel in PANELS
        for measure in panel.measures
    }


def _bound(settings: object, measure: Measure, name: str) -> float | None:
    """A limit; one at the edge of what is possible is none."""
    value = getattr(settings, name, None) if name else None
    if not isinstance(value, int | float) or not measure.possible[0] < value < measure.possible[1]:
        return None
    return float(value)
