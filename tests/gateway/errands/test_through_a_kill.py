"""The whole gateway with its journal in a file: a text and a test call past kills at their worst moments."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from datetime import timedelta

import msgspec
import pytest

from gateway.app import Gateway
from gateway.config import load
from gateway.errands import texts
from gateway.journal.reader import verify
from gateway.journal.writer import JournalWriter
from gateway.model import Alarm, Why
from gateway.told import CommandDone, PortalCommand
from sos.carriers.base import CarrierAmbiguous
from sos.events import Channel, LegState

CODE = "您的登录码是 482913"
PHONE = "+8613800138777"


class Network:
    """What outlives the process: what a carrier really took, by leg."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.lose_answers = 0
        self.gate = asyncio.Event()
        self.gate.set()


class Line:
    """A carrier of texts and calls over the network; it settles by its own list."""

    name = "twilio"
    channels = frozenset({Channel.TEXT, Channel.CALL})
    trouble = ""

    def __init__(self, network: Network) -> None:
        self.network = network

    async def run(self, _report) -> None:
        """Hear nothing."""
        await asyncio.Event().wait()

    async def place(self, leg, _message) -> str:
        """Take it, and lose the answer when told to."""
        await self.network.gate.wait()
        self.network.taken.append(leg.leg_id)
        if self.network.lose_answers:
            self.network.lose_answers -= 1
            raise CarrierAmbiguous("the answer was lost")
        return f"ref/{leg.leg_id}"

    async def find(self, leg, *, since, owned) -> str | None:
        """What was taken is in the list."""
        del since
        reference = f"ref/{leg.leg_id}"
        return reference if leg.leg_id in self.network.taken and reference not in owned else None

    async def status(self, reference) -> LegState:
        """A text was delivered, a call rings on."""
        return LegState.DELIVERED if ".text." in reference else LegState.RINGING

    async def hang_up(self, _reference) -> None:
        """Done."""


@pytest.fixture
def settings(small_config, tmp_path):
    read = load(small_config(('data_dir = "var"', f'data_dir = "{tmp_path}/var"')))
    return msgspec.structs.replace(read, sos=msgspec.structs.replace(read.sos, settle_s=0.2))


@contextlib.asynccontextmanager
async def life(settings, network, **more):
    """One life of a gateway; it ends without a word, as by kill -9, with what was committed by then."""
    gateway = Gateway(settings, carriers=[Line(network)], **more)
    gateway.journal.start()
    gateway.restart.restore()
    tasks = [asyncio.create_task(gateway.dispatcher.run()), asyncio.create_task(gateway.errands.run())]
    gateway.restart.resume()
    try:
        yield gateway
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gateway.journal.stop()
        gateway.reader.close()


def order(gateway, name="send_text", **fields):
    if name == "send_text":
        fields = {"phone": PHONE, "text": CODE, "purpose": "notice"} | fields
    command = PortalCommand(number=1, command="c1", name=name, **fields)
    gateway.engine.ordered(command)


def answers(path):
    with contextlib.closing(sqlite3.connect(path)) as journal:
        rows = journal.execute("select payload from events where kind = 'command' order by seq").fetchall()
    return [(one.done, one.reason) for one in (msgspec.json.decode(row[0], type=CommandDone) for row in rows)]


def legs(path):
    with contextlib.closing(sqlite3.connect(path)) as journal:
        return journal.execute("select leg_id, state from legs").fetchall()


async def until(true) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  the file is looked at, and nobody tells of it
            await asyncio.sleep(0.01)


async def test_a_text_goes_out_once_and_leaves_no_word_in_the_file(settings):
    network = Network()
    async with life(settings, network) as gateway:
        order(gateway)
        await until(lambda: answers(gateway.path) == [(True, "")])
    assert len(network.taken) == 1
    assert verify(gateway.path).faults == ()
    with contextlib.closing(sqlite3.connect(gateway.path)) as journal:
        journal.execute("pragma wal_checkpoint(truncate)")
    assert b"482913" not in gateway.path.read_bytes()
    assert PHONE.encode() not in gateway.path.read_bytes()


@pytest.mark.parametrize(
    ("purpose", "taken", "answer"), [("notice", 0, (False, "unclear")), ("code", 1, (True, ""))]
)
async def test_a_kill_while_the_carrier_is_asked_sends_a_code_again_and_no_notice(
    settings, purpose, taken, answer
):
    network = Network()
    network.gate.clear()
    async with life(settings, network) as gateway:
        order(gateway, purpose=purpose)
        await until(lambda: legs(gateway.path))
    network.gate.set()
    async with life(settings, network) as gateway:
        await until(lambda: answers(gateway.path))
    assert len(network.taken) == taken
    assert answers(gateway.path) == [answer]


