"""Intents are written once, and a texted key finds the leg it belongs to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.journal.reader import JournalReader
from gateway.journal.records import EventRow, IncidentRow, LegWipe, Record, Rest, to_ms
from gateway.journal.writer import JournalWriter
from gateway.ledger import JournalLedger
from sos.carriers.base import Message
from sos.events import OUTSIDE, Channel, KeyPressed, Leg, LegReported, LegState

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


def of(incident, channel=Channel.TEXT, purpose="alarm") -> Leg:
    return replace(
        leg(channel=channel),
        leg_id=f"{incident}.1.son.{channel.value}-{purpose}.1",
        incident=incident,
        purpose=purpose,
    )


async def test_a_texted_key_is_for_the_incident_that_needs_somebody_not_for_the_newest_news(house):
    need = {"rings": 2, "taken": 1, "over": 0}
    ledger = JournalLedger(journal=house.journal, leg_known=house._known, need=need.__getitem__)
    for one in (of("rings"), of("taken"), of("over", purpose="cancelled")):
        await ledger.intend(one, Message(body="help"), carrier="gsm_modem", at=NOW)
    assert ledger.leg_of("from:+8613800138001") == of("rings").leg_id
    need["rings"] = 0
    assert ledger.leg_of("from:+8613800138001") == of("taken").leg_id


async def test_after_a_restart_an_old_text_never_heard_of_again_does_not_take_a_key_for_the_open_one(house):
    old, new = of("i0"), of("i1")
    for one in (old, new):
        await house.ledger.intend(one, Message(body="help"), carrier="gsm_modem", at=NOW)
    await house.ledger.report(LegReported(leg_id=new.leg_id, state=LegState.DELIVERED, at=NOW))
    need = {"i0": 0, "i1": 2}
    again = JournalLedger(journal=house.journal, leg_known=house._known, need=need.__getitem__)
    for row in house.reader.legs_of_open_incidents():
        again.take_slot(row)
    again.restore(house.reader.unsettled_legs(), house.reader.leg_references(10), NOW)
    assert again.leg_of("from:+8613800138001") == new.leg_id


async def test_after_a_restart_the_oldest_references_are_the_first_to_be_forgotten(house, monkeypatch):
    monkeypatch.setattr("gateway.ledger.OWNED_KEPT", 2)
    for number, name in enumerate(("old", "new")):
        at = NOW + timedelta(minutes=number)
        await house.ledger.intend(of(name), Message(body="help"), carrier="twilio", at=at)
        await house.ledger.bind(of(name).leg_id, carrier="twilio", reference=name)
    again = JournalLedger(journal=house.journal, leg_known=house._known)
    again.restore(house.reader.unsettled_legs(), house.reader.leg_references(2), NOW)
    await again.intend(of("newest"), Message(body="help"), carrier="twilio", at=NOW)
    await again.bind(of("newest").leg_id, carrier="twilio", reference="newest")
    assert again.owned("twilio") == {"new", "newest"}


@pytest.mark.parametrize(("channel", "is_remembered"), [(Channel.SIREN, True), (Channel.TEXT, False)])
async def test_an_incident_that_is_over_is_remembered_as_long_as_its_siren_was_not_heard_to_be_silent(
    house, channel, is_remembered
):
    await house.ledger.intend(leg(channel=channel), Message(body="help"), carrier="siren", at=NOW)
    over = IncidentRow("i1", "A7K2", "zhang", "sos", "resolved", 0, b"{}")
    later = EventRow(0, to_ms(NOW + timedelta(hours=2)), "health", None, None, None, b"{}", None)
    await house.journal.commit(Record([later], rest=Rest(incidents=[over])))
    assert bool(house.reader.open_incidents()) == is_remembered
    assert bool(house.reader.legs_of_open_incidents()) == is_remembered


@pytest.mark.parametrize(
    ("state", "channel", "days", "is_unsettled"),
    [
        ("resolved", Channel.TEXT, 2, False),
        ("resolved", Channel.TEXT, 0, True),
        ("notifying", Channel.TEXT, 2, True),
        ("resolved", Channel.SIREN, 2, True),
    ],
)
async def test_a_text_never_heard_of_again_is_not_asked_after_at_every_start_for_ever(
    house, state, channel, days, is_unsettled
):
    await house.ledger.intend(leg(channel=channel), Message(body="help"), carrier="twilio", at=NOW)
    changed = IncidentRow("i1", "A7K2", "zhang", "sos", state, 0, b"{}")
    later = EventRow(0, to_ms(NOW + timedelta(days=days)), "health", None, None, None, b"{}", None)
    await house.journal.commit(Record([later], rest=Rest(incidents=[changed])))
    assert bool(house.reader.unsettled_legs()) == is_unsettled


async def test_legs_of_errands_are_no_legs_of_the_day_before_and_after_a_restart(house):
    outside = replace(leg(), leg_id="errand-1.0.number.call.1", incident="errand-1", role=OUTSIDE)
    for one in (leg(), outside):
        assert await house.ledger.intend(one, Message(body="x"), carrier="twilio", at=NOW)
        await house.ledger.bind(one.leg_id, carrier="twilio", reference=f"ref/{one.leg_id}")
    assert house.ledger.legs_today(NOW) == 1
    after = JournalLedger(journal=house.journal, leg_known=lambda *_: None)
    after.restore([], house.reader.leg_references(10), NOW)
    assert after.legs_today(NOW) == 1


async def test_a_wiped_leg_is_not_taken_up_again_and_keeps_its_reference(house):
    outside = replace(leg(), leg_id="errand-1.0.number.call.1", incident="errand-1", role=OUTSIDE)
    await house.ledger.intend(outside, Message(body="482913"), carrier="twilio", at=NOW)
    await house.ledger.bind(outside.leg_id, carrier="twilio", reference="ref/1")
    done = asyncio.Event()
    house.journal.append(
        Record(rest=Rest(wiped=[LegWipe("errand-1")]), committed=lambda _: done.set(), urgent=True)
    )
    await done.wait()
    assert house.reader.unsettled_legs() == []
    assert [row["reference"] for row in house.reader.leg_references(10)] == ["ref/1"]
