"""Warns when somebody who lives alone does not move: not by an hour of the morning, or not for hours by day.

A movement is a rise of the steps, a good fix away from the last place, a press of the button,
or the band put on or off.
The last one is stored at most every ten minutes, so an alarm may come that much later.
A band that is off the wrist or being charged says nothing of its wearer, and neither does a silent one:
for those there are the rules `removed` and `silence`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import cos, hypot, radians
from typing import Annotated, ClassVar

import msgspec
from msgspec.structs import replace

from gateway.effects import ClearTimer, Effect, RaiseAlarm, SetTimer
from gateway.model import (
    Alarm,
    BandAlarm,
    Battery,
    BloodPressure,
    Fix,
    HeartRate,
    Reading,
    SpO2,
    Steps,
    WearerView,
    Why,
    Worn,
)
from gateway.rules.base import NOTHING, RuleEvent, TimerDue
from gateway.rules.moment import milliseconds
from gateway.rules.position import is_position
from sos.shifts import CHINA

BY, STILL = "by", "still"
TIMER_SLACK = timedelta(seconds=1)
GRACE = timedelta(seconds=120)
"""A timer answered this late says that the gateway itself was down: nobody knows whether somebody moved."""
MARK = timedelta(seconds=600)
HEARD = timedelta(seconds=3600)
"""A band not heard for this long is the silence rule's matter."""
MOVED_STEPS = 10
MOVED_M = 100.0
GOOD_M = 30.0
MOST_PCT = 100.0
DEGREE_M = 111_320.0
"""A degree of latitude, near enough for a walk of a hundred metres."""
DAY = timedelta(days=1)
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


class InactivitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules.inactivity]; off until a wearer's own table says when. Hours are those of Asia/Shanghai.

    by: an hour such as "09:30": no movement between day_from and then raises; "": off.
    still_after_s: no movement for so long between day_from and day_to raises; 0: off.
    """

    by: str = ""
    still_after_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    day_from: str = "05:00"
    day_to: str = "21:00"

    def __post_init__(self) -> None:
        for key, clock in (("by", self.by), ("day_from", self.day_from), ("day_to", self.day_to)):
            if _CLOCK.fullmatch(clock) is None and not (key == "by" and not clock):
                raise ValueError(f'{key} must be an hour such as "09:30"')
        if self.day_from >= self.day_to:
            raise ValueError(f"day_from must be before day_to ({self.day_to})")
        if self.by and not self.day_from < self.by <= self.day_to:
            raise ValueError(f"by must lie between day_from and day_to ({self.day_from} to {self.day_to})")


class InactivityState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`active_at`: the last movement, `heard_at`: the last frame, both to ten minutes.

    `lat`, `lon`, `steps`: what the next movement is measured from.
    `by_due`, `still_due`: the timers, set by the hours in `timed`.
    `off`, `charge_pct`, `charging`: whether the band is worn at all.
    """

    active_at: datetime | None = None
    heard_at: datetime | None = None
    lat: float | None = None
    lon: float | None = None
    steps: int | None = None
    by_due: datetime | None = None
    still_due: datetime | None = None
    off: bool = False
    charge_pct: float | None = None
    charging: bool = False
    timed: str = ""


