"""What an order to a band leaves in a record: its row of the outbox, and an event for the portal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from gateway.downlink.orders import BandState, DownOrder, change_of
from gateway.journal.records import EventRow, OutboxRow, Record, to_ms

encode = msgspec.json.encode


@dataclass(slots=True)
class Pending:
    """The effects of a record, in the order of its outbox rows: carried out after the commit."""

    orders: list[tuple[str, Any]] = field(default_factory=list)


def down_rows(order: DownOrder, record: Record, pending: Pending, now: datetime) -> None:
    """Put an order to a band into the outbox, tell the portal, and remember it for after the commit."""
    record.rest.outbox.append(OutboxRow("Down", encode(order)))
    record.events.append(change_row(order, BandState(device=order.device), now))
    pending.orders.append(("Down", order))


def change_row(order: DownOrder, band: BandState, now: datetime) -> EventRow:
    """The event that says how an order stands with a band."""
    told, at_ms = encode(change_of(order, band, now)), to_ms(now)
    return EventRow(at_ms, at_ms, "band_order", band.device or None, order.wearer, None, told, None)
