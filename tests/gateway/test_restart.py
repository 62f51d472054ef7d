"""What a gateway does at its start with what the last one left: nobody is bothered by what is over."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest

from gateway.app import Gateway
from gateway.config import load
from gateway.incident_rows import Pending
from gateway.journal.records import Record
from gateway.model import Alarm, Why
from gateway.told import PortalCommand
from sos.events import Channel, LegState

ALL = frozenset(Channel)


class OneLine:
    """A carrier with one line; it answers nobody before `free` is set, and keeps what it was asked."""

    name = "twilio"
    concurrent = 1
    place_deadline_s = 1000
    trouble = ""

    def __init__(self, channels: frozenset[Channel] = ALL) -> None:
        self.channels = channels
        self.free = asyncio.Event()
        self.asked: list[str] = []

    async def run(self, _report) -> None:
        """Hear nothing."""
        await asyncio.Event().wait()

    async def place(self, leg, _message) -> str:
        """Take it when the line is free."""
        self.asked.append(leg.leg_id)
        await self.free.wait()
        return f"ref/{leg.leg_id}"

    async def find(self, _leg, *, since, owned) -> None:
        """Nothing is ever found."""

    async def status(self, _reference) -> LegState:
        """Where it was."""
        return LegState.PLACED

    async def hang_up(self, _reference) -> None:
        """Done."""


@contextlib.asynccontextmanager
async def serving(settings, carrier):
    """A gateway as `run` starts it, without its wires."""
    gateway = Gateway(settings, carriers=[carrier])
    gateway.journal.start()
    gateway.restart.restore()
    gateway.restart.resume()
    dispatching = asyncio.create_task(gateway.dispatcher.run())
    try:
        yield gateway
    finally:
        dispatching.cancel()
        await asyncio.gather(dispatching, return_exceptions=True)
        await gateway.journal.stop()
        gateway.reader.close()


@pytest.fixture
def settings(small_config, tmp_path):
    return load(small_config(('data_dir = "var"', f'data_dir = "{tmp_path}/var"')))


async def press(gateway, wearer="zhang"):
    """Raise an SOS; gives the incident once it is on the disk."""
    now, done = gateway.clock.now(), asyncio.Event()
    record, pending = Record(urgent=True), Pending()
    alarm = Alarm(
        alarm_id=f"sos.{wearer}",
        wearer=wearer,
        kind="sos",
        severity="critical",
        why=Why(code="press"),
        at=now,
    )
    gateway.incidents.raise_alarm(alarm, record, pending, now)
    gateway.engine.commit(record, pending, lambda _: done.set())
    await done.wait()
    return gateway.incidents.of(wearer, "sos", drill=False)


async def order(gateway, name, incident) -> None:
    """Order it on the box; returns after its commit."""
    done = asyncio.Event()
    command = PortalCommand(number=0, command="c", name=name, incident=incident.incident_id, by="李建国")
    assert gateway.engine.ordered_here(command, lambda _: done.set()) is None
    await done.wait()


async def until(true) -> None:
    """Wait for something that happens on this loop and on the disk."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 (the disk sets no event)
            await asyncio.sleep(0.005)


def open_orders(gateway) -> list[str]:
    return [row["kind"] for row in gateway.reader.open_outbox()]


async def test_a_call_that_was_hung_up_before_its_turn_is_not_made_by_the_next_process(settings):
    line = OneLine()
    async with serving(settings, line) as gateway:
        incident = await press(gateway)
        await until(lambda: line.asked)
        waiting = gateway.incidents.get(incident.incident_id).calling not in line.asked
        await order(gateway, "acknowledge", incident)
        line.free.set()
        await until(lambda: gateway.dispatcher.underway <= len(line.asked))
        await until(lambda: "PlaceCall" not in open_orders(gateway))
    assert waiting, "the call waits for the line that a text holds"
    calls = [leg for leg in line.asked if ".call." in leg]
    after = OneLine()
    async with serving(settings, after) as gateway:
        await until(lambda: gateway.incidents.get(incident.incident_id).phase == "acknowledged")
        await asyncio.sleep(0)
        assert not gateway.ledger._orders
    assert not calls
    assert not [leg for leg in after.asked if ".call." in leg]


async def test_a_text_no_carrier_could_take_is_not_sent_by_the_next_process_when_all_is_over(settings):
    async with serving(settings, OneLine(frozenset({Channel.SIREN}))) as gateway:
        incident = await press(gateway)
        await order(gateway, "resolve", incident)
        await until(lambda: gateway.dispatcher.underway == 0)
        await until(lambda: "SendText" not in open_orders(gateway))
    after = OneLine()
    async with serving(settings, after) as gateway:
        assert gateway.dispatcher.underway == 0
    assert after.asked == []


@pytest.mark.parametrize(
    "damage",
    [
        "update incidents set body = '{}' where wearer = 'zhang'",
        "update legs set body = '{}' where contact = 'son'",
        "update outbox set body = '{}', done_ms = null where kind = 'SendText'",
        "update outbox set kind = 'Unheard', done_ms = null where kind = 'SendText'",
    ],
)
async def test_a_row_that_cannot_be_read_keeps_nobody_else_from_help(settings, damage, caplog):
    line = OneLine()
    line.free.set()
    async with serving(settings, line) as gateway:
        await press(gateway)
        other = await press(gateway, "wang")
        await until(lambda: any(".niece.call." in leg for leg in line.asked))
    with contextlib.closing(sqlite3.connect(gateway.path)) as journal:
        assert journal.execute(damage).rowcount
        journal.commit()
    async with serving(settings, OneLine()) as gateway:
        assert gateway.incidents.get(other.incident_id) is not None
    assert "cannot be read and is left out" in caplog.text
