"""A JT/T 808 terminal on a real TCP line of a real gateway, speaking captured frames under its own number."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firmware_sim.jt808_frames import FromPlatform, bcd_time, code_of, result_of
from gateway.app import Gateway
from gateway.bands.keys import derive
from gateway.codecs.jt808_frame import Frame, build, parse
from gateway.config import load
from gateway.model import DownCommand
from sos.carriers import simulated

ROOT = Path(__file__).parents[2]
ROWS = [json.loads(line) for line in (ROOT / "tests/vectors/jt808.jsonl").read_text().splitlines()]
REGISTER, AUTHENTICATE, POSITION, BACKLOG, HEARTBEAT = 46, 48, 1, 56, 52
"""Rows of the vectors."""
PHONE, STRANGER = "013800138000", "013800138009"
SERIAL = "0567872"
"""The terminal id in the captured registration."""
HOME = (31.155, 121.105)


def captured(row: int) -> Frame:
    return parse(bytes.fromhex(ROWS[row].get("wire_hex") or ROWS[row]["frame"]))


class Terminal:
    """One connection; what it sends are captured bodies, what it hears are whole frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, phone: str) -> None:
        self._reader, self._writer, self._phone = reader, writer, bytes.fromhex(phone)
        self._cut = FromPlatform()
        self._heard: list[Frame] = []
        self.serial = 0

    def frame(self, row: int, *, body: bytes | None = None) -> bytes:
        """A captured message under this number, as it was captured unless another body is given."""
        self.serial += 1
        sent = captured(row)
        body = sent.body if body is None else body
        return build(sent.message, body, phone=self._phone, serial=self.serial)

    def confirm(self, order: Frame) -> bytes:
        """0x0001: this order was carried out."""
        self.serial += 1
        body = struct.pack(">HHB", order.serial, order.message, 0)
        return build(0x0001, body, phone=self._phone, serial=self.serial)

    async def say(self, *frames: bytes) -> None:
        self._writer.write(b"".join(frames))
        await self._writer.drain()

    async def hear(self) -> Frame:
        """The next frame that comes down."""
        async with asyncio.timeout(10):
            while not self._heard:
                data = await self._reader.read(4096)
                assert data, "the gateway closed the line"
                self._heard += self._cut.feed(data)
        return self._heard.pop(0)

    async def result(self) -> tuple[int, int, int]:
        """Serial, message and result of the next answer."""
        said = result_of(await self.hear())
        assert said is not None
        return tuple(said)

    async def log_in(self) -> None:
        await self.say(self.frame(REGISTER))
        code = code_of(await self.hear())
        assert code is not None
        await self.say(self.frame(AUTHENTICATE, body=code))
        assert await self.result() == (self.serial, 0x0102, 0)


def position(*, sos: bool = False, at: datetime | None = None, place: tuple[float, float] = HOME) -> bytes:
    """The captured position with the button's bit, another place and another time; its items stay."""
    body = captured(POSITION).body
    lat, lon = (round(degrees * 1e6) for degrees in place)
    return (
        struct.pack(">I", int(sos))
        + body[4:8]
        + struct.pack(">II", lat, lon)
        + body[16:22]
        + bcd_time(at or datetime.now(UTC))
        + body[28:]
    )


class Site:
    """A running gateway, its journal, and the way in."""

    def __init__(self, gateway: Gateway, address: str) -> None:
        self.gateway = gateway
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self._open: list[asyncio.StreamWriter] = []

    async def connect(self, phone: str = PHONE) -> Terminal:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        self._open.append(writer)
        return Terminal(reader, writer, phone)

    def query(self, sql: str) -> list[tuple]:
        connection = sqlite3.connect(
            f"file:{self.gateway.settings.site.data_dir}/gw-test.journal.db?mode=ro", uri=True
        )
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    async def close(self) -> None:
        for writer in self._open:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
