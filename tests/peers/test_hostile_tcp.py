"""Everything hostile at once against a real gateway, while an honest watch and an honest band are answered.

The figures are printed: `python -m pytest -s tests/peers/test_hostile_tcp.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import resource
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from gateway.strangers import ALL_A_SECOND, ALL_AT_ONCE

FLOOD_LINES = 5000
LORIS_LINES = 200
RUBBISH_LINES = 60
ENDLESS_BYTES = 10 * 1024 * 1024
PIECE_BYTES = 16 * 1024
UNKNOWN_S = 5
MOST_PER_PEER = 1000
MOST_GROWTH_MB = 48
FLOODER, LORIS, ENDLESS, IMPOSTOR = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
BEGINNINGS = {
    "watch": b"[3G*4700186508*",
    "iw": b"IWAP01",
    "yx": b"\x00\x01\x02\xff\xff",
    "jt808": b"\x7e\x02\x00",
    "senml": b'[{"n":"',
    "senml_slip": b"\xc0",
    "nmea": b"$GNRMC,",
    "rdss": b"$BDTXR,",
}
HEARTBEAT = b"[3G*4700186508*0002*LK]"
READING = b'[{"bn":"urn:dev:sw:band-zhang:","n":"hr","u":"beat/min","v":72}]'


def resident_mb(pid: int) -> float:
    """What the process has in memory now."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Line:
    """One connection from an address of our choice."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, address: str) -> Line:
        streams = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        return cls(*streams)

    async def ask(self, data: bytes) -> float:
        """Say it, wait for an answer, give the milliseconds."""
        began = time.perf_counter()
        self.writer.write(data)
        assert await self.reader.readuntil(b"]")
        return (time.perf_counter() - began) * 1000

    async def lasts(self) -> None:
        """Wait until the gateway ends it."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(4096):
                pass

    def close(self) -> None:
        self.writer.close()


async def endless(port: int, beginning: bytes) -> int:
    """A frame that never ends; gives how many bytes were taken before the line was cut."""
    line = await Line.open(port, ENDLESS)
    line.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE_BYTES)
    line.writer.transport.set_write_buffer_limits(high=0)
    taken = 0
    with contextlib.suppress(ConnectionError):
        line.writer.write(beginning)
        while taken < ENDLESS_BYTES:
            line.writer.write(b"0" * PIECE_BYTES)
            await line.writer.drain()
            taken += PIECE_BYTES
    await line.lasts()
    line.close()
    return taken


async def flood(port: int) -> tuple[int, float]:
    """5,000 connections from one address, held open; gives how many were refused, and the seconds."""
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    sockets = [socket.socket() for _ in range(FLOOD_LINES)]
    ended: list[asyncio.Task[bytes]] = []
    for one in sockets:
        one.setblocking(False)
        one.bind((FLOODER, 0))
        await loop.sock_connect(one, ("127.0.0.1", port))
        ended.append(asyncio.create_task(loop.sock_recv(one, 1)))
    waiting = set(ended)
    while len(waiting) > MOST_PER_PEER:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    seconds = time.perf_counter() - began
    for task in waiting:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)
    for one in sockets:
        one.close()
    return FLOOD_LINES - len(waiting), seconds


@contextlib.asynccontextmanager
async def loris(port: int) -> AsyncIterator[tuple[list[Line], list[asyncio.Task[None]]]]:
    """Lines that begin a frame and go on byte by byte."""
    lines = [await Line.open(port, LORIS) for _ in range(LORIS_LINES)]
    for line in lines:
        line.writer.write(b"[3G*")
    ended = [asyncio.create_task(line.lasts()) for line in lines]
    yield lines, ended
    for line in lines:
        line.close()


def publishing(port: int, key: str) -> paho.Client:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="band-zhang")
    client.username_pw_set("band-zhang", key)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def published(client: paho.Client) -> float:
    """One reading of QoS 1; the milliseconds to its PUBACK."""
    began = time.perf_counter()
    client.publish("sw/xinhe/band-zhang/up", READING, qos=1).wait_for_publish(30)
    return (time.perf_counter() - began) * 1000


