"""Intents are written once, and a texted key finds the leg it belongs to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.journal.reader import JournalReader
from gateway.journal.records import IncidentRow, Record, Rest
from gateway.journal.writer import JournalWriter
from gateway.ledger import JournalLedger
from sos.carriers.base import Message
from sos.events import Channel, KeyPressed, Leg, LegReported, LegState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def leg(contact="son", phone="+8613800138001", *, channel=Channel.CALL, attempt=1) -> Leg:
    return Leg(
        leg_id=f"i1.1.{contact}.{channel.value}.{attempt}",
        incident="i1",
        contact=contact,
        name="李",
        phone=phone,
        role="family",
        channel=channel,
        round=1,
        attempt=attempt,
    )


class House:
    def __init__(self, path) -> None:
        self.journal = JournalWriter(path)
        self.journal.start()
        self.heard = []
        self.ledger = JournalLedger(journal=self.journal, leg_known=self._known)
        self.reader = JournalReader(path)

    def _known(self, event, record, committed) -> None:
        self.heard.append(event)
        record.committed = committed
        self.journal.append(record)


@pytest.fixture
async def house(tmp_path):
    house = House(tmp_path / "journal.db")
    row = IncidentRow("i1", "A7K2", "zhang", "sos", "notifying", 0, b"{}")
    await house.journal.commit(Record(rest=Rest(incidents=[row])))
    yield house
    house.reader.close()
    await house.journal.stop()


async def test_an_intent_is_on_disk_when_intend_returns_and_a_second_one_is_refused(house):
    assert await house.ledger.intend(leg(), Message(body="help"), carrier="twilio", at=NOW)
    assert [row["state"] for row in house.reader.unsettled_legs()] == ["intended"]
    assert not await house.ledger.intend(leg(), Message(body="help"), carrier="twilio", at=NOW)


async def test_an_intent_ends_the_order_that_asked_for_it(house):
    house.ledger.expect(leg().leg_id, (7, 0))
    await house.ledger.intend(leg(), Message(body="help"), carrier="twilio", at=NOW)
    house.reader.close()
    house.reader = JournalReader(house.journal.path)
    assert house.reader.open_outbox() == []


async def test_a_reference_is_owned_from_its_commit_on_and_after_a_restart(house, tmp_path):
    await house.ledger.intend(leg(), Message(body="help"), carrier="twilio", at=NOW)
    await house.ledger.bind(leg().leg_id, carrier="twilio", reference="CA1")
    assert house.ledger.owned("twilio") == {"CA1"}
    assert house.ledger.owned("gsm_modem") == frozenset()
    again = JournalLedger(journal=house.journal, leg_known=house._known)
    (record,) = again.restore(house.reader.unsettled_legs(), house.reader.leg_references(10), NOW)
    assert (record.leg, record.message.body, record.reference) == (leg(), "help", "CA1")
    assert again.owned("twilio") == {"CA1"}
    assert again.knows(leg())


async def test_a_report_changes_the_legs_row_and_reaches_the_cascade(house):
    await house.ledger.intend(leg(), Message(body="help"), carrier="twilio", at=NOW)
    event = LegReported(leg_id=leg().leg_id, state=LegState.NO_ANSWER, at=NOW)
    await house.ledger.report(event)
    assert house.heard == [event]
    assert house.reader.unsettled_legs() == []


async def test_a_texted_key_belongs_to_the_newest_leg_of_that_telephone(house):
    text = leg(channel=Channel.TEXT)
    await house.ledger.intend(text, Message(body="help"), carrier="gsm_modem", at=NOW)
    await house.ledger.intend(leg(), Message(body="help"), carrier="gsm_modem", at=NOW)
    await house.ledger.report(KeyPressed(leg_id="from:13800138001", digit="1", at=NOW, via="text"))
    assert [event.leg_id for event in house.heard] == [leg().leg_id]


async def test_a_texted_key_finds_its_leg_after_a_restart(house):
    await house.ledger.intend(leg(channel=Channel.TEXT), Message(body="help"), carrier="m", at=NOW)
    again = JournalLedger(journal=house.journal, leg_known=house._known)
    for row in house.reader.legs_of_open_incidents():
        again.take_slot(row)
    assert again.leg_of("from:+8613800138001") == leg(channel=Channel.TEXT).leg_id
    assert again.leg_of("from:+8613999999999") == "from:+8613999999999"
