"""Who is on duty when: weekly shifts in the time of China, as an installer writes them.

`mon-fri 08:00-20:00`, `sat,sun 09:00-18:00`, `daily 20:00-08:00`: a shift that ends before it begins
ends on the next day, and belongs to the day on which it began.
The grammar is that of the fences' schedules, in the one room both share: `geofence.schedule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from geofence.schedule import CHINA, DAYS, WEEKLY_EXAMPLE, parse_weekly
from geofence.schedule import Span as Shift

__all__ = ["CHINA", "DAYS", "EXAMPLE", "Duty", "Shift", "on_duty", "parse_shift"]

EXAMPLE = WEEKLY_EXAMPLE
parse_shift = parse_weekly


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One turn of a person in a duty calendar; of several at once the lowest `order` is rung first."""

    starts_at: datetime
    ends_at: datetime
    order: int = 0

    def covers(self, at: datetime) -> bool:
        """Whether that time is in it; its end is no longer part of it."""
        return self.starts_at <= at < self.ends_at


def on_duty(shifts: tuple[Shift, ...], at: datetime) -> bool:
    """Whether somebody with these shifts is on duty at that time; no shifts at all means always."""
    return not shifts or any(shift.covers(at) for shift in shifts)