class Figures:
    """What is printed at the end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.begin_mb = self.most_mb = resident_mb(pid)
        self.watch_ms: list[float] = []
        self.band_ms: list[float] = []

    def look(self) -> None:
        self.most_mb = max(self.most_mb, resident_mb(self.pid))

    def latency(self, name: str, values: list[float]) -> str:
        percentile = statistics.quantiles(values, n=100)[98]
        return (
            f"{name} answered {len(values)} times: median {statistics.median(values):.1f} ms,"
            f" 99th percentile {percentile:.1f} ms, worst {max(values):.1f} ms"
        )


@pytest.fixture
def besieged(house, free_port):
    """A gateway with a TCP port for every codec; gives the house, its gateway, and the ports."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= FLOOD_LINES + 1000, "this test needs a hard limit of 6,000 open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = {name: int(free_port()) for name in BEGINNINGS if name != "watch"}
    more = "".join(f', {{ port = {port}, protocol = "{name}" }}' for name, port in ports.items())
    end = " } ]   # one"
    patient = f'protocol = "watch", unknown_timeout_s = {UNKNOWN_S} }}{more} ]   # one'
    there = house(**{f'protocol = "watch"{end}': patient})
    ports["watch"] = int(there.ports["15093"])
    yield there, there.start("gateway"), ports
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
async def test_a_besieged_gateway_answers_the_honest_and_stays_small(besieged) -> None:
    there, program, ports = besieged
    figures = Figures(program.process.pid)
    key = (there.folder / "var/secrets/band-zhang").read_text()
    client = publishing(int(there.ports["18830"]), key)
    watch, impostor = [await Line.open(ports["watch"], address) for address in ("127.0.0.1", IMPOSTOR)]

    async def honest_round() -> None:
        figures.watch_ms.append(await watch.ask(HEARTBEAT))
        figures.band_ms.append(await asyncio.to_thread(published, client))
        figures.look()

    await honest_round()
    await impostor.ask(HEARTBEAT)
    async with loris(ports["watch"]) as (slow_lines, cut):
        attacks = asyncio.gather(
            flood(ports["watch"]), *(endless(ports[name], begin) for name, begin in BEGINNINGS.items())
        )
        for byte in itertools.cycle(b"0123456789"):
            await honest_round()
            for line in slow_lines:
                line.writer.write(bytes([byte]))
            if attacks.done() and all(task.done() for task in cut) and doubled(there):
                break
        (refused, flood_s), *taken = attacks.result()
    await impostor.ask(HEARTBEAT)
    for line in (watch, impostor):
        line.close()
    client.disconnect()
    client.loop_stop()

    print(f"\n{FLOOD_LINES} connections from one address in {flood_s:.1f} s: {refused} refused")
    for name, count in zip(BEGINNINGS, taken, strict=True):
        print(f"10 MB without an end to {name}: cut after {count / 1024:.0f} KiB were sent")
    print(f"{LORIS_LINES} slow-loris lines: all cut, {UNKNOWN_S} s after they came")
    print(figures.latency("honest watch", figures.watch_ms))
    print(figures.latency("honest MQTT band", figures.band_ms))
    print(f"the gateway's memory: {figures.begin_mb:.0f} MB before, {figures.most_mb:.0f} MB at most")

    assert refused >= FLOOD_LINES - MOST_PER_PEER
    assert all(count < ENDLESS_BYTES / 10 for count in taken)
    assert figures.most_mb < figures.begin_mb + MOST_GROWTH_MB
    assert statistics.median(figures.watch_ms) < 500
    assert statistics.median(figures.band_ms) < 500
    assert len(doubled(there)) == 1


async def rubbish(port: int, address: str, lines: int) -> int:
    """Whole frames of bands nobody knows, as fast as they are taken, on one line after another; how many."""
    frames = b"".join(b"[3G*%010d*%04X*%s]" % (1_000_000_000 + n, 1000, b"x" * 1000) for n in range(60))
    for _ in range(lines):
        line = await Line.open(port, address)
        with contextlib.suppress(ConnectionError):
            line.writer.write(frames)
            await line.writer.drain()
        await line.lasts()
        line.close()
    return lines * 60


@pytest.mark.slow
async def test_strangers_that_send_whole_frames_without_end_fill_neither_disk_nor_journal(besieged) -> None:
    there, program, ports = besieged
    figures = Figures(program.process.pid)
    watch = await Line.open(ports["watch"], "127.0.0.1")
    await watch.ask(HEARTBEAT)
    began_bytes, began_s = journal_bytes(there), time.perf_counter()
    attack = asyncio.gather(*(rubbish(ports["watch"], f"127.0.1.{n}", RUBBISH_LINES) for n in range(1, 7)))
    while not attack.done():
        figures.watch_ms.append(await watch.ask(HEARTBEAT))
        figures.look()
    took_s = time.perf_counter() - began_s
    watch.close()
    ((kept,),) = there.query("select count(*) from quarantine")
    grown = journal_bytes(there) - began_bytes
    print(f"\n{sum(attack.result())} frames of strangers from 6 addresses in {took_s:.1f} s: {kept} kept,")
    print(f"the journal grew by {grown / 1024:.0f} KiB; {figures.latency('honest watch', figures.watch_ms)}")
    assert kept <= ALL_AT_ONCE + ALL_A_SECOND * took_s
    assert grown < 16 * 1024 * 1024
    assert statistics.median(figures.watch_ms) < 500


def journal_bytes(house) -> int:
    """What the journal takes on the disk."""
    return sum(path.stat().st_size for path in (house.folder / "var").glob("*.journal.db*"))


def doubled(house) -> list[tuple]:
    return house.query(
        "select at_ms from events where kind = 'alarm' and cast(payload as text) like '%id_claimed_twice%'"
    )
