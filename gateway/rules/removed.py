"""Warns when a band has been off the wrist for long and is not being charged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from gateway.effects import ClearTimer, Effect, RaiseAlarm, SetTimer
from gateway.model import Alarm, Battery, BloodPressure, HeartRate, SpO2, WearerView, Why, Worn
from gateway.rules.base import NOTHING, RuleEvent, TimerDue
from gateway.rules.moment import happened_at, milliseconds

TIMER = "off_wrist"
TIMER_SLACK = timedelta(seconds=1)
GRACE = timedelta(seconds=120)
"""A timer answered this late says that the gateway itself was down: the band may be worn again by now."""
SECOND_LOOK = timedelta(seconds=600)
SETTLED = timedelta(seconds=60)
"""A body measured this long after the band came off says that it is worn: some bands say only "off"."""
BODY: frozenset[type] = frozenset({HeartRate, BloodPressure, SpO2})
HEARD: frozenset[type] = frozenset({Worn, Battery, *BODY})
MOST_PCT = 100.0


class RemovedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.removed].

    off_wrist_after_s: not worn for this long raises; 0: never.
    charging_s: so long while its charge rises.
    max_event_age_s: older readings fill the history only.
    """

    off_wrist_after_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 7200.0
    charging_s: Annotated[float, msgspec.Meta(ge=0, le=604_800)] = 14_400.0
    max_event_age_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0


class RemovedState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`off_at`: since when no band is worn; `due_at`: the timer, None once raised.

    `charge_pct` is the least charge seen since then, `charging` whether it rose.
    """

    off_at: datetime | None = None
    due_at: datetime | None = None
    charge_pct: float | None = None
    charging: bool = False


class RemovedRule:
    """Watches that one wearer wears a band."""

    name: ClassVar[str] = "removed"
    Settings: ClassVar[type[RemovedSettings]] = RemovedSettings
    State: ClassVar[type[RemovedState]] = RemovedState
    hears: frozenset[type] | None = HEARD

    def __init__(self, wearer: WearerView, settings: RemovedSettings) -> None:
        self._wearer = wearer.wearer
        self._after = timedelta(seconds=settings.off_wrist_after_s)
        self._charging = max(self._after, timedelta(seconds=settings.charging_s))
        self._max_age = timedelta(seconds=settings.max_event_age_s)
        if not self._after:
            self.hears = NOTHING

    def initial(self) -> RemovedState:
        """Give the state of a wearer who wears the band, or of whom nothing is known."""
        return RemovedState()

    def step(
        self, state: RemovedState, event: RuleEvent, now: datetime
    ) -> tuple[RemovedState, tuple[Effect, ...]]:
        """Take in what says that the band is on or off, and whether it is charged meanwhile."""
        if isinstance(event, TimerDue):
            return self._on_timer(state, event, now)
        if event.uplink.backlog or event.replayed or not self._after:
            return state, ()
        before, heard_at = state, event.received_at
        for reading in event.uplink.readings:
            kind = type(reading)
            if kind is not Worn and (state.off_at is None or (kind is not Battery and kind not in BODY)):
                continue
            at = happened_at(reading.at, heard_at)
            if heard_at - at <= self._max_age:
                state = self._taken(state, reading, at)  # type: ignore[arg-type]
        if state.off_at == before.off_at:
            return state, ()
        if state.off_at is None:
            return state, (ClearTimer(name=TIMER),)
        due_at = max(heard_at, state.off_at + self._after)
        return replace(state, due_at=due_at), (SetTimer(name=TIMER, due_at=due_at),)

    def _taken(
        self,
        state: RemovedState,
        reading: Worn | Battery | HeartRate | BloodPressure | SpO2,
        at: datetime,
    ) -> RemovedState:
        off_at = state.off_at
        if isinstance(reading, Worn) and not reading.worn:
            set_back = off_at is not None and off_at - at > self._charging
            return RemovedState(off_at=at) if off_at is None or set_back else state
        if off_at is None:
            return state
        if isinstance(reading, Battery):
            charge, least = reading.battery_pct, state.charge_pct
            if not 0.0 <= charge <= MOST_PCT:
                return state
            if least is None or charge < least:
                return replace(state, charge_pct=charge)
            return replace(state, charging=True) if charge > least and not state.charging else state
        on = at >= off_at if isinstance(reading, Worn) else at - off_at > SETTLED
        return RemovedState() if on else state

    def adopt(self, state: RemovedState, now: datetime) -> tuple[RemovedState, tuple[Effect, ...]]:
        """Move the timer of another time off the wrist; what is overdue by now gets a second look first."""
        if state.off_at is None or state.due_at is None:
            return state, ()
        if not self._after:
            return RemovedState(), (ClearTimer(name=TIMER),)
        most = state.off_at + (self._charging if state.charging else self._after)
        due_at = max(state.due_at, state.off_at + self._after)
        due_at = min(due_at, max(most, now + SECOND_LOOK))
        if abs(due_at - state.due_at) <= TIMER_SLACK:
            return state, ()
        return replace(state, due_at=due_at), (SetTimer(name=TIMER, due_at=due_at),)

    def _on_timer(
        self, state: RemovedState, event: TimerDue, now: datetime
    ) -> tuple[RemovedState, tuple[Effect, ...]]:
        off_at, due_at = state.off_at, state.due_at
        if event.name != TIMER or off_at is None or due_at is None or event.due_at < due_at - TIMER_SLACK:
            return state, ()
        later: datetime | None = None
        if now - event.due_at > GRACE:
            later = now + SECOND_LOOK
        elif state.charging and event.due_at < off_at + self._charging:
            later = off_at + self._charging
        if later is not None:
            return replace(state, due_at=later), (SetTimer(name=TIMER, due_at=later),)
        alarm = Alarm(
            alarm_id=f"removed.{self._wearer}.{milliseconds(off_at)}",
            wearer=self._wearer,
            kind="removed",
            severity="warning",
            why=Why(
                code="off_wrist",
                value=(event.due_at - off_at).total_seconds(),
                limit=self._after.total_seconds(),
                unit="s",
                since=off_at,
            ),
            at=event.due_at,
        )
        return replace(state, due_at=None), (RaiseAlarm(alarm=alarm),)


RULE = RemovedRule
