"""Hands each committed effect to whoever carries it out: the orders to bands, the legs of a cascade."""

from __future__ import annotations

from typing import Any

from gateway import plugins
from gateway.clock import Clock
from gateway.downlink.sender import Downlink
from gateway.journal.records import Record, Rest
from gateway.journal.writer import JournalWriter
from gateway.ledger import JournalLedger
from gateway.told import PortalCommand
from sos.dispatcher import Dispatcher
from sos.events import LegReported

Key = tuple[int, int]


class CarryingOut:
    """Between the engine and the two that go outside."""

    def __init__(
        self,
        *,
        journal: JournalWriter,
        downlink: Downlink,
        dispatcher: Dispatcher,
        ledger: JournalLedger,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._downlink = downlink
        self._dispatcher = dispatcher
        self._ledger = ledger
        self._clock = clock

    def carry_out(self, kind: str, order: Any, key: Key) -> None:
        """Hand over one effect, whose identity is `key`."""
        if kind == "Down":
            self._downlink.send(order, key)
        elif kind == "HangUp":
            self._dispatcher.execute(order)
            self.done(key)
        else:
            self._ledger.expect(order.leg.leg_id, key)
            self._dispatcher.execute(order)

    def done(self, key: Key) -> None:
        """Write down that an effect is carried out."""
        self._journal.append(Record(rest=Rest(done=[key])))

    def leg_status(self, command: PortalCommand) -> None:
        """What the portal relays of a carrier's callbacks."""
        state = plugins.get("carrier", "twilio").state_of(command.status or "")
        if command.leg and state is not None:
            self._dispatcher.carrier_report(
                LegReported(
                    leg_id=command.leg,
                    state=state,
                    at=self._clock.now(),
                    carrier="twilio",
                    sequence=command.sequence,
                ),
                reference=command.carrier_ref,
            )
