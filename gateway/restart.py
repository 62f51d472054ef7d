"""What the last run left, taken over in two steps: what is known, and then what is still to be done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from gateway.downlink.orders import DownOrder, named
from gateway.engine import Engine
from gateway.errands.desk import Errands
from gateway.incidents import Incidents
from gateway.journal.reader import JournalReader
from gateway.journal.records import from_ms
from gateway.ledger import JournalLedger
from gateway.outbox import CarryOut
from gateway.timers import Timers
from sos.dispatcher import Dispatcher
from sos.events import HangUp, Leg, LegOrder, PlaceCall, SendBeidou, SendText, SoundSiren
from sos.ledger import LegRecord
from sos.recovery import owed

RECENT_ALARMS = 20_000
RECENT_REFERENCES = 5000
ORDERS = {kind.__name__: kind for kind in (SendText, PlaceCall, SendBeidou, SoundSiren, HangUp)}

log = logging.getLogger(__name__)


class Kept(Protocol):
    """What lies in the journal as a state of its own."""

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over what the last run left, of all states by owner."""
        ...


class Restart:
    """`restore`, then `resume`, once each; `done` marks an effect of the last run as carried out.

    `kept` take over states of their own, beside those of the rules and the errands.
    """

    def __init__(
        self,
        reader: JournalReader,
        *,
        engine: Engine,
        incidents: Incidents,
        errands: Errands,
        kept: Sequence[Kept],
        ledger: JournalLedger,
        timers: Timers,
        dispatcher: Dispatcher,
        carry_out: CarryOut,
        done: Callable[[tuple[int, int]], None],
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._engine = engine
        self._incidents = incidents
        self._errands = errands
        self._kept = kept
        self._ledger = ledger
        self._timers = timers
        self._dispatcher = dispatcher
        self._carry_out = carry_out
        self._done = done
        self._now = now
        self._intended: set[str] = set()
        self._unsettled: list[LegRecord] = []

    def restore(self) -> None:
        """Take over what the last run knew: states, incidents, legs, timers."""
        reader = self._reader
        states = reader.states()
        self._engine.restore(states)
        self._errands.restore(states)
        for one in self._kept:
            one.restore(states)
        self._incidents.restore(
            (row["body"] for row in reader.open_incidents()),
            reader.recent_alarm_ids(RECENT_ALARMS),
            reader.step_counts(),
        )
        self._intended = {self._ledger.take_slot(row) for row in reader.legs_of_open_incidents()}
        self._unsettled = self._ledger.restore(
            reader.unsettled_legs(), reader.leg_references(RECENT_REFERENCES), self._now()
        )
        self._timers.restore((row["owner"], row["name"], from_ms(row["due_ms"])) for row in reader.timers())

    def resume(self) -> None:
        """Carry on: legs whose end is unknown are settled, effects not yet done are carried out."""
        self._dispatcher.resume(self._unsettled)
        for row in self._reader.open_outbox():
            key = (row["seq"], row["position"])
            try:
                order: Any = msgspec.json.decode(row["body"], type=ORDERS.get(row["kind"], DownOrder))
            except msgspec.DecodeError as error:  # it stays in the outbox, for whoever can read it
                log.critical("order %s cannot be read and is left out: %s", key, error)
                continue
            placed = isinstance(order, LegOrder) and self._ledger.knows(order.leg)
            useless = isinstance(order, LegOrder) and not self._wanted(order.leg)
            order = named(order, key, from_ms(row["received_ms"])) if row["kind"] == "Down" else order
            if placed or useless:
                self._done(key)
            else:
                self._carry_out(row["kind"], order, key)
        self._errands.resume(self._ledger.knows)
        for incident in self._incidents:
            for order in owed(incident, self._intended, self._now()):
                self._dispatcher.execute(order)

    def _wanted(self, leg: Leg) -> bool:
        return self._errands.wants(leg) if self._errands.owns(leg.leg_id) else self._incidents.wants(leg)
