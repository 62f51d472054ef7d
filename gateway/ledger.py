"""The durable record of legs, for the dispatcher: implements `sos.ledger.Ledger` on the journal."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime
from sqlite3 import Row
from typing import Protocol

import msgspec

from gateway.journal.records import LegChange, LegRow, Record, Rest, from_ms, to_ms
from sos.carriers.base import Message
from sos.events import LEG_ENDS, OUTSIDE, KeyPressed, Leg, LegReported, LegState
from sos.ledger import LegRecord
from sos.shifts import CHINA

OWNED_KEPT = 5000
FROM = "from:"
PHONE_DIGITS = 8
INCIDENTS_A_PHONE = 32
"""So many incidents are remembered of each telephone, the newest; a staff telephone is in all of them."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a leg's row."""

    leg: Leg
    message: Message


class Journal(Protocol):
    """What the ledger needs of the journal."""

    def append(self, record: Record) -> None:
        """Queue a record."""
        ...


log = logging.getLogger(__name__)

LegKnown = Callable[[LegReported | KeyPressed, Record, Callable[[int], None]], None]
Slot = tuple[str, int, str, str, str, int]


def slot_of(leg: Leg) -> Slot:
    """What may exist once: (incident, round, contact, channel, purpose, attempt)."""
    return (leg.incident, leg.round, leg.contact, leg.channel.value, leg.purpose, leg.attempt)


