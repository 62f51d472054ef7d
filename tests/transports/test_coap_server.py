"""The CoAP server: who may speak, what is acknowledged when, and how much it will hold."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from aiocoap import GET, POST, PUT, Context, Message

import shouwang
from gateway.bands import keys
from gateway.transports import coap, coap_orders
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site

KEYS = {"band-1": b"one", "band-2": b"two"}


@dataclass
class KeyedSink:
    """Admits two bands; settles with `outcome` at once, or never while it is None."""

    outcome: Outcome | None = Outcome.STORED
    got: list[Inbound] = field(default_factory=list)
    closed_links: list[Link] = field(default_factory=list)
    congested: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound)
        self.changed.set()
        if self.outcome is not None:
            inbound.settle(Settlement(self.outcome))

    def admits(self, device: str, secret: bytes) -> bool:
        return KEYS.get(device) == secret

    def oscore(self, key_id: bytes) -> tuple[str, bytes] | None:
        for device, key in KEYS.items():
            if key_id == keys.key_id(device):
                return device, keys.derive(key.decode()).oscore_secret
        return None

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)

    async def uncongested(self) -> None:
        await asyncio.get_running_loop().create_future()


@dataclass
class House:
    """A running server and a client."""

    transport: coap.CoapTransport
    sink: KeyedSink
    client: Context
    base: str

    async def ask(self, path: str, *, code: object = POST, data: bytes = b"[]", **options: object) -> Message:
        if code is POST:
            options.setdefault("content_format", 110)
        request = Message(code=code, uri=f"{self.base}{path}", payload=data, **options)
        return await self.client.request(request).response


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    sink = KeyedSink()
    settings = coap.CoapSettings(port=0, max_payload_bytes=3000)
    transport = coap.CoapTransport(settings, sink, Site(gateway="g", community="xinhe", data_dir=tmp_path))
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(transport.run(address.set_result))
    base = f"coap://{await address}"
    client = await Context.create_client_context(transports=["udp6"])
    yield House(transport, sink, client, base)
    await client.shutdown()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


UP = "/sw/xinhe/band-1/up?k=one"


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        (UP, {}, "2.04"),
        (UP, {"content_format": 112}, "2.04"),
        (UP, {"content_format": 50}, "4.15"),
        ("/sw/xinhe/band-1/up", {}, "4.01"),
        ("/sw/xinhe/band-1/up?k=two", {}, "4.03"),
        ("/sw/xinhe/band-9/up?k=one", {}, "4.03"),
        ("/sw/xinhe/band-1/up?k=one&k=two", {}, "4.01"),
        ("/sw/elsewhere/band-1/up?k=one", {}, "4.04"),
        ("/sw/xinhe/band-1/sideways?k=one", {}, "4.04"),
        ("/sw/xinhe/band-1?k=one", {}, "4.04"),
        ("/.well-known/core", {"code": GET}, "4.04"),
        (UP, {"code": PUT}, "4.05"),
        (UP, {"data": b"x" * 3001}, "4.13"),
        (UP, {"data": b"x" * 3000}, "2.04"),
    ],
)
async def test_every_request_has_its_answer(
    house: House, path: str, options: dict[str, object], expected: str
) -> None:
    response = await house.ask(path, **options)
    assert response.code.dotted == expected
    assert (len(house.sink.got) == 1) == (expected == "2.04")
    assert house.transport.counts[expected] >= 1


async def test_a_long_payload_comes_in_blocks_and_arrives_whole(house: House) -> None:
    data = bytes(range(256)) * 11
    assert (await house.ask(UP, data=data)).code.dotted == "2.04"
    assert [inbound.data for inbound in house.sink.got] == [data]


async def test_a_strangers_blocks_are_refused_at_the_first(house: House) -> None:
    response = await house.ask("/sw/xinhe/band-1/up?k=wrong", data=b"x" * 2900)
    assert response.code.dotted == "4.03"
    assert house.transport.counts["4.03"] == 1


async def test_the_link_names_the_device_the_codec_and_the_latest_address(house: House) -> None:
    await house.ask(UP)
    link = house.sink.got[0].link
    assert (link.wire, link.protocol, link.device, link.streaming) == ("coap", "senml", "band-1", False)
    other = await Context.create_client_context(transports=["udp6"])
    request = Message(code=POST, uri=house.base + UP, payload=b"[]", content_format=110)
    peer = link.peer
    await other.request(request).response
    await other.shutdown()
    assert house.sink.got[1].link is link
    assert link.peer != peer


async def test_nothing_is_answered_before_the_commit(house: House) -> None:
    house.sink.outcome = None
    asking = asyncio.create_task(house.ask(UP))
    while not house.sink.got:
        house.sink.changed.clear()
        await house.sink.changed.wait()
    await asyncio.sleep(0.15)  # past the empty acknowledgement, which promises nothing
    assert not asking.done()
    house.sink.got[0].settle(Settlement(Outcome.STORED))
    assert (await asking).code.dotted == "2.04"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [(Outcome.QUARANTINED, "2.04"), (Outcome.FORBIDDEN, "4.03"), (Outcome.UNAVAILABLE, "5.03")],
)
async def test_the_outcome_decides_the_answer(house: House, outcome: Outcome, expected: str) -> None:
    house.sink.outcome = outcome
    response = await house.ask(UP)
    assert response.code.dotted == expected
    assert response.opt.max_age == (coap.RETRY_AFTER_S if expected == "5.03" else None)


async def test_while_the_journal_is_behind_bands_are_told_to_come_back(house: House) -> None:
    house.sink.congested = True
    response = await house.ask(UP)
    assert (response.code.dotted, response.opt.max_age) == ("5.03", coap.RETRY_AFTER_S)
    assert house.sink.got == []


async def test_too_many_requests_in_flight_are_told_to_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coap, "MAX_IN_FLIGHT", 1)
    house.sink.outcome = None
    first = asyncio.create_task(house.ask(UP))
    while not house.sink.got:
        house.sink.changed.clear()
        await house.sink.changed.wait()
    assert (await house.ask("/sw/xinhe/band-2/up?k=two")).code.dotted == "5.03"
    house.sink.got[0].settle(Settlement(Outcome.STORED))
    assert (await first).code.dotted == "2.04"


async def test_a_retransmitted_request_is_one_inbound_with_one_answer(house: House) -> None:
    """The same confirmable datagram twice, as when the first acknowledgement is lost."""
    request = Message(code=POST, payload=b"[]", content_format=110, _mtype=0, _mid=4711, _token=b"\x07")
    request.opt.uri_path = ("sw", "xinhe", "band-1", "up")
    request.opt.uri_query = ("k=one",)
    datagram = request.encode()
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Raw(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _addr: object) -> None:
            answers.put_nowait(data)

    host, port = house.transport.address.rsplit(":", 1)
    endpoint, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Raw, remote_addr=(host, int(port))
    )
    endpoint.sendto(datagram)
    first = await answers.get()
    endpoint.sendto(datagram)
    assert await answers.get() == first
    endpoint.close()
    assert len(house.sink.got) == 1
    assert first[1] == 0x44


async def test_orders_wait_for_the_band_in_order_and_are_bounded(house: House) -> None:
    assert not house.transport.send("band-1", b"early", lambda: None)
    await house.ask(UP)
    done: list[int] = []

    def told(number: int) -> Callable[[], None]:
        return lambda: done.append(number)

    taken = [house.transport.send("band-1", b"%d" % n, told(n)) for n in range(coap_orders.MAX_DOWN + 1)]
    assert taken == [True] * coap_orders.MAX_DOWN + [False]
    assert done == []
    down = "/sw/xinhe/band-1/down?k=one"
    for number in range(coap_orders.MAX_DOWN):
        assert (await house.ask(down, code=GET, data=b"")).payload == b"%d" % number
        assert done[:number] == list(range(number))
    assert (await house.ask(down, code=GET, data=b"")).payload == b""
    assert done == list(range(coap_orders.MAX_DOWN))
    assert (await house.ask("/sw/xinhe/band-1/down?k=two", code=GET, data=b"")).code.dotted == "4.03"


async def test_the_device_silent_longest_makes_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap, "MAX_DEVICES", 1)
    await house.ask(UP)
    await house.ask("/sw/xinhe/band-2/up?k=two")
    assert [link.device for link in house.sink.closed_links] == ["band-1"]
    assert not house.transport.send("band-1", b"order", lambda: None)
    assert house.transport.send("band-2", b"order", lambda: None)


def test_it_listens_on_addresses_not_on_names() -> None:
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "::", "192.0.2.7"):
        assert msgspec.convert({"host": host}, coap.CoapSettings).host == host
    with pytest.raises(msgspec.ValidationError, match=r"0\.0\.0\.0 or :: for all"):
        msgspec.convert({"host": "gateway.example"}, coap.CoapSettings)
    with pytest.raises(msgspec.ValidationError, match="plain"):
        msgspec.convert({"plain": "yes"}, coap.CoapSettings)


async def test_it_refuses_a_port_somebody_listens_on(house: House) -> None:
    port = int(house.transport.address.rsplit(":", 1)[1])
    second = coap.CoapTransport(coap.CoapSettings(port=port), house.sink, house.transport.site)
    with pytest.raises(OSError, match="in use"):
        await second.run(lambda _: None)


def test_check_says_aloud_that_plain_requests_are_believed_from_a_network(
    small_config: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for plain, said in (("loopback", False), ("network", True)):
        config = small_config(more=f'[transports.coap]\nplain = "{plain}"\n')
        (config.parent / "var/secrets").mkdir(parents=True, exist_ok=True)
        for name in ("twilio", "band-zhang"):
            (config.parent / "var/secrets" / name).write_text("secret")
        assert shouwang.main(["check", str(config)]) == 0
        assert ("can read the keys" in capsys.readouterr().out) == said
