"""Which hours of which day of a track are looked at: read from what a form or a link says. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from portal.words import SHANGHAI

WHOLE_DAY = (dt.time(0, 0), dt.time(0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Hours of a day as the community's clocks show them; `until` at or before `since` is the next day."""

    day: dt.date
    since: dt.time = WHOLE_DAY[0]
    until: dt.time = WHOLE_DAY[1]

    @property
    def start(self) -> dt.datetime:
        """Its first moment."""
        return dt.datetime.combine(self.day, self.since, SHANGHAI).astimezone(dt.UTC)

    @property
    def end(self) -> dt.datetime:
        """The moment after its last."""
        day = self.day + dt.timedelta(days=1) if self.until <= self.since else self.day
        return dt.datetime.combine(day, self.until, SHANGHAI).astimezone(dt.UTC)

    @property
    def middle(self) -> dt.datetime:
        """Half-way between the two."""
        return self.start + (self.end - self.start) / 2

    @property
    def whole(self) -> bool:
        """Whether it is the whole day."""
        return (self.since, self.until) == WHOLE_DAY

    def query(self) -> dict[str, str]:
        """What a link to it says."""
        found = {"day": self.day.isoformat()}
        if not self.whole:
            found |= {"from": f"{self.since:%H:%M}", "to": f"{self.until:%H:%M}"}
        return found

    def on(self, day: dt.date) -> Window:
        """The same hours of another day."""
        return Window(day=day, since=self.since, until=self.until)


def window_of(day: str, since: str, until: str, *, today: dt.date) -> Window:
    """The window of what was asked; what cannot be read is today, and the whole day.

    No day before the year 2000 and none after today: there is nothing.
    """
    try:
        asked = dt.date.fromisoformat(day.strip())
    except ValueError:
        asked = today
    asked = min(max(asked, dt.date(2000, 1, 1)), today)
    return Window(day=asked, since=_time(since), until=_time(until))


def around(at: dt.datetime, *, hours: int) -> Window:
    """The window of so many hours on either side of a moment."""
    first = (at - dt.timedelta(hours=hours)).astimezone(SHANGHAI)
    last = (at + dt.timedelta(hours=hours)).astimezone(SHANGHAI)
    return Window(day=first.date(), since=_minute(first), until=_minute(last))


def _minute(at: dt.datetime) -> dt.time:
    return at.time().replace(second=0, microsecond=0)


def _time(typed: str) -> dt.time:
    try:
        return dt.time.fromisoformat(typed.strip().replace("：", ":")).replace(tzinfo=None)
    except ValueError:
        return dt.time(0, 0)


def day_before(day: dt.date) -> dt.date:
    """The day before a day."""
    return day - dt.timedelta(days=1)


def day_after(day: dt.date) -> dt.date:
    """The day after a day."""
    return day + dt.timedelta(days=1)
