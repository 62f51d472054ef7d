"""A rule with its timers, played over what was heard.

The rule itself is stepped, not a copy of it, in the order in which the gateway heard the frames.
Durable timers ring between the frames at their own time, as `gateway.timers` rings them.
What was heard comes from the journal (`gateway.history`) or from any other iterable of envelopes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.effects import ClearTimer, Effect, RaiseAlarm, SetTimer
from gateway.model import Alarm, Envelope, FenceSuspension, rings_nobody
from gateway.rules.base import Rule, TimerDue
from gateway.suspensions import Suspendable


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """From `at` on just these suspensions stood, as the gateway journalled it."""

    at: datetime
    suspensions: tuple[FenceSuspension, ...]


def replay(
    rule: Rule,
    heard: Iterable[Envelope | Suspended],
    *,
    until: datetime | None = None,
    notices: bool = False,
) -> Iterator[Alarm]:
    """Give every alarm the rule would have raised, once each, in the order of raising.

    `heard` is one wearer's, in the order of `received_at`; the rule begins knowing nothing of them.
    Suspensions among it are given to a rule that knows any (`gateway.suspensions`);
    they must be of fences it has, or ValueError is raised.
    Notices that ring nobody (back again, near the border) are left out unless `notices`.
    Timers still running at the end ring when they are due by `until`, none where it is None.
    """
    stage = _Stage(rule, notices=notices)
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

    def __init__(self, rule: Rule, *, notices: bool) -> None:
        self._rule = rule
        self._notices = notices
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
                if self._notices or not rings_nobody(effect.alarm):
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
