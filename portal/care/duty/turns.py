"""The duty calendar's arithmetic: weeks, shifts, gaps, who overlaps. Pure; times are aware.

A week begins on Monday at 00:00 of the community's clocks (Asia/Shanghai, which knows no summer time).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from portal.words import SHANGHAI

DAY_BEGINS, NIGHT_BEGINS = dt.time(8), dt.time(20)
"""The two usual shifts: by day from 08:00, by night from 20:00 until 08:00 of the next day."""
LONGEST = dt.timedelta(hours=48)
WEEK = dt.timedelta(days=7)
DAY = dt.timedelta(days=1)
MOST_WEEKS = 26
Shift = Literal["day", "night", "own"]


class Turn(Protocol):
    """What the arithmetic reads of a turn."""

    @property
    def starts_at(self) -> dt.datetime: ...  # noqa: D102  # the class says it

    @property
    def ends_at(self) -> dt.datetime: ...  # noqa: D102  # the class says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `starts_at` until just before `ends_at`."""

    starts_at: dt.datetime
    ends_at: dt.datetime

    def later(self, by: dt.timedelta) -> Span:
        """The same span moved."""
        return Span(starts_at=self.starts_at + by, ends_at=self.ends_at + by)


def monday_of(day: dt.date) -> dt.date:
    """The Monday of a day's week."""
    return day - dt.timedelta(days=day.weekday())


def begins(day: dt.date) -> dt.datetime:
    """When a day begins on the community's clocks."""
    return dt.datetime.combine(day, dt.time(), SHANGHAI)


def shift_span(day: dt.date, shift: Shift, start: dt.time | None = None, end: dt.time | None = None) -> Span:
    """When a shift of a day is; an own one that ends no later than it starts ends on the next day."""
    starts, ends = {
        "day": (DAY_BEGINS, NIGHT_BEGINS),
        "night": (NIGHT_BEGINS, DAY_BEGINS),
        "own": (start or DAY_BEGINS, end or NIGHT_BEGINS),
    }[shift]
    next_day = day if starts < ends else day + DAY
    return Span(
        starts_at=dt.datetime.combine(day, starts, SHANGHAI),
        ends_at=dt.datetime.combine(next_day, ends, SHANGHAI),
    )


def shift_of(turn: Turn) -> Shift:
    """Which of the usual shifts a turn is, `own` for any other."""
    starts, ends = turn.starts_at.astimezone(SHANGHAI), turn.ends_at.astimezone(SHANGHAI)
    for shift in ("day", "night"):
        if shift_span(starts.date(), shift) == Span(starts_at=starts, ends_at=ends):
            return shift
    return "own"


def overlap(one: Turn, other: Turn) -> bool:
    """Whether two turns share an instant."""
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


def gaps(turns: Iterable[Turn], within: Span) -> list[Span]:
    """The spans of `within` nobody covers, in order."""
    found: list[Span] = []
    at = within.starts_at
    for turn in sorted(turns, key=lambda turn: turn.starts_at):
        if turn.starts_at >= within.ends_at:
            break
        if turn.starts_at > at:
            found.append(Span(starts_at=at, ends_at=turn.starts_at))
        at = max(at, turn.ends_at)
    if at < within.ends_at:
        found.append(Span(starts_at=at, ends_at=within.ends_at))
    return found


def by_day(spans: Iterable[Span]) -> dict[dt.date, list[Span]]:
    """Spans cut at midnight, by the day they lie in."""
    found: dict[dt.date, list[Span]] = {}
    for span in spans:
        at = span.starts_at.astimezone(SHANGHAI)
        ends = span.ends_at.astimezone(SHANGHAI)
        while at < ends:
            midnight = begins(at.date() + DAY)
            found.setdefault(at.date(), []).append(Span(starts_at=at, ends_at=min(ends, midnight)))
            at = midnight
    return found


def week_span(monday: dt.date) -> Span:
    """The whole week of a Monday."""
    return Span(starts_at=begins(monday), ends_at=begins(monday + WEEK))


def on_duty_at(turns: Sequence[Turn], at: dt.datetime) -> list[Turn]:
    """Whose turn it is at a time."""
    return [turn for turn in turns if turn.starts_at <= at < turn.ends_at]
