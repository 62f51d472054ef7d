"""How an errand is named, owned and answered: pure.

An errand is known by the `command` that ordered it. Its legs have the role `OUTSIDE` and belong to `errand-…`
in the place of an incident; what the journal keeps of it until it ends is the state of its owner.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from hashlib import blake2s
from typing import Final

import msgspec

from gateway.journal.records import EventRow, Record, to_ms
from gateway.told import CommandDone
from sos.events import OUTSIDE, Channel, Leg
from sos.plan import Contact

PREFIX: Final = "errand-"
"""How the ids of legs and their errand begin; an incident's never does."""
OWNERS: Final = "errand/"
"""How the owners of errands' states and timers begin."""


class Later(Enum):
    """An order that is taken and whose `CommandDone` comes when it has ended."""

    LATER = "later"


LATER: Final = Later.LATER


def errand_of(command: str) -> str:
    """The id of the errand a command ordered: short, because carriers put a leg's id into addresses."""
    return PREFIX + blake2s(command.encode(), digest_size=6).hexdigest()


def is_errands(leg_id: str) -> bool:
    """Whether this leg belongs to an errand."""
    return leg_id.startswith(PREFIX)


def leg_of(errand: str, person: Contact, channel: Channel, *, purpose: str, attempt: int) -> Leg:
    """One text or call of an errand."""
    return Leg(
        leg_id=f"{errand}.0.{person.contact}.{channel.value}.{attempt}",
        incident=errand,
        contact=person.contact,
        name=person.name,
        phone=person.phone,
        role=OUTSIDE,
        channel=channel,
        round=0,
        attempt=attempt,
        purpose=purpose,
        lang=person.lang,
    )


def answer(
    command: str,
    record: Record,
    now: datetime,
    *,
    reason: str = "",
    wearer: str | None = None,
    done: bool | None = None,
) -> None:
    """Tell the portal that an order was carried out, or why not; `done` where a reason is only a remark."""
    told = CommandDone(command=command, done=not reason if done is None else done, reason=reason)
    at_ms, body = to_ms(now), msgspec.json.encode(told)
    record.events.append(EventRow(at_ms, at_ms, "command", None, wearer, "portal", body, None))
