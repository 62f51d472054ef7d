"""How the alarms of the last weeks fared, and what other settings would have done: computed, not guessed.

A suggestion is a changed setting that was tried over the same history (`gateway.backtest`).
None is made that would have silenced an alarm somebody closed as true, and none for a limit of a vital sign:
that is a doctor's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway import history
from gateway.backtest import (
    WARM_UP,
    WEEK,
    Suspended,
    changed_settings,
    compare,
    replay,
    suspending,
    without_own,
)
from gateway.config import Settings
from gateway.history import Judged
from gateway.journal.reader import JournalReader
from gateway.model import Alarm, Envelope, WearerView
from gateway.roster import People
from gateway.rules.fence import FenceRule, FenceSettings, watch

MANY_A_WEEK = 2.0
"""More exits a week than this are looked into."""
NEAR_MARGIN_M = 15.0
"""Exits no farther than this past the margin are what a wider margin could avoid."""
WIDER_M = (10.0, 20.0, 30.0, 50.0)
LONGER_S = (60.0, 180.0, 300.0)
WORTH = 0.5
"""A suggestion avoids at least this share of the alarms."""
EXIT = "fence_exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The alarms of one wearer by one rule; `said` counts the verdicts: true, false, test, or empty."""

    wearer: str
    name: str
    kind: str
    code: str
    alarms: int
    a_week: float
    said: Counter[str]

    @property
    def false_share(self) -> float | None:
        """The share of false alarms among those somebody judged (tests are no alarms); None for none."""
        judged = self.said["true"] + self.said["false"]
        return self.said["false"] / judged if judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One setting that was tried: today's value, the other, and how many alarms each would have raised.

    `judged`: of how many real ones somebody said whether they were true.
    """

    wearer: str
    name: str
    key: str
    today: float
    tried: float
    alarms_today: int
    alarms_tried: int
    judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every line, most alarms first, and what other settings would have done."""

    since: datetime
    until: datetime
    lines: tuple[Line, ...]
    suggestions: tuple[Suggestion, ...]


def report(reader: JournalReader, settings: Settings, *, since: datetime, until: datetime) -> Report:
    """Count the alarms of [since, until) and try other settings where there were many."""
    judged = history.judged(reader, since=since, until=until)
    people = People(settings).wearers
    lines = tuple(_lines(judged, people, (until - since) / WEEK))
    suggestions: list[Suggestion] = []
    for line in lines:
        view = people.get(line.wearer)
        if line.code != EXIT or line.a_week <= MANY_A_WEEK or view is None:
            continue
        frames = tuple(history.heard(reader, line.wearer, since=since - WARM_UP, until=until))
        was = [one for one in judged if one.alarm.wearer == line.wearer and one.alarm.why.code == EXIT]
        today = settings.wearer_rules[line.wearer, FenceRule.name]
        suggestions += Trials(view, today, frames, was, since=since, until=until).suggestions()
    return Report(since=since, until=until, lines=lines, suggestions=tuple(suggestions))


def _lines(judged: Iterable[Judged], people: dict[str, WearerView], weeks: float) -> list[Line]:
    groups: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for one in judged:
        groups[one.alarm.wearer, one.alarm.kind, one.alarm.why.code][one.verdict or ""] += 1
    lines = [
        Line(
            wearer=wearer,
            name=people[wearer].name if wearer in people else wearer,
            kind=kind,
            code=code,
            alarms=said.total(),
            a_week=said.total() / weeks,
            said=said,
        )
        for (wearer, kind, code), said in groups.items()
    ]
    return sorted(lines, key=lambda line: (-line.alarms, line.wearer, line.code))


class Trials:
    """The fence rule over one wearer's history under one setting after the other."""

    def __init__(
        self,
        view: WearerView,
        today: FenceSettings,
        frames: Sequence[Envelope | Suspended],
        was: Sequence[Judged],
        *,
        since: datetime,
        until: datetime,
    ) -> None:
        self._view = view
        self._today = today
        self._frames = frames
        self._since = since
        self._until = until
        self._judged = sum(one.verdict in ("true", "false") for one in was)
        self._true = [one.alarm for one in was if one.verdict == "true"]
        self._base = self._exits(view, today)

    def suggestions(self) -> Iterator[Suggestion]:
        """Give the smallest wider margin and the smallest longer dwell that are worth it."""
        near = [one for one in self._base if _past_m(one) <= NEAR_MARGIN_M]
        weeks = (self._until - self._since) / WEEK
        if len(near) / weeks > MANY_A_WEEK:
            margin_m = max((one.why.limit or 0.0 for one in near), default=0.0)
            yield from self._first("exit_margin_m", margin_m, [margin_m + more for more in WIDER_M])
        dwell_s = self._today.dwell_s
        yield from self._first("dwell_s", dwell_s, [one for one in LONGER_S if one > dwell_s])

    def _first(self, key: str, today: float, values: Iterable[float]) -> Iterator[Suggestion]:
        for value in values:
            changed = {key: value}
            fences = tuple(without_own(one, changed) for one in self._view.fences)
            view = msgspec.structs.replace(self._view, fences=fences)
            left = self._exits(view, changed_settings(self._today, changed))
            if self._silences_a_true_one(left) or len(left) > len(self._base) * WORTH:
                continue
            yield Suggestion(
                wearer=self._view.wearer,
                name=self._view.name,
                key=key,
                today=today,
                tried=value,
                alarms_today=len(self._base),
                alarms_tried=len(left),
                judged=self._judged,
            )
            return

    def _exits(self, view: WearerView, settings: FenceSettings) -> tuple[Alarm, ...]:
        fences = tuple(watch(one, settings) for one in view.fences)
        frames = suspending(self._frames, fences)
        found = replay(FenceRule(view, settings), frames, until=self._until)
        return tuple(one for one in found if one.at >= self._since and one.why.code == EXIT)

    def _silences_a_true_one(self, left: Sequence[Alarm]) -> bool:
        return bool(compare(left, self._true).only_raised)


def _past_m(alarm: Alarm) -> float:
    """How far past the margin it was, in metres."""
    return (alarm.why.value or 0.0) - (alarm.why.limit or 0.0)
