"""What a band's own clock is worth: its digits as UTC, or nothing where they cannot be true. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol
from zlib import crc32

import msgspec

Now = Callable[[], datetime]
STAMP_DIGITS = 12
OffsetS = Annotated[float, msgspec.Meta(ge=-86_400, le=86_400)]
"""What a band's clock may be ahead of UTC: a day at most."""
FRESH = timedelta(minutes=10)
"""A device time further from ours than this does not number a press (the window of the SOS rule)."""
FIRST_YEAR = 2020
"""An earlier time is of a clock that was never set (the SOS rule thinks the same)."""


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


def press_number(stamp: str, at: datetime | None, content: bytes, now: datetime | None) -> str | None:
    """What tells a press of a band without numbers from its next one: the time of it, as sent.

    `at` is what `stamp` comes to, `now` ours where it is known.
    A time that is none is helped by what else the frame says, for it may stand still.
    None where the time is possible but far from ours: the rule then goes by it only as long as it is
    heard again and again, or a clock that stands still would hide every press after the first.
    """
    is_far = at is not None and now is not None and abs(now - at) > FRESH
    if at is None or (is_far and at.year < FIRST_YEAR):
        return f"{stamp}-{crc32(content):08x}"
    return None if is_far else stamp
