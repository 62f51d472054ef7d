"""An MQTT client that says exactly what a test tells it to, and a sink that settles when the test wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.codecs import mqtt
from gateway.codecs.mqtt_packets import V5, V311, ConnAck, Connect, Packet, PingReq, PingResp
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site
from gateway.transports.mqtt_hello import Settings
from gateway.transports.mqtt_listener import TRANSPORT, MqttListener
from gateway.transports.mqtt_session import Session

SITE = Site(gateway="gw-1", community="xinhe", data_dir=Path())
UP, DOWN = "sw/xinhe/band-1/up", "sw/xinhe/band-1/down"
KEYS = {"band-1": b"key-1", "band-2": b"key-2"}
BOTH = pytest.mark.parametrize("version", [V311, V5])


class HoldingSink:
    """A sink that keeps what it hears until the test settles it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Inbound] = asyncio.Queue()
        self.closed_links: asyncio.Queue[Link] = asyncio.Queue()
        self.congested_after: int | None = None
        self.revoked: set[str] = set()
        self.doubles: list[tuple[str | None, str]] = []
        self._free = asyncio.Event()

    def receive(self, inbound: Inbound) -> None:
        self.heard.put_nowait(inbound)

    def admits(self, device: str, secret: bytes) -> bool:
        return self.knows(device) and KEYS[device] == secret

    def knows(self, device: str) -> bool:
        return device in KEYS and device not in self.revoked

    def doubled(self, link: Link, other: str) -> None:
        self.doubles.append((link.device, other))

    def closed(self, link: Link) -> None:
        self.closed_links.put_nowait(link)

    @property
    def congested(self) -> bool:
        return self.congested_after is not None and self.heard.qsize() >= self.congested_after

    async def uncongested(self) -> None:
        await self._free.wait()

    def relieve(self) -> None:
        self.congested_after = None
        self._free.set()

    async def next(self) -> Inbound:
        return await asyncio.wait_for(self.heard.get(), 10)

    async def settle(self, outcome: Outcome = Outcome.STORED, *, replies: tuple[bytes, ...] = ()) -> Inbound:
        inbound = await self.next()
        inbound.settle(Settlement(outcome, replies))
        return inbound


@dataclass
class Band:
    """A client that says exactly what the test tells it to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    version: int
    decoder: mqtt.Decoder = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = mqtt.Decoder(version=self.version)

    def say(self, *packets: Packet) -> None:
        self.writer.write(b"".join(mqtt.encode(packet, self.version) for packet in packets))

    async def hear(self) -> Packet | None:
        """The next packet; None once the listener has closed."""
        while (packet := self.decoder.next_packet()) is None:
            try:
                data = await asyncio.wait_for(self.reader.read(65_536), 10)
            except ConnectionError:
                return None
            if not data:
                return None
            self.decoder.feed(data)
        return packet

    async def rest(self) -> list[Packet]:
        """All that comes until the listener closes."""
        found = []
        while (packet := await self.hear()) is not None:
            found.append(packet)
        return found

    async def ping(self) -> list[Packet]:
        """All that comes before the answer to a PINGREQ said now: proof of what did not come."""
        self.say(PingReq())
        found: list[Packet] = []
        while (packet := await self.hear()) != PingResp():
            assert packet is not None, f"closed after {found}"
            found.append(packet)
        return found

    def leave(self) -> None:
        self.writer.close()


class Bench:
    """A running listener and the bands of one test."""

    def __init__(self, listener: MqttListener, sink: HoldingSink, port: int) -> None:
        self.listener, self.sink, self.port = listener, sink, port
        self.bands: list[Band] = []

    def session(self, device: str = "band-1", client_id: str = "c1") -> Session:
        """What the listener remembers of this client."""
        return self.listener._devices[device][client_id]

    async def stranger(self, version: int = V311) -> Band:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.bands.append(Band(reader, writer, version))
        return self.bands[-1]

    async def band(
        self, version: int, *, clean: bool = True, present: bool | None = False, **extra: object
    ) -> Band:
        band = await self.stranger(version)
        band.say(hello(version, clean=clean, **extra))
        answer = await band.hear()
        assert isinstance(answer, ConnAck)
        assert answer.code == 0
        if present is not None:
            assert answer.session_present is present
        return band


def hello(version: int, **extra: object) -> Connect:
    given = {"client_id": "c1", "username": "band-1", "password": b"key-1", "keep_alive_s": 60}
    return Connect(version=version, **{**given, **extra})


Make = Callable[..., Awaitable[Bench]]


@contextlib.asynccontextmanager
async def served(**settings: object) -> AsyncIterator[Bench]:
    """A listener with these settings on a free port, for as long as the block lasts."""
    sink = HoldingSink()
    listener = TRANSPORT(Settings(**{"port": 0, **settings}), sink, SITE)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(listener.run(address.set_result))
    await asyncio.wait({address, task}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    bench = Bench(listener, sink, int((await address).rpartition(":")[2]))
    try:
        yield bench
    finally:
        for band in bench.bands:
            band.leave()
            with contextlib.suppress(OSError):
                await band.writer.wait_closed()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def kept(version: int) -> dict:
    """What a client says to have its session kept."""
    return {"clean": False, "properties": {"session_expiry_interval": 600} if version == V5 else {}}
