"""Each simulated band is a real client: it reaches a server, loses it, finds it again, keeps its press."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shutil
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest

from firmware_sim.band import Band, Sample
from firmware_sim.faults import Faults, Weather
from firmware_sim.ground import Ground
from firmware_sim.links.base import BandLink
from firmware_sim.links.coap import CoapLink
from firmware_sim.links.mqtt import MqttLink
from firmware_sim.links.serial import SerialLink
from firmware_sim.links.tcp import TcpLink
from firmware_sim.report import Press, Report
from firmware_sim.scenario import Scenario
from firmware_sim.settings import SimBand
from firmware_sim.wearable import MAX_WAITING, Wearable
from gateway.bands import keys
from gateway.transports import coap
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SAMPLE = Sample(
    at_s=0, lat=31.1553, lon=121.105, alt_m=4, speed_m_s=1, course_deg=90, accuracy_m=3, satellites=15,
    battery_pct=80, steps=1, worn=True, vitals=None,
)  # fmt: skip
LIVE = Report(at=NOW, sample=SAMPLE)
PRESSED = Report(at=NOW, sample=SAMPLE, press=Press(press_id="p-1", at=NOW))


@contextlib.asynccontextmanager
async def running(link: BandLink) -> AsyncIterator[list[str]]:
    heard: list[str] = []
    task = asyncio.create_task(link.run(heard.append))
    try:
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is awaited lies behind a socket and has no event
        await asyncio.sleep(0.005)


# ---------------------------------------------------------------- a watch on TCP


class WatchServer:
    """Reads frames; answers alarms while `answers` is true."""

    def __init__(self) -> None:
        self.answers = True
        self.heard = b""
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while data := await reader.read(4096):
            self.heard += data
            if b"*AL," in data and self.answers:
                writer.write(b"[3G*4700186508*0002*AL]")
        writer.close()


@pytest.fixture
async def watch_server() -> AsyncIterator[tuple[WatchServer, int]]:
    state = WatchServer()
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    yield state, server.sockets[0].getsockname()[1]
    server.close()
    for writer in state.writers:
        writer.transport.abort()


async def test_a_watch_greets_then_reports_and_has_its_alarm_answered(
    watch_server: tuple[WatchServer, int],
) -> None:
    server, port = watch_server
    link = TcpLink(SimBand(device="4700186508", link="tcp", port=port), "xinhe")
    async with running(link):
        await link.connected.wait()
        assert await link.deliver(LIVE)
        assert await link.deliver(PRESSED)
    assert server.heard.startswith(b"[3G*4700186508*000A*LK,1,10,80]")
    assert server.heard.index(b"*UD,231126,120000,A,31.155300,N,121.105000,E") < server.heard.index(
        b"*AL,231126"
    )


async def test_an_unanswered_alarm_is_not_delivered(
    watch_server: tuple[WatchServer, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_sim.links.tcp.ANSWER_S", 0.05)
    server, port = watch_server
    server.answers = False
    link = TcpLink(SimBand(device="4700186508", link="tcp", port=port), "xinhe")
    async with running(link):
        await link.connected.wait()
        assert not await link.deliver(PRESSED)


async def test_a_watch_shows_a_message_and_comes_back_after_a_broken_line(
    watch_server: tuple[WatchServer, int],
) -> None:
    server, port = watch_server
    link = TcpLink(SimBand(device="4700186508", link="tcp", port=port), "xinhe")
    async with running(link) as heard:
        await until(lambda: len(server.writers) == 1)
        words = "有人来了".encode("utf-16-be").hex().upper()
        server.writers[0].write(f"[3G*4700186508*{8 + len(words):04X}*MESSAGE,{words}]".encode())
        await until(lambda: bool(heard))
        server.writers[0].transport.abort()
        await until(lambda: len(server.writers) == 2)
        await link.connected.wait()
        assert await link.deliver(LIVE)
    assert heard == ["有人来了"]


@pytest.mark.parametrize(
    ("words", "order"), [("FIND", "find"), ("CR", "locate_now"), ("UPLOAD,300", "interval")]
)
async def test_a_watch_does_what_it_is_ordered_and_says_so(
    watch_server: tuple[WatchServer, int], words: str, order: str
) -> None:
    server, port = watch_server
    link = TcpLink(SimBand(device="4700186508", link="tcp", port=port), "xinhe")
    name = words.partition(",")[0]
    async with running(link) as heard:
        await until(lambda: len(server.writers) == 1)
        server.writers[0].write(f"[3G*4700186508*{len(words):04X}*{words}]".encode())
        await until(lambda: f"*{name}]".encode() in server.heard)
    assert heard == [order]


async def test_without_a_server_nothing_is_delivered(free_port: Callable[[], int]) -> None:
    link = TcpLink(SimBand(device="4700186508", link="tcp", port=free_port()), "xinhe")
    async with running(link):
        assert not await link.deliver(LIVE)


# ---------------------------------------------------------------- a band on CoAP


class OneBand:
    """Believes band-chen, and no password at all; stores at once."""

    congested = False

    def __init__(self) -> None:
        self.got: list[Inbound] = []

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound)
        inbound.settle(Settlement(Outcome.STORED))

    def admits(self, _device: str, _secret: bytes) -> bool:
        return False

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        known = key_id == keys.key_id("band-chen")
        return ("band-chen", keys.derive("k3y").oscore_secret) if known else None

    def closed(self, link: Link) -> None:
        """Nothing to forget."""


@contextlib.asynccontextmanager
async def coap_gateway(port: int, folder: Path) -> AsyncIterator[tuple[coap.CoapTransport, OneBand]]:
    sink, ready = OneBand(), asyncio.Event()
    site = Site(gateway="g", community="xinhe", data_dir=folder)
    transport = coap.CoapTransport(coap.CoapSettings(port=port), sink, site)
    task = asyncio.create_task(transport.run(lambda _: ready.set()))
    await ready.wait()
    yield transport, sink
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_coap_band_posts_cbor_under_its_key_and_hears_its_orders_at_once(
    free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = free_port()
    link = CoapLink(SimBand(device="band-chen", link="coap", port=port, key="k3y"), "xinhe")
    orders = [b'[{"n":"cmd","vs":"help_is_coming"}]', b'[{"n":"cmd","vs":"find"}' + b" " * 3000 + b"]"]
    done: list[bytes] = []
    async with coap_gateway(port, tmp_path) as (transport, sink), running(link) as heard:
        await link.connected.wait()
        assert await link.deliver(LIVE)
        for order in orders:
            assert transport.send("band-chen", order, lambda order=order: done.append(order))
            await until(lambda order=order: order in done)
    (inbound,) = sink.got
    assert inbound.link.device == "band-chen"
    assert inbound.data[0] >> 4 == 8
    assert heard == ["help_is_coming", "find"]


async def test_a_coap_band_goes_on_with_a_gateway_that_came_back(
    free_port: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_sim.links.coap.REGISTER_S", 0.2)
    port = free_port()
    link = CoapLink(SimBand(device="band-chen", link="coap", port=port, key="k3y"), "xinhe")
    async with running(link) as heard:
        async with coap_gateway(port, tmp_path):
            await link.connected.wait()
        async with coap_gateway(port, tmp_path) as (transport, _):
            order = b'[{"n":"cmd","vs":"find"}]'
            await until(lambda: transport.send("band-chen", order, lambda: None))
            await until(lambda: "find" in heard)
            assert await link.deliver(LIVE)


async def test_a_coap_band_without_a_server_is_not_connected(free_port: Callable[[], int]) -> None:
    link = CoapLink(SimBand(device="band-chen", link="coap", port=free_port(), key="k"), "xinhe")
    async with running(link):
        await until(lambda: link._oscore is not None)
        assert not await link.deliver(LIVE)
        assert not link.connected.is_set()


# ---------------------------------------------------------------- a receiver on a serial line


async def read_line(fd: int) -> bytes:
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, readable.set)
    await readable.wait()
    loop.remove_reader(fd)
    return os.read(fd, 4096)


async def test_a_receiver_speaks_nmea_at_its_path_and_takes_the_path_away_again(tmp_path: Path) -> None:
    path = tmp_path / "sim" / "gnss0"
    link = SerialLink(SimBand(device="gnss-zhao", link="serial", path=path), "xinhe")
    async with running(link):
        await link.connected.wait()
        fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(fd)
        assert await link.deliver(LIVE)
        heard = await read_line(fd)
        os.close(fd)
    assert heard.startswith(b"$GNGGA,120000.000,3109.3")
    assert not path.is_symlink()


async def test_a_receiver_nobody_reads_keeps_nothing_old(tmp_path: Path) -> None:
    path = tmp_path / "gnss0"
    link = SerialLink(SimBand(device="gnss-zhao", link="serial", path=path), "xinhe")
    async with running(link):
        await link.connected.wait()
        fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        for minute in range(30):
            assert await link.deliver(replace(LIVE, at=NOW.replace(minute=minute)))
            assert select.select([fd], [], [], 5)[0] == [fd]
        heard = await read_line(fd)
        os.close(fd)
    assert link.thrown_away == 29
    times = {line.split(b",")[1] for line in heard.split(b"\r\n") if line.startswith(b"$GNGGA")}
    assert times == {b"122900.000"}


async def test_unplugging_leaves_a_path_that_is_somebody_elses_alone(tmp_path: Path) -> None:
    path = tmp_path / "gnss0"
    first, second = (
        SerialLink(SimBand(device="gnss-zhao", link="serial", path=path), "xinhe") for _ in range(2)
    )
    first.plug()
    second.plug()
    first.unplug()
    assert path.is_symlink()
    second.unplug()
    assert not path.is_symlink()


# ---------------------------------------------------------------- a band on MQTT


@pytest.mark.slow
async def test_an_mqtt_band_publishes_finds_a_restarted_broker_and_hears_its_orders(
    free_port: Callable[[], int], tmp_path: Path
) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="ascii")
    start: Callable[[], Awaitable[asyncio.subprocess.Process]] = lambda: asyncio.create_subprocess_exec(  # noqa: E731 - started twice
        shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or "mosquitto",
        "-c",
        str(config),
        stderr=asyncio.subprocess.DEVNULL,
    )
    broker = await start()
    link = MqttLink(SimBand(device="band-zhang", link="mqtt", port=port, key="k"), "xinhe")
    async with running(link) as heard:
        await link.connected.wait()
        broker.kill()
        await broker.wait()
        await until(lambda: not link.connected.is_set())
        assert not await link.deliver(LIVE)
        broker = await start()
        await link.connected.wait()
        async with aiomqtt.Client("127.0.0.1", port) as other:
            await other.subscribe("sw/xinhe/band-zhang/up", qos=1)
            assert await link.deliver(PRESSED)
            message = await anext(other.messages)
            await other.publish("sw/xinhe/band-zhang/down", b'[{"n":"cmd","vs":"help_is_coming"}]', qos=1)
            await until(lambda: bool(heard))
    broker.terminate()
    await broker.wait()
    assert [context for context in complaints if context.get("exception") is not None] == []
    assert {"n": "press", "vs": "p-1"} in json.loads(message.payload)
    assert heard == ["help_is_coming"]


# ---------------------------------------------------------------- the band that wears the line


class FakeLink:
    """Delivers while `up`; keeps everything it was given."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.connected.set()
        self.up = False
        self.given: list[Report] = []
        self.taken: list[Report] = []

    async def run(self, heard: Callable[[str], None]) -> None:  # noqa: ARG002 - the shape of a link
        await asyncio.get_running_loop().create_future()

    async def deliver(self, report: Report) -> bool:
        self.given.append(report)
        if self.up:
            self.taken.append(report)
        await asyncio.sleep(0)
        return self.up