class JournalLedger:
    """Writes intents, references and reports; remembers which slots and references are taken.

    `need(incident)` says how much an incident needs a person: the higher, the sooner a texted key is for it.
    """

    def __init__(
        self, *, journal: Journal, leg_known: LegKnown, need: Callable[[str], int] = lambda _: 0
    ) -> None:
        self._journal = journal
        self._leg_known = leg_known
        self._need = need
        self._slots: set[Slot] = set()
        self._owned: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._orders: dict[str, tuple[int, int]] = {}
        self._by_phone: dict[str, OrderedDict[str, str]] = {}
        self._only_intended: set[str] = set()
        self._today: date | None = None
        self._legs_today = 0

    def restore(self, rows: Iterable[Row], references: Iterable[Row], now: datetime) -> list[LegRecord]:
        """Take over the last run's legs; gives those whose end is not known."""
        self.legs_today(now)
        for row in reversed(list(references)):  # they come newest first, and the oldest are to go first
            self._owned[row["carrier"], row["reference"]] = row["leg_id"]
            begun_on = from_ms(row["intended_ms"]).astimezone(CHINA).date()
            if begun_on == self._today and not row["leg_id"].startswith(OUTSIDE):
                self._legs_today += 1
        records = []
        for row in rows:
            body = _body_of(row)
            if body is None:
                continue
            if not self.knows(body.leg):  # else it has its place in the order of its incident
                self._remember(body.leg)
            if row["state"] == LegState.INTENDED.value and row["reference"] is None:
                self._only_intended.add(body.leg.leg_id)
            records.append(
                LegRecord(
                    leg=body.leg,
                    message=body.message,
                    state=LegState(row["state"]),
                    carrier=row["carrier"],
                    intended_at=from_ms(row["intended_ms"]),
                    reference=row["reference"],
                )
            )
        return records

    def take_slot(self, row: Row) -> str:
        """Remember a leg of an earlier run and give its id; call in the order in which they were intended."""
        body = _body_of(row)
        if body is not None:
            self._remember(body.leg)
        return str(row["leg_id"])

    def _remember(self, leg: Leg) -> None:
        self._slots.add(slot_of(leg))
        by_incident = self._by_phone.setdefault(leg.phone[-PHONE_DIGITS:], OrderedDict())
        by_incident[leg.incident] = leg.leg_id
        by_incident.move_to_end(leg.incident)
        if len(by_incident) > INCIDENTS_A_PHONE:
            del by_incident[min(by_incident, key=self._need)]

    def leg_of(self, leg_id: str) -> str:
        """The leg a key belongs to: `from:<phone>` is the newest leg to that telephone.

        A text with only a digit says no more than who sent it.
        It is for the incident that needs somebody most, of equals for the newest:
        the news of one that is over must not swallow the 1 for one that rings;
        numbers are compared by their last digits, because networks write the beginning in many ways.
        """
        if not leg_id.startswith(FROM):
            return leg_id
        by_incident = self._by_phone.get(leg_id[-PHONE_DIGITS:])
        return by_incident[max(reversed(by_incident), key=self._need)] if by_incident else leg_id

    def legs_today(self, now: datetime) -> int:
        """How many legs of incidents were begun on this day, China time, also by the process before."""
        today = now.astimezone(CHINA).date()
        if self._today != today:
            self._today, self._legs_today = today, 0
        return self._legs_today

    def expect(self, leg_id: str, key: tuple[int, int]) -> None:
        """The outbox row `key` ordered this leg; it is done when the leg's intent is committed."""
        self._orders[leg_id] = key

    def knows(self, leg: Leg) -> bool:
        """Whether this leg's intent is already written."""
        return slot_of(leg) in self._slots

    async def intend(self, leg: Leg, message: Message, *, carrier: str, at: datetime) -> bool:
        """Commit the intent; False when somebody has been here."""
        slot = slot_of(leg)
        if slot in self._slots:
            return False
        self._remember(leg)
        self.legs_today(at)
        self._legs_today += leg.role != OUTSIDE
        self._only_intended.add(leg.leg_id)
        row = LegRow(
            leg.leg_id,
            leg.incident,
            leg.round,
            leg.contact,
            leg.channel.value,
            leg.purpose,
            leg.attempt,
            carrier,
            None,
            LegState.INTENDED.value,
            to_ms(at),
            msgspec.json.encode(Body(leg=leg, message=message)),
        )
        record = Record(rest=Rest(legs=[row]), urgent=True)
        key = self._orders.pop(leg.leg_id, None)
        if key is not None:
            record.rest.done.append(key)
        await self._commit(record)
        return True

    async def repoint(self, leg_id: str, *, carrier: str, at: datetime) -> bool:
        """Commit that this leg, certainly not placed with its last carrier, goes to this one now."""
        if leg_id not in self._only_intended:
            return False
        change = LegChange(leg_id, None, carrier, None, to_ms(at))
        await self._commit(Record(rest=Rest(leg_changes=[change]), urgent=True))
        return True

    async def bind(self, leg_id: str, *, carrier: str, reference: str) -> None:
        """Commit the carrier's reference of a placed leg."""
        self._only_intended.discard(leg_id)
        self._owned[carrier, reference] = leg_id
        while len(self._owned) > OWNED_KEPT:
            self._owned.popitem(last=False)
        await self._commit(
            Record(rest=Rest(leg_changes=[LegChange(leg_id, None, carrier, reference)]), urgent=True)
        )

    async def report(self, event: LegReported | KeyPressed) -> None:
        """Commit a fact about a leg with what the cascade makes of it."""
        record = Record(urgent=True)
        event = replace(event, leg_id=self.leg_of(event.leg_id))
        self._only_intended.discard(event.leg_id)
        if isinstance(event, LegReported):
            record.rest.leg_changes.append(LegChange(event.leg_id, event.state.value, event.carrier, None))
            if event.state in LEG_ENDS and (key := self._orders.pop(event.leg_id, None)) is not None:
                record.rest.done.append(key)  # it ended before its intent: nobody is to carry it out later
        done = asyncio.Event()
        self._leg_known(event, record, lambda _: done.set())
        await done.wait()

    def owned(self, carrier: str) -> frozenset[str]:
        """References of this carrier that legs already have."""
        return frozenset(reference for name, reference in self._owned if name == carrier)

    async def _commit(self, record: Record) -> None:
        done = asyncio.Event()
        record.committed = lambda _: done.set()
        self._journal.append(record)
        await done.wait()


def _body_of(row: Row) -> Body | None:
    """What a leg's row says; one that cannot be read must not keep the gateway from starting."""
    try:
        return msgspec.json.decode(row["body"], type=Body)
    except msgspec.DecodeError as error:
        log.critical("leg %s cannot be read and is left out: %s", row["leg_id"], error)
        return None
