"""What a band's own clock is worth: its digits as UTC, or nothing where they cannot be true. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

Now = Callable[[], datetime]
STAMP_DIGITS = 12


class ClockSettings(Protocol):
    """The part of a codec's settings that is about the band's clock."""

    @property
    def time_offset_s(self) -> float:
        """What the band's clock is ahead of UTC."""
        ...

    @property
    def earliest_year(self) -> int:
        """An earlier time is no time."""
        ...

    @property
    def max_ahead_s(self) -> float:
        """A time further in the future is no time."""
        ...


def device_time(stamp: bytes, settings: ClockSettings, now: Now | None) -> datetime | None:
    """`yymmddhhmmss` as UTC, None when it cannot be true; the future is only known with `now`."""
    if not (len(stamp) == STAMP_DIGITS and stamp.isdigit()):
        return None
    year, *rest = (int(stamp[at : at + 2]) for at in range(0, STAMP_DIGITS, 2))
    month, day, hour, minute, second = rest
    try:
        at = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    if settings.time_offset_s:
        at -= timedelta(seconds=settings.time_offset_s)
    if at.year < settings.earliest_year:
        return None
    if now is not None and (at - now()).total_seconds() > settings.max_ahead_s:
        return None
    return at