def wearable_of(
    evening: Scenario, ground: Ground, link: FakeLink, faults: Faults, said: list[str]
) -> Wearable:
    plan = next(plan for plan in evening.bands if plan.device == "band-zhang")
    return Wearable(
        band=Band(plan, ground, 1),
        link=link,
        weather=Weather(faults, 1),
        say=lambda _, english: said.append(english),
        speed=1000,
    )


async def test_a_press_is_resent_with_the_same_id_until_it_is_acknowledged_and_then_no_more(
    evening: Scenario, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_sim.wearable.SOS_RETRY_S", 0.001)
    monkeypatch.setattr("firmware_sim.wearable.RETRY_S", 0.001)
    link, said = FakeLink(), []
    wearable = wearable_of(evening, ground, link, Faults(lost=0.3), said)
    begin = asyncio.Event()
    begin.set()
    task = asyncio.create_task(wearable.run(begin))

    def presses(reports: list[Report]) -> list[Press]:
        return [report.press for report in reports if report.press is not None]

    await until(lambda: len(presses(link.given)) >= 5)
    assert presses(link.taken) == []
    link.up = True
    await until(lambda: "'s SOS is acknowledged by the gateway" in said)
    resent = len(presses(link.given))
    count = len(link.taken)
    await until(lambda: len(link.taken) > count + 20)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert len(set(presses(link.given))) == 1
    assert len(presses(link.given)) == resent
    assert said.count("'s SOS is acknowledged by the gateway") == 1


@pytest.mark.parametrize(("stored_after_s", "stored"), [(0.05, True), (3600.0, False)])
async def test_reports_wait_in_the_band_the_oldest_go_first_and_old_ones_are_marked_as_stored(
    evening: Scenario,
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stored_after_s: float,
    stored: bool,
) -> None:
    monkeypatch.setattr("firmware_sim.wearable.STORED_AFTER_S", stored_after_s)
    monkeypatch.setattr("firmware_sim.wearable.RETRY_S", 0.001)
    link, said = FakeLink(), []
    wearable = wearable_of(evening, ground, link, Faults(), said)
    begin = asyncio.Event()
    begin.set()
    task = asyncio.create_task(wearable.run(begin))
    await until(lambda: wearable.dropped >= 3)
    link.up = True
    await until(lambda: len([report for report in link.taken if report.press is None]) > MAX_WAITING)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    taken = [report for report in link.taken if report.press is None]
    assert [report.sample.at_s for report in taken] == sorted(report.sample.at_s for report in taken)
    assert taken[0].stored is stored
    pace_s = taken[3].sample.at_s - taken[2].sample.at_s
    assert taken[1].sample.at_s > 2 * pace_s, "the oldest have gone; only the one in hand may be older"
