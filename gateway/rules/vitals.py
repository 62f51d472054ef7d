"""Raises when heart rate or blood pressure stays beyond a wearer's limits.

A limit raises once its readings were beyond it `sustained_readings` times in a row, or for `sustained_s`.
It raises again only after a reading came back by the hysteresis (or the band was taken off)
and the cooldown is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec

from gateway.effects import Effect, RaiseAlarm
from gateway.model import Alarm, BloodPressure, HeartRate, WearerView, Why, Worn
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.moment import happened_at, milliseconds

PLAUSIBLE_BPM = (20.0, 250.0)
PLAUSIBLE_SYSTOLIC_MMHG = (50.0, 280.0)
PLAUSIBLE_DIASTOLIC_MMHG = (20.0, 180.0)
"""What lies outside, both ends included as possible, is a fault of the sensor (0 and 255: not worn)."""

Bpm = Annotated[float, msgspec.Meta(ge=20, le=250)]
Mmhg = Annotated[float, msgspec.Meta(ge=20, le=280)]


class VitalsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.vitals]; the defaults are no medical advice, a doctor sets them for each wearer.

    *_low_*, *_high_*: a reading below, or above, is beyond the limit.
    sustained_readings: so many in a row raise; sustained_s: or at least two, so many seconds apart.
    max_gap_s: readings farther apart than this are not "in a row".
    *_hysteresis_*: back by this much before the limit can raise again.
    cooldown_s: and not sooner than this after the last time.
    max_event_age_s: older readings fill the history only.
    """

    heart_rate_low_bpm: Bpm = 45.0
    heart_rate_high_bpm: Bpm = 125.0
    systolic_low_mmhg: Mmhg = 90.0
    systolic_high_mmhg: Mmhg = 160.0
    diastolic_low_mmhg: Mmhg = 50.0
    diastolic_high_mmhg: Mmhg = 100.0
    sustained_readings: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    sustained_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 120.0
    max_gap_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 3600.0
    heart_rate_hysteresis_bpm: Annotated[float, msgspec.Meta(ge=0, le=100)] = 5.0
    pressure_hysteresis_mmhg: Annotated[float, msgspec.Meta(ge=0, le=100)] = 5.0
    cooldown_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 1800.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0

    def __post_init__(self) -> None:
        for low, high in (
            ("heart_rate_low_bpm", "heart_rate_high_bpm"),
            ("systolic_low_mmhg", "systolic_high_mmhg"),
            ("diastolic_low_mmhg", "diastolic_high_mmhg"),
        ):
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(f"{low} must be below {high} ({getattr(self, high):g})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of one quantity: `sign` +1 for an upper one, -1 for a lower one."""

    code: str
    sign: int
    limit: float
    hysteresis: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is remembered of one limit while it is not simply fine.

    `count` readings beyond it since `since`, the last at `last_at`;
    `armed` is false from raising until the value came back; `raised_at` starts the cooldown.
    """

    count: int = 0
    since: datetime | None = None
    last_at: datetime | None = None
    raised_at: datetime | None = None
    armed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalsState:
    """The runs by the code of their limit; empty for a wearer who is well."""

    runs: dict[str, Run] = field(default_factory=dict)


FRESH = Run()
SET_BACK = timedelta(hours=1)
"""A last reading so far in the future was heard under a clock of ours that was wrong."""


class VitalsRule:
    """Watches the heart rate and blood pressure of one wearer."""

    name: ClassVar[str] = "vitals"
    Settings: ClassVar[type[VitalsSettings]] = VitalsSettings
    State: ClassVar[type[VitalsState]] = VitalsState

    def __init__(self, wearer: WearerView, settings: VitalsSettings) -> None:
        self._wearer = wearer.wearer
        self._needed = settings.sustained_readings
        self._sustained = timedelta(seconds=settings.sustained_s)
        self._max_gap = timedelta(seconds=settings.max_gap_s)
        self._cooldown = timedelta(seconds=settings.cooldown_s)
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        rate, pressure = settings.heart_rate_hysteresis_bpm, settings.pressure_hysteresis_mmhg
        self._rate = _limits(
            "heart_rate", settings.heart_rate_low_bpm, settings.heart_rate_high_bpm, rate, "bpm"
        )
        self._systolic = _limits(
            "systolic", settings.systolic_low_mmhg, settings.systolic_high_mmhg, pressure, "mmHg"
        )
        self._diastolic = _limits(
            "diastolic", settings.diastolic_low_mmhg, settings.diastolic_high_mmhg, pressure, "mmHg"
        )

    def initial(self) -> VitalsState:
        """Give the state of a wearer of whom nothing is known."""
        return VitalsState()

    def step(
        self, state: VitalsState, event: RuleEvent, now: datetime
    ) -> tuple[VitalsState, tuple[Effect, ...]]:
        """Judge a frame's heart rates and blood pressures; an implausible one is as if it never came."""
        del now  # the frame carries its own time, so that a replay gives the same
        if isinstance(event, TimerDue) or event.uplink.backlog:
            return state, ()
        effects: list[Effect] = []
        heard_at = event.received_at
        for reading in event.uplink.readings:
            kind = type(reading)
            if kind is HeartRate:
                assert isinstance(reading, HeartRate)
                bpm = reading.heart_rate_bpm
                if _between(bpm, PLAUSIBLE_BPM):
                    state = self._judge(state, self._rate, bpm, reading.at, heard_at, effects)
            elif kind is BloodPressure:
                assert isinstance(reading, BloodPressure)
                upper, lower = reading.systolic_mmhg, reading.diastolic_mmhg
                if (
                    lower < upper
                    and _between(upper, PLAUSIBLE_SYSTOLIC_MMHG)
                    and _between(lower, PLAUSIBLE_DIASTOLIC_MMHG)
                ):
                    state = self._judge(state, self._systolic, upper, reading.at, heard_at, effects)
                    state = self._judge(state, self._diastolic, lower, reading.at, heard_at, effects)
            elif kind is Worn and state.runs:
                assert isinstance(reading, Worn)
                at = happened_at(reading.at, heard_at)
                if not reading.worn and heard_at - at <= self._max_age:
                    state = _taken_off(state, at)
        return state, tuple(effects)

    def _judge(
        self,
        state: VitalsState,
        pair: tuple[Limit, Limit],
        value: float,
        at: datetime | None,
        heard_at: datetime,
        effects: list[Effect],
    ) -> VitalsState:
        """Hold one value against its lower and its upper limit."""
        low, high = pair
        if not state.runs and low.limit <= value <= high.limit:
            return state
        when = happened_at(at, heard_at)
        if heard_at - when > self._max_age:
            return state
        for limit in pair:
            old = state.runs.get(limit.code, FRESH)
            if old.last_at is not None and old.last_at - heard_at > SET_BACK:
                old = FRESH
            if old.last_at is not None and when <= old.last_at:
                continue
            new = self._count(old, limit, value, when)
            if new is None:
                if limit.code in state.runs:
                    state = VitalsState(
                        runs={code: run for code, run in state.runs.items() if code != limit.code}
                    )
                continue
            if new == old:
                continue
            state = VitalsState(runs={**state.runs, limit.code: new})
            if new.raised_at == when:
                effects.append(RaiseAlarm(alarm=self._alarm(limit, value, new, when)))
        return state

    def _count(self, run: Run, limit: Limit, value: float, when: datetime) -> Run | None:
        """Give the run after a plausible value, or None when there is nothing left to remember."""
        beyond = (value - limit.limit) * limit.sign
        cooling = run.raised_at is not None and when - run.raised_at < self._cooldown
        if beyond <= 0:
            armed = run.armed or beyond <= -limit.hysteresis
            if armed and not cooling:
                return None
            if armed == run.armed and not run.count:
                return run
            return Run(raised_at=run.raised_at, armed=armed, last_at=when)
        if not run.armed:
            return run
        broken = run.since is None or (run.last_at is not None and when - run.last_at > self._max_gap)
        since = when if broken or run.since is None else run.since
        count = 1 if broken else min(run.count + 1, self._needed)
        sustained = count >= self._needed or (
            when - since >= self._sustained and (count > 1 or not self._sustained)
        )
        if sustained and not cooling:
            return Run(since=since, last_at=when, raised_at=when, armed=False)
        return replace(run, count=count, since=since, last_at=when)

    def _alarm(self, limit: Limit, value: float, run: Run, when: datetime) -> Alarm:
        began = milliseconds(run.since or when)
        return Alarm(
            alarm_id=f"vitals.{self._wearer}.{limit.code}.{began}",
            wearer=self._wearer,
            kind="vitals",
            severity="warning",
            why=Why(code=limit.code, value=value, limit=limit.limit, unit=limit.unit),
            at=when,
        )


def _limits(stem: str, low: float, high: float, hysteresis: float, unit: str) -> tuple[Limit, Limit]:
    return (
        Limit(code=f"{stem}_low", sign=-1, limit=low, hysteresis=hysteresis, unit=unit),
        Limit(code=f"{stem}_high", sign=1, limit=high, hysteresis=hysteresis, unit=unit),
    )


def _between(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _taken_off(state: VitalsState, at: datetime) -> VitalsState:
    """Begin every run anew; only the cooldowns are remembered."""
    runs = {
        code: Run(raised_at=run.raised_at, last_at=at)
        for code, run in state.runs.items()
        if run.raised_at is not None
    }
    return state if runs == state.runs else VitalsState(runs=runs)


RULE = VitalsRule
