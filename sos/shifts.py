"""Who is on duty when: weekly shifts in the time of China, as an installer writes them.

`mon-fri 08:00-20:00`, `sat,sun 09:00-18:00`, `daily 20:00-08:00`: a shift that ends before it begins
ends on the next day, and belongs to the day on which it began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""UTC+8 all year since 1991, so that no time-zone file is needed here."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLE = 'such as "mon-fri 08:00-20:00", "sat,sun 09:00-18:00" or "daily 20:00-08:00"'
DAY_MIN = 24 * 60

_SHIFT = re.compile(r"([a-z,-]+) (\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One weekly shift: `days` counts from Monday 0; the minutes are of the day, China time.

    `end_min` at or below `begin_min` means the next day.
    """

    days: tuple[int, ...]
    begin_min: int
    end_min: int

    def covers(self, at: datetime) -> bool:
        """Whether an aware datetime lies in this shift; its end is no longer part of it."""
        local = at.astimezone(CHINA)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.begin_min < self.end_min:
            return day in self.days and self.begin_min <= minute < self.end_min
        began_today = day in self.days and minute >= self.begin_min
        began_yesterday = (day - 1) % 7 in self.days and minute < self.end_min
        return began_today or began_yesterday


def parse_shift(text: str) -> Shift:
    """Read one shift. Raises ValueError saying what was expected."""
    found = _SHIFT.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(EXAMPLE)
    days, *times = found.groups()
    begin_h, begin_min, end_h, end_min = map(int, times)
    begin, end = begin_h * 60 + begin_min, end_h * 60 + end_min
    if begin >= DAY_MIN or end > DAY_MIN or max(begin_min, end_min) >= 60:  # noqa: PLR2004 - minutes
        raise ValueError(EXAMPLE)
    return Shift(days=_days(days), begin_min=begin, end_min=end)


def _days(text: str) -> tuple[int, ...]:
    if text == "daily":
        return tuple(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(EXAMPLE)
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return tuple(sorted(found))


def on_duty(shifts: tuple[Shift, ...], at: datetime) -> bool:
    """Whether somebody with these shifts is on duty at that time; no shifts at all means always."""
    return not shifts or any(shift.covers(at) for shift in shifts)
