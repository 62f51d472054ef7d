"""What a rule would have raised over what was heard: tried before it goes live; pure.

The rule itself is stepped, not a copy of it, in the order in which the gateway heard the frames.
Durable timers ring between the frames at their own time, as `gateway.timers` rings them.
What was heard comes from the journal (`gateway.history`) or from any other iterable of envelopes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.effects import ClearTimer, Effect, RaiseAlarm, SetTimer
from gateway.model import Alarm, Envelope, FenceSuspension, FenceView, Fix, rings_nobody
from gateway.rules.base import Rule, TimerDue
from gateway.rules.moment import happened_at
from gateway.rules.position import is_position
from gateway.suspensions import Suspendable

SAME_CAUSE = timedelta(minutes=30)
"""Alarms of one fence, or of one limit, this near each other are held against each other as one cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """From `at` on just these suspensions stood, as the gateway journalled it."""

    at: datetime
    suspensions: tuple[FenceSuspension, ...]


def replay(
    rule: Rule, heard: Iterable[Envelope | Suspended], *, until: datetime | None = None
) -> Iterator[Alarm]:
    """Give every alarm the rule would have raised, once each, in the order of raising.

    `heard` is one wearer's, in the order of `received_at`; the rule begins knowing nothing of them.
    Suspensions among it are given to a rule that knows any (`gateway.suspensions`);
    they must be of fences it has, or ValueError is raised.
    Notices that ring nobody (back again, near the border) are left out.
    Timers still running at the end ring when they are due by `until`, none where it is None.
    """
    stage = _Stage(rule)
    for one in heard:
        if isinstance(one, Suspended):
            yield from stage.ring(one.at)
            stage.suspend(one)
            continue
        yield from stage.ring(one.received_at)
        yield from stage.judge(one, one.received_at)
    if until is not None:
        yield from stage.ring(until)


class _Stage:
    """One rule with its state and its timers, and the ids it has raised."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._state = rule.initial()
        self._due: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._raised: set[str] = set()
        self._suspended: tuple[FenceSuspension, ...] = ()

    def judge(self, event: Envelope | TimerDue, now: datetime) -> Iterator[Alarm]:
        """Step the rule; gives what it raises that it has not raised before."""
        self._state, effects = self._rule.step(self._state, event, now)
        self._keep_time(effects)
        for effect in effects:
            if isinstance(effect, RaiseAlarm) and effect.alarm.alarm_id not in self._raised:
                self._raised.add(effect.alarm.alarm_id)
                if not rings_nobody(effect.alarm):
                    yield effect.alarm

    def suspend(self, told: Suspended) -> None:
        """Suspend what is new, and end what is gone before its time; nothing is raised by either."""
        if not isinstance(self._rule, Suspendable):
            return
        at, stands = told.at, {one.fence for one in told.suspensions}
        gone = {one.fence for one in self._suspended if one.fence not in stands and one.until > at}
        for fence in {""} if "" in gone else gone:
            self._state, effects = self._rule.resume(self._state, fence, at)
            self._keep_time(effects)
        for one in told.suspensions:
            if one not in self._suspended and one.until > at:
                self._state, effects = self._rule.suspend(self._state, one, at)
                self._keep_time(effects)
        self._suspended = told.suspensions

    def _keep_time(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case SetTimer(name=name, due_at=due_at):
                    self._due[name] = due_at
                    heapq.heappush(self._heap, (due_at, name))
                case ClearTimer(name=name):
                    self._due.pop(name, None)

    def ring(self, now: datetime) -> Iterator[Alarm]:
        """Ring every timer that is due by `now`, each at its own time."""
        while self._heap and self._heap[0][0] <= now:
            due_at, name = heapq.heappop(self._heap)
            if self._due.get(name) == due_at:
                del self._due[name]
                yield from self.judge(TimerDue(name=name, due_at=due_at), due_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A fix that can be judged: when it was taken, and the fix itself."""

    at: datetime
    fix: Fix

    @property
    def lat(self) -> float:
        """Degrees, WGS-84."""
        return self.fix.lat

    @property
    def lon(self) -> float:
        """Degrees, WGS-84."""
        return self.fix.lon


def positions(heard: Iterable[Envelope | Suspended]) -> Iterator[Position]:
    """Give the positions of what was heard live, in its order: stored ones move no rule."""
    for envelope in heard:
        if isinstance(envelope, Suspended) or envelope.uplink.backlog:
            continue
        for reading in envelope.uplink.readings:
            if type(reading) is Fix and is_position(reading):
                yield Position(at=happened_at(reading.at, envelope.received_at), fix=reading)


def fence_of(alarm: Alarm, fences: Iterable[FenceView]) -> FenceView | None:
    """Give the fence an alarm is about; None for one that is about none of these."""
    if alarm.kind != "fence":
        return None
    fits = [one for one in fences if alarm.alarm_id.startswith(f"fence.{alarm.wearer}.{one.fence}.")]
    return max(fits, key=lambda one: len(one.fence), default=None)


def out_s(alarm: Alarm, track: Sequence[Position], wrong_m: Callable[[Fix], float]) -> float | None:
    """Give how many seconds a wearer was on the wrong side: from the first fix there until one that is not.

    `wrong_m(fix)`: metres beyond the border, positive on the wrong side.
    None when they were not back by the end of the track.
    """
    began = alarm.why.since or alarm.at
    back = (one.at for one in track if one.at > alarm.at and wrong_m(one.fix) <= 0)
    back_at = next(back, None)
    return None if back_at is None else (back_at - began).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Would-be alarms held against those that were raised: in both (would, was), only in one."""

    both: tuple[tuple[Alarm, Alarm], ...]
    only_would: tuple[Alarm, ...]
    only_raised: tuple[Alarm, ...]


def compare(would: Iterable[Alarm], raised: Iterable[Alarm], *, other_fences: bool = False) -> Compared:
    """Pair alarms of the same cause: the same id, else the same code and place within `SAME_CAUSE`.

    `other_fences`: other fences were tried than those that raised, so their places say nothing.
    """
    left = {alarm.alarm_id: alarm for alarm in raised}
    both: list[tuple[Alarm, Alarm]] = []
    unpaired: list[Alarm] = []
    for alarm in would:
        same = left.pop(alarm.alarm_id, None)
        if same is None:
            unpaired.append(alarm)
        else:
            both.append((alarm, same))
    only_would: list[Alarm] = []
    for alarm in unpaired:
        near = [
            one
            for one in left.values()
            if one.why.code == alarm.why.code
            and (other_fences or one.why.place == alarm.why.place)
            and abs(one.at - alarm.at) <= SAME_CAUSE
        ]
        if near:
            nearest = min(near, key=lambda one: abs(one.at - alarm.at))
            both.append((alarm, left.pop(nearest.alarm_id)))
        else:
            only_would.append(alarm)
    both.sort(key=lambda pair: pair[0].at)
    return Compared(both=tuple(both), only_would=tuple(only_would), only_raised=tuple(left.values()))