class InactivityRule:
    """Watches that one wearer is up and about."""

    name: ClassVar[str] = "inactivity"
    Settings: ClassVar[type[InactivitySettings]] = InactivitySettings
    State: ClassVar[type[InactivityState]] = InactivityState
    hears: frozenset[type] | None = None

    def __init__(self, wearer: WearerView, settings: InactivitySettings) -> None:
        self._wearer = wearer.wearer
        self._by = _of_day(settings.by) if settings.by else None
        self._still = timedelta(seconds=settings.still_after_s)
        self._from, self._to = _of_day(settings.day_from), _of_day(settings.day_to)
        self._on = self._by is not None or bool(self._still)
        hours = (settings.by, settings.still_after_s, settings.day_from, settings.day_to)
        self._timed = " ".join(map(str, hours)) if self._on else ""
        if not self._on:
            self.hears = NOTHING

    def initial(self) -> InactivityState:
        """Give the state of a wearer never heard of: nobody is waited for yet."""
        return InactivityState()

    def step(
        self, state: InactivityState, event: RuleEvent, now: datetime
    ) -> tuple[InactivityState, tuple[Effect, ...]]:
        """Look for a movement in a live frame, or ask at a timer whether there was one."""
        if not self._on:
            return state, ()
        if isinstance(event, TimerDue):
            return self._on_timer(state, event, now)
        if event.uplink.backlog or event.replayed:
            return state, ()
        at = event.received_at
        moved = False
        new = state
        for reading in event.uplink.readings:
            new, moving = _looked_at(new, reading)
            moved = moved or moving
        old = state.active_at
        if old is None or at < old or (moved and at - old >= MARK):
            new = replace(new, active_at=at, heard_at=at)
        elif new is not state or state.heard_at is None or not timedelta(0) <= at - state.heard_at < MARK:
            new = replace(new, heard_at=at)
        return self._armed(state, new, at)

    def adopt(self, state: InactivityState, now: datetime) -> tuple[InactivityState, tuple[Effect, ...]]:
        """Set the timers anew when they were set by other hours.

        Who has been still for too long by now gets ten more minutes, by day.
        Nobody looks while it is off, so then a wearer counts as seen moving when it is turned on or off.
        """
        if state.timed == self._timed:
            return state, ()
        was_off = not state.timed and state.by_due is None and state.still_due is None
        if not self._on or was_off:
            seen_at = None if state.active_at is None else now
            state = InactivityState(active_at=seen_at, heard_at=state.heard_at)
        still_due = None
        if self._still and state.active_at is not None:
            still_due = self._still_until(state.active_at)
            if still_due <= now:
                still_due = self._still_until(now - self._still)
        by_due = self._by_anew(state, now)
        new = replace(state, by_due=by_due, still_due=still_due, timed=self._timed)
        return new, tuple(
            ClearTimer(name=name) if due_at is None else SetTimer(name=name, due_at=due_at)
            for name, due_at in ((BY, by_due), (STILL, still_due))
        )

    def _by_anew(self, state: InactivityState, now: datetime) -> datetime | None:
        """When to ask by an hour that was another before: soon, where today's question would be skipped."""
        if self._by is None or state.active_at is None:
            return None
        due_at, midnight = _next(self._by, now), _midnight(now) + DAY
        unasked = state.by_due is not None and state.by_due < midnight
        if unasked and due_at >= midnight and now + 3 * MARK < midnight:  # a frame may tell soon
            return now + 3 * MARK
        return due_at

    def _armed(
        self, state: InactivityState, new: InactivityState, at: datetime
    ) -> tuple[InactivityState, tuple[Effect, ...]]:
        """Set the timers that are wanted and not set."""
        effects: list[Effect] = []
        if self._by is not None and (new.by_due is None or new.by_due - at > DAY):
            new = replace(new, by_due=_next(self._by, at))
            if new.by_due != state.by_due and new.by_due is not None:
                effects.append(SetTimer(name=BY, due_at=new.by_due))
        if self._still and new.active_at is not None and new.active_at != state.active_at:
            due_at = self._still_until(new.active_at)
            new = replace(new, still_due=due_at)
            effects.append(SetTimer(name=STILL, due_at=due_at))
        return (state, ()) if new == state else (new, tuple(effects))

    def _still_until(self, active_at: datetime) -> datetime:
        """When somebody last seen moving then has been still for too long, hours of the night left out."""
        wait = self._still + MARK
        midnight = _midnight(active_at)
        for begin in (midnight + self._from, midnight + DAY + self._from):
            end = begin + self._to - self._from
            due_at = max(active_at, begin) + wait
            if due_at <= end:
                return due_at.astimezone(UTC)
        return (midnight + DAY + self._from + wait).astimezone(UTC)

    def _on_timer(
        self, state: InactivityState, event: TimerDue, now: datetime
    ) -> tuple[InactivityState, tuple[Effect, ...]]:
        due_at = {BY: state.by_due, STILL: state.still_due}.get(event.name)
        if due_at is None or event.due_at < due_at - TIMER_SLACK:
            return state, ()
        if now - event.due_at > GRACE:  # a frame may tell soon
            return self._later(state, event.name, self._asked_late(event, now), ())
        raised = self._missed(state, event.name, event.due_at)
        effects = () if raised is None else (RaiseAlarm(alarm=raised),)
        if event.name == BY and self._by is not None:
            return self._later(state, BY, _next(self._by, event.due_at), effects)
        if raised is None and self._still:  # off the wrist, charged or silent: look again, by day
            return self._later(
                state, STILL, self._still_until(event.due_at - self._still + 5 * MARK), effects
            )
        return replace(state, still_due=None), effects

    def _asked_late(self, event: TimerDue, now: datetime) -> datetime:
        """When to ask instead: soon, but of a morning only on the day and after the hour it is about."""
        soon = now + 3 * MARK
        if event.name != BY or self._by is None:
            return soon
        asked = _midnight(soon)
        same_day = asked == _midnight(now) and now >= asked + self._by
        return soon if same_day else _next(self._by, now)

    def _later(
        self, state: InactivityState, name: str, due_at: datetime, effects: tuple[Effect, ...]
    ) -> tuple[InactivityState, tuple[Effect, ...]]:
        new = replace(state, by_due=due_at) if name == BY else replace(state, still_due=due_at)
        return new, (*effects, SetTimer(name=name, due_at=due_at))

    def _missed(self, state: InactivityState, name: str, at: datetime) -> Alarm | None:
        """Give the alarm when the band is worn and heard, and its wearer did not move."""
        active_at, heard_at = state.active_at, state.heard_at
        if active_at is None or heard_at is None or state.off or state.charging:
            return None
        if at - heard_at > HEARD or (name == BY and active_at >= _midnight(at) + self._from):
            return None
        if name == STILL and not self._still:
            return None
        return Alarm(
            alarm_id=f"inactivity.{self._wearer}.{name}.{milliseconds(at if name == BY else active_at)}",
            wearer=self._wearer,
            kind="inactivity",
            severity="warning",
            why=Why(
                code="not_up" if name == BY else "still",
                value=(at - active_at).total_seconds(),
                limit=None if name == BY else self._still.total_seconds(),
                unit="s",
                since=active_at,
            ),
            at=at,
        )


