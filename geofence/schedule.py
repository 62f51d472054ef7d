"""Weekly hours in the time of China, as an installer writes them: when a fence counts, who is on duty.

A line is days, then hours:

    mon-fri 08:00-20:00      daily 22:00-06:00       sat,sun night
    holidays                 not holidays 08:00-20:00
    mon-fri not holidays 08:00-17:00

- Days: `daily`, weekdays with commas and dashes (`fri-mon` runs over the weekend), `holidays` (the public
  days off of a list that is handed in), `not holidays` (all others), or weekdays `not holidays`.
- Hours: from-to, `day` (06:00-22:00), `night` (22:00-06:00), or nothing for the whole day.
- Hours that end before they begin end on the next day, and belong to the day on which they began:
  `fri night` is Friday 22:00 to Saturday 06:00, whatever day Saturday is.

Pure, standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Literal

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""UTC+8 all year since 1991, so that no time-zone file is needed here."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
EVERY_DAY = tuple(range(7))
NAMED = MappingProxyType({"day": (6 * 60, 22 * 60), "night": (22 * 60, 6 * 60), "": (0, DAY_MIN)})
"""Hours that have a name, in minutes of the day."""
NO_DATES: frozenset[date] = frozenset()

WEEKLY_EXAMPLE = 'such as "mon-fri 08:00-20:00", "sat,sun 09:00-18:00" or "daily 20:00-08:00"'
EXAMPLE = f'{WEEKLY_EXAMPLE}, "daily night", "holidays" or "not holidays 08:00-20:00"'

On = Literal["any", "holidays", "not holidays"]

_WEEKLY = re.compile(r"(?P<days>[a-z,-]+) (?P<hours>\d{1,2}:\d{2}-\d{1,2}:\d{2})")
_LINE = re.compile(
    r"(?:(?P<only>holidays)|(?P<days>(?!not\b)[a-z]{3}[a-z,-]*)?(?P<but> ?not holidays)?)"
    r"(?: ?\b(?P<hours>day|night|\d{1,2}:\d{2}-\d{1,2}:\d{2}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Hours of some weekdays: `days` counts from Monday 0; the minutes are of the day, China time.

    `end_min` at or below `begin_min` means the next day.
    """

    days: tuple[int, ...]
    begin_min: int
    end_min: int

    def covers(self, at: datetime) -> bool:
        """Whether an aware datetime lies in this span; its end is no longer part of it."""
        local = at.astimezone(CHINA)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.begin_min < self.end_min:
            return day in self.days and self.begin_min <= minute < self.end_min
        began_today = day in self.days and minute >= self.begin_min
        began_yesterday = (day - 1) % 7 in self.days and minute < self.end_min
        return began_today or began_yesterday


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A span that may count on public holidays only, or on all other days only."""

    span: Span
    on: On = "any"

    def covers(self, at: datetime, holidays: Collection[date] = NO_DATES) -> bool:
        """Whether an aware datetime lies in it; hours past midnight belong to the day they began on."""
        if not self.span.covers(at):
            return False
        if self.on == "any":
            return True
        local = at.astimezone(CHINA)
        over_midnight = self.span.begin_min >= self.span.end_min
        began_today = not over_midnight or local.hour * 60 + local.minute >= self.span.begin_min
        began = local.date() if began_today else local.date() - timedelta(days=1)
        return (began in holidays) is (self.on == "holidays")


def parse_weekly(text: str) -> Span:
    """Read days and hours without holidays or names. Raises ValueError saying what was expected."""
    found = _WEEKLY.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(WEEKLY_EXAMPLE)
    begin_min, end_min = _hours(found["hours"], WEEKLY_EXAMPLE)
    return Span(days=_days(found["days"], WEEKLY_EXAMPLE), begin_min=begin_min, end_min=end_min)


def parse_line(text: str) -> Line:
    """Read one line of a schedule. Raises ValueError saying what was expected."""
    words = " ".join(text.lower().split())
    found = _LINE.fullmatch(words)
    if found is None or not (found["only"] or found["days"] or found["but"]):
        raise ValueError(EXAMPLE)
    begin_min, end_min = _hours(found["hours"] or "", EXAMPLE)
    days = _days(found["days"], EXAMPLE) if found["days"] else EVERY_DAY
    on: On = "holidays" if found["only"] else "not holidays" if found["but"] else "any"
    return Line(span=Span(days=days, begin_min=begin_min, end_min=end_min), on=on)


def counts(lines: tuple[Line, ...], at: datetime, holidays: Collection[date] = NO_DATES) -> bool:
    """Whether something with this schedule counts at that time; no line at all means always."""
    return not lines or any(line.covers(at, holidays) for line in lines)


def next_clock(text: str, now: datetime) -> datetime:
    """Give the next time, in China, that a clock shows "18:00": today's, or tomorrow's where it has passed.

    Raises ValueError for what is no such time.
    """
    found = re.fullmatch(r"(\d{1,2}):(\d{2})", text.strip())
    if found is None:
        raise ValueError('a time such as "18:00"')
    here = now.astimezone(CHINA)
    at = here.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return at if at > here else at + timedelta(days=1)


def _hours(text: str, example: str) -> tuple[int, int]:
    if text in NAMED:
        return NAMED[text]
    begin_hour, begin_min, end_hour, end_min = (
        int(number) for clock in text.split("-") for number in clock.split(":")
    )
    begin, end = begin_hour * 60 + begin_min, end_hour * 60 + end_min
    if begin >= DAY_MIN or end > DAY_MIN or max(begin_min, end_min) >= 60:  # noqa: PLR2004 - minutes
        raise ValueError(example)
    return begin, end


def _days(text: str, example: str) -> tuple[int, ...]:
    if text == "daily":
        return EVERY_DAY
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(example)
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return tuple(sorted(found))