async def site(small_config, tmp_path):
    device = (
        f'{{ id = "{PHONE}", protocol = "jt808", model = "c5l", serial = "{SERIAL}",'
        ' key = { file = "var/secrets/wang" } }'
    )
    (tmp_path / "var/secrets").mkdir(parents=True)
    (tmp_path / "var/secrets/wang").write_text("the key that was printed for this band")
    path = small_config(
        ('devices = [{ id = "4700186508", protocol = "watch" }]', f"devices = [{device}]"),
        ('data_dir = "var"', f'data_dir = "{tmp_path}/var"'),
        ('map_dir = "seed"', f'map_dir = "seed"\nmodels_dir = "{ROOT / "data/models"}"'),
        more="""
        [transports.tcp]
        listeners = [{ host = "127.0.0.1", port = 0, protocol = "jt808" }]
        """,
    )
    carrier = simulated.CARRIER(simulated.Settings(answer="presses", ring_s=0.05, key_s=0.05))
    gateway = Gateway(load(path), carriers=[carrier])
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(gateway.run(lambda addresses: listening.set_result(addresses["tcp"])))
    there = Site(gateway, await listening)
    yield there
    await there.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_whole_session_is_answered_in_order_and_an_sos_starts_the_cascade(site):
    terminal = await site.connect()
    await terminal.log_in()
    await terminal.say(
        terminal.frame(HEARTBEAT),
        terminal.frame(POSITION, body=position()),
        terminal.frame(BACKLOG),
        terminal.frame(POSITION, body=position(sos=True)),
        terminal.frame(POSITION, body=position(sos=True)),
    )
    answers = [await terminal.result() for _ in range(5)]
    assert answers == [(3, 0x0002, 0), (4, 0x0200, 0), (5, 0x0704, 0), (6, 0x0200, 4), (7, 0x0200, 4)]
    help_is_coming = await terminal.hear()
    assert help_is_coming.message == 0x8300
    assert help_is_coming.body[1:].decode("gbk").startswith("求助已收到")
    await terminal.say(terminal.confirm(help_is_coming), terminal.frame(HEARTBEAT))
    assert (await terminal.result())[1:] == (0x0002, 0)
    orders = [
        json.loads(body) for (body,) in site.query("select payload from events where kind = 'band_order'")
    ]
    assert (orders[-1]["name"], orders[-1]["state"]) == ("help_is_coming", "done")
    assert site.query("select wearer, kind, state from incidents") == [("wang", "sos", "acknowledged")]
    assert {("niece", "text", 1), ("niece", "call", 1)} <= set(
        site.query("select contact, channel, round from legs")
    )
    assert site.query("select count(*) from quarantine") == [(0,)]
    assert site.query("select distinct device, wire from events where kind = 'telemetry'") == [(PHONE, "tcp")]


async def test_the_backlog_is_history_and_moves_no_fence(site):
    terminal = await site.connect()
    await terminal.log_in()
    a_little_ago = datetime.now(UTC) - timedelta(seconds=5)
    await terminal.say(terminal.frame(POSITION, body=position(at=a_little_ago)))
    await terminal.result()
    before = site.query("select owner, body from states where owner like '%fence%'")
    timers = site.query("select * from timers")
    await terminal.say(terminal.frame(BACKLOG))
    assert (await terminal.result())[2] == 0
    assert before
    assert site.query("select owner, body from states where owner like '%fence%'") == before
    assert [row for row in site.query("select * from timers") if row not in timers] == []
    assert site.query("select count(*) from alarms") == [(0,)]
    stored = site.query("select payload from events where kind = 'telemetry' order by seq desc limit 1")
    telemetry = json.loads(stored[0][0])
    assert telemetry["backlog"] is True
    assert [reading["kind"] for reading in telemetry["readings"]].count("fix") == 3
    await terminal.say(terminal.frame(POSITION, body=position(place=(37.149177, 8.464058))))
    await terminal.result()
    assert site.query("select owner, body from states where owner like '%fence%'") != before


