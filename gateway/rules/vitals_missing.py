"""Notices that a band is heard and worn, but measures no more: distinct from the silence rule.

How often measurements usually come is configured, or learned: the longest usual gap, halved every week.
A frame without measurements is the clock, so a silent band, or a gateway that was down, raises nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from gateway.effects import Effect, RaiseAlarm
from gateway.model import Alarm, Envelope, WearerView, Why, Worn
from gateway.rules.base import RuleEvent, TimerDue
from gateway.rules.measurements import measurements
from gateway.rules.moment import milliseconds

MARK_S = 600.0
"""The time of the last measurement is stored so often, or every tenth of what was configured."""
LEARNED_MARKS = 24
"""Before so many stored times nothing is known of what is usual."""
LONGEST_GAP_S = 12 * 3600.0
"""A longer gap is no habit."""
HALF_LIFE_S = 7 * 86_400.0
LEAST_WAIT_S = 3600.0
CONFIRMED = timedelta(seconds=600)
"""The band must have been heard so long without measuring: it may only just be back."""


class VitalsMissingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.vitals_missing].

    expect_every_s: measurements come this often, three times that without one is noticed; 0: learned.
    """

    expect_every_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 0.0


class VitalsMissingState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`measured_at`: the last measurement, to a tenth of the wait; `marks`: how many times were stored.

    `usual_s`: the longest usual gap; `overdue_at`: the first frame that came too late without one;
    `off`: the band is not worn; `raised`: noticed already.
    """

    measured_at: datetime | None = None
    marks: int = 0
    usual_s: float = 0.0
    overdue_at: datetime | None = None
    off: bool = False
    raised: bool = False


class VitalsMissingRule:
    """Watches that the measurements of one wearer keep coming."""

    name: ClassVar[str] = "vitals_missing"
    Settings: ClassVar[type[VitalsMissingSettings]] = VitalsMissingSettings
    State: ClassVar[type[VitalsMissingState]] = VitalsMissingState
    hears: frozenset[type] | None = None

    def __init__(self, wearer: WearerView, settings: VitalsMissingSettings) -> None:
        self._wearer = wearer.wearer
        self._expected_s = 3 * settings.expect_every_s
        mark_s = min(MARK_S, self._expected_s / 10) if self._expected_s else MARK_S
        self._mark = timedelta(seconds=mark_s)

    def initial(self) -> VitalsMissingState:
        """Give the state of a wearer who was never measured: nobody is waited for yet."""
        return VitalsMissingState()

    def step(
        self, state: VitalsMissingState, event: RuleEvent, now: datetime
    ) -> tuple[VitalsMissingState, tuple[Effect, ...]]:
        """Take in a measurement, or ask at any other live frame whether one is long overdue."""
        del now  # the frame carries its own time, so that a replay gives the same
        if isinstance(event, TimerDue) or event.uplink.backlog or event.replayed:
            return state, ()
        bodies, witnesses, _ = measurements(event)
        if bodies:
            return self._measured(state, event.received_at), ()
        worn: bool | None = None
        for sign in witnesses:
            if isinstance(sign, Worn):
                worn = sign.worn
        return self._asked(state, event, worn=worn)

    def _measured(self, state: VitalsMissingState, at: datetime) -> VitalsMissingState:
        last = state.measured_at
        if last is None or at < last:  # below, our own clock was set back
            return VitalsMissingState(measured_at=at, marks=max(state.marks, 1), usual_s=state.usual_s)
        gap = at - last
        if gap < self._mark and not state.off and not state.raised and state.overdue_at is None:
            return state
        gap_s = min(gap.total_seconds(), LONGEST_GAP_S)
        faded_s = round(state.usual_s * 0.5 ** (gap_s / HALF_LIFE_S), 1)
        return VitalsMissingState(
            measured_at=at,
            marks=min(state.marks + 1, LEARNED_MARKS),
            usual_s=faded_s if state.off else max(gap_s, faded_s),
        )

    def _asked(
        self, state: VitalsMissingState, event: Envelope, *, worn: bool | None
    ) -> tuple[VitalsMissingState, tuple[Effect, ...]]:
        at, last = event.received_at, state.measured_at
        if last is None:
            return state, ()
        if worn is False or state.off:
            return self._not_worn(state, at, worn=worn), ()
        wait_s = self._wait_s(state)
        if state.raised or wait_s is None or (at - last).total_seconds() <= wait_s:
            return state, ()
        if state.overdue_at is None or at < state.overdue_at:
            return replace(state, overdue_at=at), ()
        if at - state.overdue_at < CONFIRMED:
            return state, ()
        missing_s = (at - last).total_seconds()
        alarm = Alarm(
            alarm_id=f"vitals_missing.{self._wearer}.{milliseconds(last)}",
            wearer=self._wearer,
            kind="vitals",
            severity="notice",
            why=Why(code="vitals_missing", value=missing_s, limit=wait_s, unit="s", since=last),
            at=at,
        )
        return replace(state, raised=True), (RaiseAlarm(alarm=alarm),)

    def _not_worn(self, state: VitalsMissingState, at: datetime, *, worn: bool | None) -> VitalsMissingState:
        """Give the state while the band lies somewhere; put on again, the wait begins anew."""
        if worn:
            return replace(state, off=False, measured_at=at, overdue_at=None)
        return state if state.off else replace(state, off=True, overdue_at=None)

    def _wait_s(self, state: VitalsMissingState) -> float | None:
        """How long without a measurement is too long; None while nothing is known."""
        if self._expected_s:
            return self._expected_s + self._mark.total_seconds()
        if state.marks < LEARNED_MARKS:
            return None
        return max(LEAST_WAIT_S, 1.5 * state.usual_s) + MARK_S


RULE = VitalsMissingRule
