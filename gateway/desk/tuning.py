"""How the alarms of the last weeks fared, and what other settings would have done: computed, not guessed.

A suggestion is a changed setting that was tried over the same history (`gateway.backtest`), and only where
people said of enough alarms what they were, and most were false.
None is made that would have silenced, or much delayed, an alarm somebody closed as true,
and none for a crisis value.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway import history
from gateway.backtest import WEEK
from gateway.config import Settings
from gateway.desk.knobs import KNOBS
from gateway.desk.weighing import Line, Outcome, Suggestion, Weighing
from gateway.history import Judged
from gateway.journal.reader import JournalReader
from gateway.model import WearerView, rings_nobody
from gateway.roster import People

ENOUGH_JUDGED = 5
"""Of fewer alarms that somebody judged nothing can be said."""
JUDGED_SHARE = 0.5
"""And at least this share of all must have been judged: the others may have been true."""
MOSTLY_FALSE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every line, most alarms first, and what other settings would have done."""

    since: datetime
    until: datetime
    lines: tuple[Line, ...]
    suggestions: tuple[Suggestion, ...]


def report(reader: JournalReader, settings: Settings, *, since: datetime, until: datetime) -> Report:
    """Count the alarms of [since, until), and try other settings where people called most of them false."""
    judged = [
        one
        for one in history.judged(reader, since=since, until=until, notices=True)
        if not (one.alarm.kind == "fence" and rings_nobody(one.alarm))
    ]
    people = People(settings).wearers
    lines: list[Line] = []
    suggestions: list[Suggestion] = []
    weighings: dict[str, Weighing] = {}
    for line in _lines(judged, people, (until - since) / WEEK):
        outcome, view = evidence(line), people.get(line.wearer)
        found: list[Suggestion] = []
        if outcome == "suggested" and view is None:
            outcome = "not_reproduced"
        elif outcome == "suggested" and view is not None:
            was = [one for one in judged if one.alarm.wearer == line.wearer]
            weighing = weighings.setdefault(
                line.wearer, Weighing(reader, settings, view, was, since=since, until=until)
            )
            outcome, found = weighing.tried(line)
        lines.append(replace(line, outcome=outcome))
        suggestions += found
    return Report(since=since, until=until, lines=tuple(lines), suggestions=tuple(suggestions))


def evidence(line: Line) -> Outcome:
    """Whether a line is worth trying other settings for ("suggested"), or why not."""
    if line.code not in KNOBS:
        return "never"
    if line.alarms < ENOUGH_JUDGED:
        return "few"
    if line.judged < max(ENOUGH_JUDGED, line.alarms * JUDGED_SHARE):
        return "unjudged"
    return "mostly_true" if (line.false_share or 0.0) < MOSTLY_FALSE else "suggested"


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
