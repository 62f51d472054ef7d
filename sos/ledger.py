"""What the dispatcher needs from whoever keeps the durable record; the gateway's journal implements it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sos.carriers.base import Message
from sos.events import KeyPressed, Leg, LegReported, LegState


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRecord:
    """A leg as the record has it; `carrier` and `reference` are None until known."""

    leg: Leg
    message: Message
    state: LegState
    carrier: str
    intended_at: datetime
    reference: str | None = None


class Ledger(Protocol):
    """The durable record of legs. Every coroutine returns after its commit."""

    async def intend(self, leg: Leg, message: Message, *, carrier: str, at: datetime) -> bool:
        """Commit that this leg is about to be placed with this carrier.

        False when the record already has (incident, round, contact, channel, purpose, attempt):
        somebody has been here, do not place it.
        """
        ...

    async def repoint(self, leg_id: str, *, carrier: str, at: datetime) -> bool:
        """Commit that this leg, certainly not placed with its last carrier, goes to this one now.

        The same row is changed, so the unique index goes on protecting the leg.
        False, and nothing changed, when the row is missing, has a reference or is past `intended`.
        """
        ...

    async def bind(self, leg_id: str, *, carrier: str, reference: str) -> None:
        """Commit the carrier's reference of a placed leg; idempotent."""
        ...

    async def report(self, event: LegReported | KeyPressed) -> None:
        """Commit what became known of a leg together with what the cascade makes of it.

        Idempotent: doubled, late and reordered reports change nothing.
        """
        ...

    def owned(self, carrier: str) -> frozenset[str]:
        """References of this carrier that legs already have."""
        ...
