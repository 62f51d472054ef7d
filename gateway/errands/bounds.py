"""How many plain texts go out: the last guard against a portal that was broken into, or gone mad. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2s

import msgspec

from gateway.profile import Table

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class ErrandsTable(Table, frozen=True):
    """[errands]: plain texts ordered by the portal; an alarm's texts and calls know no bounds at all."""

    texts_an_hour: int = 200
    texts_a_day: int = 1000
    texts_an_hour_a_number: int = 10


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """One text that was let through: when, and a digest of its number."""

    at: datetime
    number: str


class Allowance(msgspec.Struct, frozen=True):
    """The texts let through in the last day, oldest first; at most `texts_a_day` of them."""

    sent: tuple[Sent, ...] = ()

    def after(self, phone: str, now: datetime, bounds: ErrandsTable) -> Allowance | None:
        """The allowance after one more text to this number; None where that is too many."""
        number = blake2s(phone.encode(), digest_size=6).hexdigest()
        day = [one for one in self.sent if now - one.at < DAY and one.at <= now]
        hour = [one for one in day if now - one.at < HOUR]
        same = [one for one in hour if one.number == number]
        if (
            len(day) >= bounds.texts_a_day
            or len(hour) >= bounds.texts_an_hour
            or len(same) >= bounds.texts_an_hour_a_number
        ):
            return None
        return Allowance(sent=(*day, Sent(at=now, number=number)))
