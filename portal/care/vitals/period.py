"""The stretch of time a page of vital signs shows: a day, seven days or thirty, in days of the community."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from portal.care.vitals.stats import Size, day_begins_ms

Span = Literal["day", "week", "month"]
DAYS: dict[Span, int] = {"day": 1, "week": 7, "month": 30}
COMPARED_DAYS: dict[Span, int] = {"day": 7, "week": 7, "month": 28}
"""With how many days before it a stretch is compared."""
USUAL_DAYS = 28
"""What is usual is taken from so many days before."""
FIRST_DAY = dt.date(2000, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`days` days, of which `last` is the last."""

    span: Span
    last: dt.date

    @property
    def days(self) -> int:
        """How many days it has."""
        return DAYS[self.span]

    @property
    def first(self) -> dt.date:
        """Its first day."""
        return self.last - dt.timedelta(days=self.days - 1)

    @property
    def since_ms(self) -> int:
        """When it begins."""
        return day_begins_ms(self.first)

    @property
    def until_ms(self) -> int:
        """When it ends."""
        return day_begins_ms(self.last + dt.timedelta(days=1))

    @property
    def compared_ms(self) -> int:
        """When the days begin it is compared with; they end where it begins."""
        return day_begins_ms(self.first - dt.timedelta(days=COMPARED_DAYS[self.span]))

    @property
    def usual_ms(self) -> int:
        """When the days begin that say what is usual; they end where it begins."""
        return day_begins_ms(self.first - dt.timedelta(days=USUAL_DAYS))

    @property
    def size(self) -> Size:
        """By what its measurements are gathered where they are not shown one by one."""
        return "day" if self.span == "month" else "hour"

    def earlier(self) -> Period | None:
        """The one before it, None where there is nothing before."""
        last = self.first - dt.timedelta(days=1)
        return Period(span=self.span, last=last) if last >= FIRST_DAY else None

    def later(self, today: dt.date) -> Period | None:
        """The one after it, which ends today at the latest; None where this one does."""
        if self.last >= today:
            return None
        return Period(span=self.span, last=min(today, self.last + dt.timedelta(days=self.days)))


def period_of(span: str | None, date: str | None, today: dt.date) -> Period:
    """Give the period an address names; what cannot be read is a day, and today; the future is today too."""
    known = span if span in DAYS else "day"
    try:
        last = dt.date.fromisoformat(date or "")
    except ValueError:
        last = today
    return Period(span=known, last=min(max(last, FIRST_DAY), today))