async def test_without_its_code_it_is_told_so_and_nothing_it_says_is_telemetry(site):
    terminal = await site.connect()
    await terminal.say(terminal.frame(POSITION, body=position(sos=True)))
    assert await terminal.result() == (1, 0x0200, 1)
    await terminal.say(terminal.frame(AUTHENTICATE))
    assert await terminal.result() == (2, 0x0102, 1)
    assert site.query("select reason from quarantine order by number") == [
        ("not authenticated",),
        ("wrong authentication code",),
    ]
    assert site.query("select count(*) from events where kind in ('telemetry', 'incident')") == [(0,)]
    cries = site.query("select kind, severity, incident, body from alarms")
    assert [(kind, severity, incident) for kind, severity, incident, _ in cries] == [
        ("band", "critical", None)
    ]
    assert json.loads(cries[0][3])["why"]["code"] == "cry_without_login", "staff see it, nobody is rung"


async def test_what_was_refused_is_sent_again_after_the_login_and_then_rings(site):
    terminal = await site.connect()
    sos = terminal.frame(POSITION, body=position(sos=True))
    await terminal.say(sos)
    assert (await terminal.result())[2] == 1
    await terminal.log_in()
    await terminal.say(sos)
    assert await terminal.result() == (1, 0x0200, 4)
    assert site.query("select wearer, kind from incidents") == [("wang", "sos")]


async def test_a_terminal_keeps_its_code_over_connections(site):
    code = derive(site.gateway.settings.wearers[1].devices[0].key).login_code
    terminal = await site.connect()
    await terminal.say(terminal.frame(AUTHENTICATE, body=code.encode()))
    assert await terminal.result() == (1, 0x0102, 0)


async def test_a_stranger_and_a_swapped_terminal_are_turned_away_in_their_own_words(site):
    stranger = await site.connect(STRANGER)
    await stranger.say(stranger.frame(REGISTER))
    answer = await stranger.hear()
    assert (answer.message, answer.body) == (0x8100, struct.pack(">HB", 1, 4))
    swapped = await site.connect()
    await swapped.say(
        swapped.frame(REGISTER, body=captured(REGISTER).body.replace(SERIAL.encode(), b"1111111"))
    )
    answer = await swapped.hear()
    assert (answer.message, answer.body) == (0x8100, struct.pack(">HB", 1, 3))
    assert site.query("select reason from quarantine order by number") == [
        ("unknown terminal",),
        ("terminal id is another",),
    ]


async def test_a_late_sos_out_of_the_store_still_starts_the_cascade_marked_late(site):
    terminal = await site.connect()
    await terminal.log_in()
    record = position(sos=True, at=datetime.now(UTC) - timedelta(hours=2))
    await terminal.say(terminal.frame(BACKLOG, body=struct.pack(">HBH", 1, 1, len(record)) + record))
    assert (await terminal.result())[2] == 0
    ((body,),) = site.query("select body from alarms where kind = 'sos'")
    assert json.loads(body)["late"] is True
    assert site.query("select wearer, kind from incidents") == [("wang", "sos")]


async def test_a_band_that_is_taken_off_the_list_is_out(site):
    terminal = await site.connect()
    await terminal.log_in()
    site.gateway.people.registry.replace([])
    await terminal.say(terminal.frame(HEARTBEAT))
    assert (await terminal.result())[2] == 1
    assert site.query("select reason from quarantine") == [("unknown terminal",)]


async def test_an_order_reaches_the_terminal_in_its_own_words(site):
    terminal = await site.connect()
    await terminal.log_in()
    order = site.gateway.intake.codec_of(PHONE).encode_down(DownCommand(name="message", text="吃药"), PHONE)
    assert site.gateway.transports["tcp"].send(PHONE, order.data, lambda: None)
    heard = await terminal.hear()
    assert (heard.message, heard.body[1:].decode("gbk")) == (0x8300, "吃药")
    assert order.tag == f"8300:{heard.serial}"