def _looked_at(state: InactivityState, reading: Reading) -> tuple[InactivityState, bool]:
    """Give the state after a reading, and whether it is a movement."""
    if isinstance(reading, Steps):
        old, steps = state.steps, reading.steps
        if not 0 <= steps < 10**7 or (old is not None and 0 <= steps - old < MOVED_STEPS):
            return state, False
        return replace(state, steps=steps), old is not None and steps > old
    if isinstance(reading, Fix):
        return _place(state, reading)
    if isinstance(reading, Worn):
        if reading.worn is not state.off:
            return state, False
        return replace(state, off=not reading.worn, charging=False, charge_pct=None), True
    if isinstance(reading, Battery):
        return _charged(state, reading.battery_pct), False
    if isinstance(reading, HeartRate | BloodPressure | SpO2):
        return (replace(state, off=False) if state.off else state), False
    return state, isinstance(reading, BandAlarm) and reading.alarm in {"sos", "cancel"}


def _place(state: InactivityState, fix: Fix) -> tuple[InactivityState, bool]:
    """A place counts only by satellite and good: fixes indoors wander about."""
    vague = fix.accuracy_m is not None and not fix.accuracy_m <= GOOD_M
    if not is_position(fix) or vague or fix.source not in {None, "gnss"}:
        return state, False
    if state.lat is None or state.lon is None:
        return replace(state, lat=fix.lat, lon=fix.lon), False
    north_m = (fix.lat - state.lat) * DEGREE_M
    east_m = (fix.lon - state.lon) * DEGREE_M * cos(radians(state.lat))
    if hypot(north_m, east_m) <= MOVED_M:
        return state, False
    return replace(state, lat=fix.lat, lon=fix.lon), True


def _charged(state: InactivityState, charge: float) -> InactivityState:
    """A charge that rises is being charged, one that falls is not."""
    if not 0.0 <= charge <= MOST_PCT or charge == state.charge_pct:
        return state
    rises = state.charge_pct is not None and charge > state.charge_pct
    return replace(state, charge_pct=charge, charging=rises)


def _of_day(clock: str) -> timedelta:
    return timedelta(hours=int(clock[:2]), minutes=int(clock[3:]))


def _midnight(at: datetime) -> datetime:
    """Give the midnight in China before a time."""
    return at.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)


def _next(of_day: timedelta, at: datetime) -> datetime:
    """Give the next time after `at` that the clocks in China show this hour."""
    due_at = _midnight(at) + of_day
    return (due_at if due_at > at else due_at + DAY).astimezone(UTC)


RULE = InactivityRule
