"""Every stream or request wire keeps the promises of `gateway/transports/base.py`.

MQTT has its own suites; what stands here is what CoAP, serial and TCP have in common.
A `Rig` knows how to be the band on its wire; the tests know only the contract.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiocoap import GET, POST, Context, Message

from gateway.bands import keys
from gateway.transports import coap, serial, tcp
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site

DEVICE = "band-1"
KEY = "s3cret"
STORED = Settlement(Outcome.STORED)


@dataclass
class FakeSink:
    """Keeps every inbound until the test settles it; pins lines to DEVICE as the intake would."""

    got: list[Inbound] = field(default_factory=list)
    closed_links: list[Link] = field(default_factory=list)
    congested: bool = False
    room: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound)
        inbound.link.pinned = DEVICE
        self.changed.set()

    def admits(self, device: str, secret: bytes) -> bool:
        return device == DEVICE and secret == KEY.encode()

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        return (DEVICE, keys.derive(KEY).oscore_secret) if key_id == keys.key_id(DEVICE) else None

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)
        self.changed.set()

    async def uncongested(self) -> None:
        await self.room.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    def heard(self) -> bytes:
        return b"".join(inbound.data for inbound in self.got)


@dataclass
class Rig:
    """One transport under test and the band at its other end.

    `speak(data)` sends bytes and gives an awaitable that ends when the wire acknowledged them
    (None on wires that acknowledge nothing); `listen()` gives the next bytes sent down.
    """

    transport: tcp.TcpTransport | serial.SerialTransport | coap.CoapTransport
    sink: FakeSink
    speak: Callable[[bytes], Awaitable[asyncio.Task[bool] | None]]
    listen: Callable[[], Awaitable[bytes]]
    hang_up: Callable[[], Awaitable[None]] | None


async def started(transport: object) -> tuple[asyncio.Task[None], str]:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def ready(at: str) -> None:
        if not address.done():
            address.set_result(at)

    running = asyncio.create_task(transport.run(ready), name="transport")  # type: ignore[attr-defined]
    await asyncio.wait({running, address}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    return running, await address


async def stopped(running: asyncio.Task[None]) -> None:
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@contextlib.asynccontextmanager
async def tcp_rig(site: Site, sink: FakeSink) -> AsyncIterator[Rig]:
    settings = tcp.TcpSettings(listeners=(tcp.Listener(port=0),))
    transport = tcp.TcpTransport(settings, sink, site)
    running, address = await started(transport)
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))

    async def speak(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    async def listen() -> bytes:
        return await reader.read(4096)

    async def hang_up() -> None:
        writer.close()
        await writer.wait_closed()

    yield Rig(transport, sink, speak, listen, hang_up)
    writer.close()
    await stopped(running)


@contextlib.asynccontextmanager
async def serial_rig(site: Site, sink: FakeSink) -> AsyncIterator[Rig]:
    master, slave = os.openpty()
    tty.setraw(slave)
    settings = serial.SerialSettings(ports=(serial.Port(path=os.ttyname(slave), device=DEVICE),))
    transport = serial.SerialTransport(settings, sink, site)
    running, _ = await started(transport)
    os.close(slave)
    loop = asyncio.get_running_loop()
    ends = [master]

    async def speak(data: bytes) -> None:
        os.write(master, data)

    async def listen() -> bytes:
        readable = asyncio.Event()
        loop.add_reader(master, readable.set)
        await readable.wait()
        loop.remove_reader(master)
        return os.read(master, 4096)

    async def hang_up() -> None:
        os.close(ends.pop())

    yield Rig(transport, sink, speak, listen, hang_up)
    await stopped(running)
    if ends:
        os.close(ends.pop())


@contextlib.asynccontextmanager
async def coap_rig(site: Site, sink: FakeSink) -> AsyncIterator[Rig]:
    transport = coap.CoapTransport(coap.CoapSettings(port=0), sink, site)
    running, address = await started(transport)
    client = await Context.create_client_context(transports=["udp6"])
    base = f"coap://{address}/sw/{site.community}/{DEVICE}"

    async def post(data: bytes) -> bool:
        request = Message(code=POST, uri=f"{base}/up?k={KEY}", payload=data, content_format=110)
        return str((await client.request(request).response).code.dotted) == "2.04"

    async def speak(data: bytes) -> asyncio.Task[bool]:
        return asyncio.create_task(post(data))

    async def listen() -> bytes:
        response = await client.request(Message(code=GET, uri=f"{base}/down?k={KEY}")).response
        await client.request(Message(code=GET, uri=base)).response  # our acknowledgement went before it
        return bytes(response.payload)

    yield Rig(transport, sink, speak, listen, None)
    await client.shutdown()
    await stopped(running)


RIGS = {"coap": coap_rig, "serial": serial_rig, "tcp": tcp_rig}


@pytest.fixture(params=sorted(RIGS))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    site = Site(gateway="gw-test", community="xinhe", data_dir=tmp_path)
    async with RIGS[request.param](site, FakeSink()) as built:
        yield built


async def test_the_module_declares_its_plugin_and_its_settings(rig: Rig) -> None:
    module = {"coap": coap, "serial": serial, "tcp": tcp}[rig.transport.name]
    assert type(rig.transport) is module.TRANSPORT
    assert module.TRANSPORT.Settings.__struct_config__.frozen
    assert module.TRANSPORT.Settings.__struct_config__.forbid_unknown_fields


async def test_bytes_arrive_unchanged_with_a_link_that_names_the_wire(rig: Rig) -> None:
    await rig.speak(b"[some bytes \x00\xff]")
    await rig.sink.until(lambda: rig.sink.heard() == b"[some bytes \x00\xff]")
    link = rig.sink.got[0].link
    assert link.wire == rig.transport.name
    assert link.streaming == (rig.transport.name != "coap")
    assert link.peer


async def test_nothing_is_acknowledged_before_it_is_settled_and_it_is_then(rig: Rig) -> None:
    acknowledged = await rig.speak(b"[]")
    await rig.sink.until(lambda: len(rig.sink.got) == 1)
    if acknowledged is None:
        rig.sink.got[0].settle(Settlement(Outcome.STORED, (b"ok",)))
        assert await rig.listen() == b"ok"
    else:
        await asyncio.sleep(0)
        assert not acknowledged.done()
        rig.sink.got[0].settle(STORED)
        assert await acknowledged


async def test_what_was_not_stored_is_not_acknowledged(rig: Rig) -> None:
    if rig.transport.name != "coap":
        pytest.skip("this wire has no acknowledgement of its own; the band's protocol repeats")
    acknowledged = await rig.speak(b"[]")
    await rig.sink.until(lambda: len(rig.sink.got) == 1)
    rig.sink.got[0].settle(Settlement(Outcome.UNAVAILABLE))
    assert acknowledged is not None
    assert not await acknowledged


async def test_an_order_goes_down_to_the_device_and_is_done_once(rig: Rig) -> None:
    acknowledged = await rig.speak(b"[]")
    await rig.sink.until(lambda: len(rig.sink.got) == 1)
    rig.sink.got[0].settle(STORED)
    if acknowledged is not None:
        await acknowledged
    done: list[str] = []
    assert rig.transport.send(DEVICE, b"order", lambda: done.append("order"))
    assert await rig.listen() == b"order"
    assert done == ["order"]


async def test_an_order_for_an_unknown_device_is_not_taken(rig: Rig) -> None:
    done: list[str] = []
    assert not rig.transport.send("nobody", b"order", lambda: done.append("order"))
    assert done == []


async def test_taking_back_what_was_never_given_changes_nothing(rig: Rig) -> None:
    await rig.speak(b"[]")
    await rig.sink.until(lambda: len(rig.sink.got) == 1)
    rig.sink.got[0].settle(STORED)
    for device in ("nobody", DEVICE):
        rig.transport.withdraw(device, b"another")
    assert rig.transport.send(DEVICE, b"order", lambda: None)
    assert await rig.listen() == b"order"


async def test_a_hang_up_is_told_to_the_sink_and_a_late_settlement_is_harmless(rig: Rig) -> None:
    if rig.hang_up is None:
        pytest.skip("a datagram wire has no hang-up")
    await rig.speak(b"[half")
    await rig.sink.until(lambda: len(rig.sink.got) == 1)
    link = rig.sink.got[0].link
    await rig.hang_up()
    if rig.transport.name == "serial":
        await rig.sink.until(lambda: link in rig.sink.closed_links)
        rig.sink.got[0].settle(Settlement(Outcome.STORED, (b"too late",)))
    else:
        rig.sink.got[0].settle(Settlement(Outcome.STORED, (b"too late",)))
        await rig.sink.until(lambda: link in rig.sink.closed_links)
    assert not rig.transport.send(DEVICE, b"order", lambda: None)


async def test_a_congested_sink_is_not_fed_more_until_it_has_room(rig: Rig) -> None:
    rig.sink.congested = True
    acknowledged = await rig.speak(b"[1]")
    if acknowledged is not None:
        assert not await acknowledged
        assert rig.sink.got == []
        return
    await rig.sink.until(lambda: rig.sink.heard() == b"[1]")
    await rig.speak(b"[2]")
    for _ in range(20):
        await asyncio.sleep(0)
    assert rig.sink.heard() == b"[1]"
    rig.sink.congested = False
    rig.sink.room.set()
    await rig.sink.until(lambda: rig.sink.heard() == b"[1][2]")
