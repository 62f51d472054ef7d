"""An order to a band, from the moment it is given to its end: pure.

    waiting ──sent──▶ sent ──arrived──▶ delivered ──the band answers──▶ done | refused
       └────────────────┴──────────────────┴──▶ expired | unsupported | given_up

Each band of the wearer has a state of its own (`BandState`); `TABLE` says what every fact makes of it.
"sent" means that a wire took the bytes, "delivered" that the wire says the band has them,
"done" and "refused" are the band's own word.
Where a protocol has no answers, "delivered" is the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

import msgspec

from gateway.model import BandOrderState, DownCommand
from gateway.told import BandOrderChanged, PortalCommand

MAX_TEXT_CHARACTERS = 60
MIN_INTERVAL_S, MAX_INTERVAL_S = 10, 86_400

EXPIRES_S: Mapping[str, int] = MappingProxyType(
    {
        "call_back": 45,
        "find": 300,
        "locate_now": 300,
        "help_is_coming": 900,
        "cancelled": 900,
        "message": 86_400,
        "interval": 86_400,
        "fences": 86_400,
    }
)
"""How long an order is of use: a band that rings hours after somebody looked for it only frightens."""
ONCE = frozenset({"call_back"})
"""Of use at once or not at all, and never sent a second time, whatever happens in between."""
REPLACED_BY_THE_NEXT = frozenset({"find", "locate_now", "interval", "fences"})
"""Of those that wait for a band only the newest counts."""
FROM_PEOPLE = frozenset({"find", "locate_now", "message", "interval", "fences", "call_back"})
"""What a person may order; the rest belongs to an incident."""


class Fact(Enum):
    """What happened to an order on its way to one band."""

    SENT = "sent"
    """A wire took the bytes."""
    ARRIVED = "arrived"
    """The wire says that the band has them."""
    DONE = "done"
    """The band did it."""
    REFUSED = "refused"
    """The band says that it will not, or cannot."""
    EXPIRED = "expired"
    """It is too old to be of use."""
    UNSUPPORTED = "unsupported"
    """The band's protocol has no words for it, or there is no band."""
    GIVEN_UP = "given_up"
    """Its band is not the wearer's any more, a newer order stands in its place, or too many waited."""


IGNORE = None
"""In the table: this fact says nothing new."""

_ENDS: dict[Fact, BandOrderState | None] = {
    Fact.DONE: "done",
    Fact.REFUSED: "refused",
    Fact.EXPIRED: "expired",
    Fact.UNSUPPORTED: "unsupported",
    Fact.GIVEN_UP: "given_up",
}
_OVER: Mapping[Fact, BandOrderState | None] = MappingProxyType(dict.fromkeys(Fact, IGNORE))
"""An end is an end: a second answer, a late acknowledgement or a timer change nothing."""

TABLE: Mapping[BandOrderState, Mapping[Fact, BandOrderState | None]] = MappingProxyType(
    {
        "waiting": _ENDS | {Fact.SENT: "sent", Fact.ARRIVED: "delivered"},
        "sent": _ENDS | {Fact.SENT: IGNORE, Fact.ARRIVED: "delivered"},
        # It has it: that it never answered, or that its protocol has changed since, takes nothing back.
        "delivered": _ENDS
        | {
            Fact.SENT: IGNORE,
            Fact.ARRIVED: IGNORE,
            Fact.EXPIRED: "delivered",
            Fact.UNSUPPORTED: IGNORE,
        },
        "done": _OVER,
        "refused": _OVER,
        "expired": _OVER,
        "unsupported": _OVER,
        "given_up": _OVER,
    }
)


class BandState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an order stands with one band; `sends` counts how often a wire took it."""

    device: str
    state: BandOrderState = "waiting"
    sends: int = 0
    final: bool = False
    detail: str = ""


class DownOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order to a wearer's bands, as it lies in the outbox.

    `order` names it for ever; `device` is the only band it is for, empty for all of the wearer's;
    `bands` is how it stood with each when something last changed, empty before the first try.
    """

    wearer: str
    command: DownCommand
    order: str = ""
    device: str = ""
    by: str = ""
    incident: str = ""
    given_at: datetime | None = None
    bands: tuple[BandState, ...] = ()


def until(order: DownOrder) -> datetime:
    """When the order stops being of use."""
    assert order.given_at is not None
    return order.given_at + timedelta(seconds=EXPIRES_S[order.command.name])


def not_of_the_future(order: DownOrder, now: datetime) -> DownOrder:
    """The order, of now where it says it is of later: our clock was set back.

    It would otherwise be of use for so much longer, and a band ring for somebody who looked for it last year.
    """
    assert order.given_at is not None
    return order if order.given_at <= now else msgspec.structs.replace(order, given_at=now)


def step(band: BandState, fact: Fact, *, answers: bool, detail: str = "") -> BandState:
    """How the order stands after a fact; the same object when it says nothing new.

    `answers`: the band's protocol has answers, so that having the order is not the end of it.
    """
    if band.final:
        return band
    state = TABLE[band.state][fact]
    if state is IGNORE:
        return band
    final = state not in {"waiting", "sent", "delivered"}
    if state == "delivered":
        final = not answers or fact is Fact.EXPIRED
    return msgspec.structs.replace(band, state=state, final=final, detail=detail)


def no_order(command: DownCommand) -> str | None:
    """Why a person may not give this order; None when nothing is wrong with it."""
    text, interval_s = command.text or "", command.interval_s
    match command.name:
        case name if name not in FROM_PEOPLE:
            return f"{name} belongs to an incident"
        case "message" if not text.strip() or len(text) > MAX_TEXT_CHARACTERS:
            return f"a message has 1 to {MAX_TEXT_CHARACTERS} characters"
        case "interval" if interval_s is None or not MIN_INTERVAL_S <= interval_s <= MAX_INTERVAL_S:
            return f"an interval has {MIN_INTERVAL_S} to {MAX_INTERVAL_S} seconds"
        case "call_back" if not command.phone:
            return "a call-back needs a telephone number"
    return None


def not_of_the_portal(command: PortalCommand) -> str | None:
    """Why a portal may not give this order: whoever broke into one could listen in by a band's telephone."""
    if command.down is not None and command.down.name == "call_back":
        return "a call-back is ordered on the box, or by key 3 of a call"
    return None


def order_of(command: PortalCommand, wearer: str, device: str, now: datetime) -> DownOrder:
    """The order a person gave, at the portal or on this box; never from the future.

    `device` is the only band it is for, empty for all of the wearer's.
    """
    assert command.down is not None
    return DownOrder(
        wearer=wearer,
        command=command.down,
        order=command.command,
        device=device,
        by=command.by or "",
        given_at=min(command.given_at or now, now),
    )


def named(order: DownOrder, key: tuple[int, int], ordered_at: datetime) -> DownOrder:
    """The order with a name and a time, where a version that gave it none wrote it."""
    if order.order:
        return order
    return msgspec.structs.replace(order, order=f"{key[0]}.{key[1]}", given_at=ordered_at)


def change_of(order: DownOrder, band: BandState, now: datetime) -> BandOrderChanged:
    """What the portal is told of how an order stands with a band."""
    assert order.given_at is not None
    return BandOrderChanged(
        order=order.order,
        wearer=order.wearer,
        device=band.device,
        name=order.command.name,
        state=band.state,
        at=now,
        given_at=order.given_at,
        until=until(order),
        text=order.command.text,
        interval_s=order.command.interval_s,
        by=order.by,
        incident=order.incident,
        detail=band.detail,
        final=band.final,
    )
