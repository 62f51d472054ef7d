"""Raises when nothing was heard of a wearer for a while; a durable timer asks the question.

The time of the last frame is written only every tenth of `silent_after_s`,
and the timer waits that tenth longer: the alarm comes `silent_after_s` to 1.1 times that
after the last frame, never sooner.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from gateway.effects import ClearTimer, Effect, RaiseAlarm, SetTimer
from gateway.model import Alarm, WearerView, Why
from gateway.rules.base import FIRST_AWAITED, RuleEvent, TimerDue
from gateway.rules.moment import milliseconds

TIMER = "silent"
TIMER_SLACK = timedelta(seconds=1)
GRACE = timedelta(seconds=120)
"""A timer answered this late says that the gateway itself was down: the wearer gets a whole new wait."""


class SilenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.silence].

    silent_after_s: seconds without any frame, stored ones included, that raise.
    never_heard_after_s: a wearer registered so long without a single frame is noticed once; 0: never.
    """

    silent_after_s: Annotated[float, msgspec.Meta(ge=60, le=2_592_000)] = 1800.0
    never_heard_after_s: Annotated[float, msgspec.Meta(ge=0, le=2_592_000)] = 86_400.0


class SilenceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`heard_at`: the last frame, to a tenth of the wait.

    `due_at`: the timer, None while the silence is raised.
    `waiting_since`: since when a first frame is waited for; `never_told`: that there was none is noticed.
    """

    heard_at: datetime | None = None
    due_at: datetime | None = None
    waiting_since: datetime | None = None
    never_told: bool = False


class SilenceRule:
    """Watches that one wearer's bands are heard at all."""

    name: ClassVar[str] = "silence"
    Settings: ClassVar[type[SilenceSettings]] = SilenceSettings
    State: ClassVar[type[SilenceState]] = SilenceState
    hears: frozenset[type] | None = None
    awaits_first: ClassVar[bool] = True

    def __init__(self, wearer: WearerView, settings: SilenceSettings) -> None:
        self._wearer = wearer.wearer
        self._wait_s = settings.silent_after_s
        self._step = timedelta(seconds=settings.silent_after_s / 10)
        self._wait = timedelta(seconds=settings.silent_after_s) + self._step
        self._never = timedelta(seconds=settings.never_heard_after_s)

    def initial(self) -> SilenceState:
        """Give the state of a wearer never heard of: nobody is waited for yet."""
        return SilenceState()

    def step(
        self, state: SilenceState, event: RuleEvent, now: datetime
    ) -> tuple[SilenceState, tuple[Effect, ...]]:
        """Hear any frame that a band sent now, or ask at the timer whether it was long ago."""
        if isinstance(event, TimerDue):
            return self._on_timer(state, event, now)
        if event.replayed:
            return state, ()
        heard_at = event.received_at
        if state.due_at is not None and state.heard_at is not None:
            apart = heard_at - state.heard_at
            if timedelta(0) <= apart < self._step:  # below 0 our own clock was set back
                return state, ()
        due_at = heard_at + self._wait
        return SilenceState(heard_at=heard_at, due_at=due_at), (SetTimer(name=TIMER, due_at=due_at),)

    def adopt(self, state: SilenceState, now: datetime) -> tuple[SilenceState, tuple[Effect, ...]]:
        """Move the timer of another wait: a longer one lasts as long, a shorter one ends in a whole one.

        So a wait that was begun anew because the gateway itself was down is never cut short.
        """
        if state.due_at is None:
            return state, ()
        if state.heard_at is None:
            if not self._never:
                return SilenceState(), (ClearTimer(name=TIMER),)
            due_at = max((state.waiting_since or now) + self._never, now)
        else:
            due_at = min(max(state.due_at, state.heard_at + self._wait), now + self._wait)
        if abs(due_at - state.due_at) <= TIMER_SLACK or (state.due_at <= now and due_at <= now):
            return state, ()
        return replace(state, due_at=due_at), (SetTimer(name=TIMER, due_at=due_at),)

    def _on_timer(
        self, state: SilenceState, event: TimerDue, now: datetime
    ) -> tuple[SilenceState, tuple[Effect, ...]]:
        heard_at = state.heard_at
        if event.name == FIRST_AWAITED and self._never and state == SilenceState():
            due_at = now + self._never
            return SilenceState(due_at=due_at, waiting_since=now), (SetTimer(name=TIMER, due_at=due_at),)
        if event.name != TIMER or state.due_at is None or event.due_at < state.due_at - TIMER_SLACK:
            return state, ()
        if heard_at is None:
            return self._never_heard(state, event)
        if now - event.due_at > GRACE:
            due_at = now + self._wait
            return SilenceState(heard_at=heard_at, due_at=due_at), (SetTimer(name=TIMER, due_at=due_at),)
        alarm = Alarm(
            alarm_id=f"silence.{self._wearer}.{milliseconds(heard_at)}",
            wearer=self._wearer,
            kind="silence",
            severity="warning",
            why=Why(
                code="silent", value=(event.due_at - heard_at).total_seconds(), limit=self._wait_s, unit="s"
            ),
            at=event.due_at,
        )
        return SilenceState(heard_at=heard_at), (RaiseAlarm(alarm=alarm),)

    def _never_heard(self, state: SilenceState, event: TimerDue) -> tuple[SilenceState, tuple[Effect, ...]]:
        """Notice a wearer of whose bands there never was a frame: a wrong number, or still in its box."""
        since = state.waiting_since or event.due_at - self._never
        alarm = Alarm(
            alarm_id=f"silence.{self._wearer}.never",
            wearer=self._wearer,
            kind="silence",
            severity="notice",
            why=Why(
                code="never_heard",
                value=(event.due_at - since).total_seconds(),
                limit=self._never.total_seconds(),
                unit="s",
                since=since,
            ),
            at=event.due_at,
        )
        return SilenceState(never_told=True), (RaiseAlarm(alarm=alarm),)


RULE = SilenceRule
