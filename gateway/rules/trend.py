"""Notices a vital sign that changes fast: a rise or a fall within minutes, on readings of good quality.

A value is held against the middle of the samples of the last minutes, so one bad reading moves nothing,
and it must be repeated. It is a notice: whatever goes beyond a limit is the rule `vitals`' to raise.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from gateway.effects import Effect
from gateway.model import WearerView
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.measurements import BODIES, WITNESSES, Still, to_judge
from gateway.rules.moment import milliseconds
from gateway.rules.quality import SET_BACK, Quality
from gateway.rules.vitals_runs import NEVER, Limit, Run, held, raising

SAMPLES = 6
"""So many are kept of each quantity, evenly over the time within which a change is fast."""
LEAST_SAMPLES = 3
REPEATED = timedelta(seconds=30)
SET_BACK_MS = SET_BACK.total_seconds() * 1000
Samples = tuple[tuple[int, float], ...]

Change = Annotated[float, msgspec.Meta(ge=0, le=200)]


class TrendSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.trend]; a change of 0 is off.

    within_s: a change is fast when it happens within this.
    heart_rate_bpm, systolic_mmhg: a rise or a fall by this much; spo2_pct: a fall by this much.
    cooldown_s: the same change is noticed again at the earliest after this.
    max_event_age_s: older readings fill the history only.
    """

    within_s: Annotated[float, msgspec.Meta(ge=60, le=7200)] = 600.0
    heart_rate_bpm: Change = 40.0
    systolic_mmhg: Change = 40.0
    spo2_pct: Change = 6.0
    cooldown_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 3600.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0


class TrendState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last samples of each quantity as (milliseconds since 1970, value), and the changes under way."""

    samples: dict[str, tuple[tuple[int, float], ...]] = {}
    runs: dict[str, Run] = {}
    quality: Quality = Quality()


class TrendRule:
    """Watches how fast the heart rate, blood pressure and oxygen of one wearer change."""

    name: ClassVar[str] = "trend"
    Settings: ClassVar[type[TrendSettings]] = TrendSettings
    State: ClassVar[type[TrendState]] = TrendState
    hears: frozenset[type] | None = BODIES | WITNESSES

    def __init__(self, wearer: WearerView, settings: TrendSettings) -> None:
        self._wearer = wearer.wearer
        self._within_ms = settings.within_s * 1000
        self._gap = timedelta(seconds=settings.within_s)
        self._cooldown = timedelta(seconds=settings.cooldown_s)
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        changes = {
            "heart_rate": (settings.heart_rate_bpm, (1, -1), "bpm"),
            "systolic": (settings.systolic_mmhg, (1, -1), "mmHg"),
            "spo2": (settings.spo2_pct, (-1,), "%"),
        }
        self._changes = {name: change for name, change in changes.items() if change[0]}
        self._apart_ms = self._within_ms / SAMPLES
        self._apart = timedelta(milliseconds=self._apart_ms - 2)  # times are kept in whole milliseconds
        self._still: dict[str, Still] = {}

    def initial(self) -> TrendState:
        """Give the state of a wearer never measured."""
        return TrendState()

    def step(
        self, state: TrendState, event: RuleEvent, now: datetime
    ) -> tuple[TrendState, tuple[Effect, ...]]:
        """Hold each good reading against the last minutes, and keep a sample now and then."""
        del now  # the frame carries its own time, so that a replay gives the same
        if isinstance(event, TimerDue) or event.uplink.backlog:
            return state, ()
        kept = None if state.runs else state.samples
        quality, values = to_judge(event, state.quality, kept=kept, still=self._still, max_age=self._max_age)
        if quality is not state.quality:
            state = replace(state, quality=quality)
        if not values:
            return state, ()
        effects: list[Effect] = []
        for when, name, value in values:
            state = self._judge(state, name, value, when, event.received_at, effects)
        return state, tuple(effects)

    def _judge(
        self,
        state: TrendState,
        name: str,
        value: float,
        when: datetime,
        heard_at: datetime,
        effects: list[Effect],
    ) -> TrendState:
        if name not in self._changes:
            return state
        when_ms = milliseconds(when)
        samples = state.samples.get(name, ())
        if samples and samples[-1][0] > when_ms:
            if samples[-1][0] - milliseconds(heard_at) <= SET_BACK_MS:
                return state  # older than what is known by now: history, and heard before if it is a copy
            samples = ()
        change = self._changes[name][0]
        known = self._still.get(name)
        steady = known is not None and known[0] is samples and known[1] <= value <= known[2]
        if state.runs or not steady:
            state = self._held(state, name, value, when, heard_at, effects, samples)
        if samples and when_ms - samples[-1][0] < self._apart_ms:
            return state
        kept = (*samples, (when_ms, value))[-SAMPLES:]
        values = [old for _, old in kept]
        self._still[name] = (kept, max(values) - change, min(values) + change, when, when + self._apart)
        return replace(state, samples={**state.samples, name: kept})

    def _held(
        self,
        state: TrendState,
        name: str,
        value: float,
        when: datetime,
        heard_at: datetime,
        effects: list[Effect],
        samples: Samples,
    ) -> TrendState:
        """Hold a value against the median of the samples of the last minutes."""
        change, signs, unit = self._changes[name]
        when_ms = milliseconds(when)
        near = sorted(old for at_ms, old in samples if 0 < when_ms - at_ms <= self._within_ms)
        if len(near) < LEAST_SAMPLES:
            return state
        usual = near[len(near) // 2]
        for sign in signs:
            limit = self._limit(name, sign, usual + sign * change, unit)
            runs, raised = held(state.runs, limit, value, when, heard_at, self._cooldown)
            state = state if runs is state.runs else replace(state, runs=runs)
            if raised is not None:
                effects.append(raising(self.name, self._wearer, limit, raised, value, when))
        return state

    def _limit(self, name: str, sign: int, limit: float, unit: str) -> Limit:
        return Limit(
            code=f"{name}_rise" if sign > 0 else f"{name}_fall",
            sign=sign,
            limit=limit,
            hysteresis=0.0,
            unit=unit,
            needed=NEVER,
            sustained=REPEATED,
            gap=self._gap,
            jump=float("inf"),
            severity="notice",
        )


RULE = TrendRule