async def test_a_kill_before_it_was_begun_loses_nothing(settings):
    network = Network()
    gateway = Gateway(settings, carriers=[Line(network)])
    gateway.journal.start()
    order(gateway)  # its own task never runs in this life
    await gateway.journal.stop()
    gateway.reader.close()
    async with life(settings, network) as gateway:
        await until(lambda: answers(gateway.path) == [(True, "")])
    assert len(network.taken) == 1


async def test_an_answer_that_got_lost_is_found_in_the_carriers_list(settings):
    network = Network()
    network.lose_answers = 1
    async with life(settings, network) as gateway:
        order(gateway)
        await until(lambda: answers(gateway.path) == [(True, "")])
    assert len(network.taken) == 1


async def test_a_test_call_that_rang_before_a_kill_is_not_rung_again(settings):
    network = Network()
    async with life(settings, network) as gateway:
        order(gateway, "test_call", wearer="zhang", contact="son", by="周敏")
        await until(lambda: network.taken)
        await until(lambda: gateway.ledger.owned("twilio"))
    async with life(settings, network) as gateway:
        await until(lambda: gateway.dispatcher.underway)
        assert len(gateway.errands.tests) == 1
        await asyncio.sleep(0)
    assert len(network.taken) == 1


class Dying(JournalWriter):
    """A journal that commits so many records and then, like everything else of a killed process, no more."""

    def __init__(self, *args, records: int, **more) -> None:
        super().__init__(*args, **more)
        self.left = records

    def append(self, record) -> None:
        """Take it, while there is life left."""
        if self.left > 0:
            self.left -= 1
            super().append(record)


@pytest.mark.parametrize("purpose", ["notice", "code"])
@pytest.mark.parametrize("records", range(9))
async def test_killed_after_any_record_a_notice_is_sent_once_at_most_and_never_forgotten(
    settings, purpose, records
):
    network = Network()
    make = functools.partial(Dying, records=records)
    async with life(settings, network, make_journal=make) as gateway:
        order(gateway, purpose=purpose)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await until(lambda: gateway.journal.left == 0 or answers(gateway.path))
                await asyncio.sleep(0.05)  # what was handed over before the last breath still happens
    async with life(settings, network) as gateway:
        if gateway.reader.mark("command_number") < 1:
            order(gateway, purpose=purpose)  # the portal gives again what was never on the disk
        await until(lambda: answers(gateway.path))
    (answer,) = answers(gateway.path)
    assert answer in {(True, ""), (False, "unclear")}
    if purpose == "notice":
        assert len(network.taken) <= 1
        assert answer[0] == (len(network.taken) == 1), "what was sent is said to be, by the carrier's list"
    else:
        assert answer == (True, "")
        assert 1 <= len(network.taken) <= 2
    assert verify(gateway.path).faults == ()


class Stuck(JournalWriter):
    """A journal on a disk that stops after so many records, until it is `freed`."""

    def __init__(self, *args, records: int, **more) -> None:
        super().__init__(*args, **more)
        self.left = records
        self.held = []

    def append(self, record) -> None:
        """Take it now, or when the disk is back."""
        if self.left > 0:
            self.left -= 1
            super().append(record)
        else:
            self.held.append(record)

    def free(self) -> None:
        """The disk is back."""
        self.left = 1_000_000
        held, self.held = self.held, []
        for record in held:
            self.append(record)


async def test_on_a_stuck_disk_a_text_waits_and_an_alarm_does_not(settings, monkeypatch):
    monkeypatch.setattr(texts, "LINE_PAUSE", timedelta(seconds=0.1))
    network = Network()
    make = functools.partial(Stuck, records=2)  # the order and the beginning, but no intent
    async with life(settings, network, make_journal=make) as gateway:
        order(gateway)
        await until(lambda: gateway.journal.held)
        await asyncio.sleep(2 * settings.sos.max_commit_wait_ms / 1000)
        assert network.taken == []
        press = Alarm(
            alarm_id="sos.1",
            wearer="zhang",
            kind="sos",
            severity="critical",
            why=Why(code="press"),
            at=gateway.clock.now(),
        )
        gateway.engine.noticed(press)
        await until(lambda: len(network.taken) >= 3)
        assert not [leg_id for leg_id in network.taken if leg_id.startswith("errand-")]
        gateway.journal.free()
        await until(lambda: answers(gateway.path))
    assert len([leg_id for leg_id in network.taken if leg_id.startswith("errand-")]) == 1
    assert answers(gateway.path) == [(True, "")]
