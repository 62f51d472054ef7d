"""Orders over CoAP, seen datagram by datagram: an order is done when it was acknowledged, and not before."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiocoap import EMPTY, GET, Message
from aiocoap.numbers import ACK, CON, RST, TransportTuning
from rigs.coap_band import Raw

from gateway.transports import coap, coap_orders
from gateway.transports.base import Inbound, Site


class Silent:
    """Admits band-1; nobody posts here."""

    congested = False

    def receive(self, inbound: Inbound) -> None:
        raise AssertionError(inbound)

    def admits(self, device: str, _secret: bytes) -> bool:
        return device == "band-1"

    def oscore(self, _key_id: bytes) -> None:
        return None

    def closed(self, _link: object) -> None:
        """Nothing to forget."""


@dataclass
class Socket:
    """A band that answers nothing unless it is told to."""

    endpoint: asyncio.DatagramTransport
    raw: Raw
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(100))

    def get(self, *, token: bytes = b"t", **options: object) -> int:
        mid = next(self.numbers)
        request = Message(code=GET, _mtype=CON, _mid=mid, _token=token, **options)
        request.opt.uri_path = ("sw", "c", "band-1", "down")
        request.opt.uri_query = ("k=k",)
        self.endpoint.sendto(request.encode())
        return mid

    async def next(self) -> Message:
        async with asyncio.timeout(5):
            return await self.raw.answers.get()

    async def order(self) -> Message:
        """The next message that carries something."""
        while True:
            message = await self.next()
            if message.payload:
                return message

    def say(self, kind: object, to: Message) -> None:
        self.endpoint.sendto(Message(code=EMPTY, _mtype=kind, _mid=to.mid, _token=b"").encode())

    async def settled(self) -> None:
        """Whatever was sent before has been read once this is answered."""
        mid = self.get(token=b"probe", block2=(9, False, 6))
        while (await self.next()).mid != mid:
            pass


@dataclass
class House:
    """A running server, and what it was told is done."""

    transport: coap.CoapTransport
    done: list[bytes] = field(default_factory=list)
    endpoints: list[asyncio.DatagramTransport] = field(default_factory=list)

    def send(self, order: bytes) -> bool:
        return self.transport.send("band-1", order, lambda: self.done.append(order))

    async def band(self) -> Socket:
        port = int(self.transport.address.rsplit(":", 1)[1])
        endpoint, raw = await asyncio.get_running_loop().create_datagram_endpoint(
            Raw, remote_addr=("127.0.0.1", port)
        )
        self.endpoints.append(endpoint)
        return Socket(endpoint, raw)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    site = Site(gateway="g", community="c", data_dir=tmp_path)
    transport = coap.CoapTransport(coap.CoapSettings(port=0), Silent(), site)
    ready = asyncio.Event()
    task = asyncio.create_task(transport.run(lambda _: ready.set()))
    await ready.wait()
    built = House(transport)
    yield built
    for endpoint in built.endpoints:
        endpoint.close()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def met(house: House) -> Socket:
    band = await house.band()
    band.get()
    assert (await band.next()).payload == b""
    return band


async def test_an_order_whose_answer_was_lost_is_given_again_to_the_next_poll(house: House) -> None:
    band = await met(house)
    assert house.send(b"find")
    mid = band.get()
    heard = await band.next()
    assert (heard.mtype, heard.code, heard.mid) == (ACK, EMPTY, mid)
    lost = await band.next()
    assert (lost.mtype, lost.payload) == (CON, b"find")
    assert house.done == []
    other = await house.band()
    other.get(token=b"u")
    again = await other.order()
    assert again.payload == b"find"
    other.say(ACK, again)
    await other.settled()
    assert house.done == [b"find"]
    other.get(token=b"v")
    assert (await other.next()).payload == b""


async def test_an_observer_gets_one_order_at_a_time_and_the_next_when_it_has_acknowledged(
    house: House,
) -> None:
    band = await house.band()
    band.get(observe=0)
    first = await band.next()
    assert (first.payload, first.opt.observe is not None) == (b"", True)
    assert house.send(b"one")
    assert house.send(b"two")
    one = await band.order()
    assert (one.mtype, one.payload, one.token) == (CON, b"one", b"t")
    assert one.opt.observe > first.opt.observe
    await band.settled()
    assert house.done == []
    band.say(ACK, one)
    two = await band.order()
    assert (two.payload, house.done) == (b"two", [b"one"])
    assert two.opt.observe > one.opt.observe


async def test_a_reset_ends_the_observation_and_keeps_the_order(house: House) -> None:
    band = await house.band()
    band.get(observe=0)
    await band.next()
    assert house.send(b"find")
    band.say(RST, await band.order())
    await band.settled()
    assert house.done == []
    band.get(token=b"poll")
    assert (await band.order()).token == b"poll"


async def test_observe_1_ends_the_observation(house: House) -> None:
    band = await house.band()
    band.get(observe=0)
    await band.next()
    band.get(observe=1)
    assert (await band.next()).opt.observe is None
    assert house.send(b"find")
    await band.settled()
    assert band.raw.answers.empty()


async def test_who_registers_last_is_the_observer(house: House) -> None:
    old, new = await house.band(), await house.band()
    old.get(observe=0)
    await old.next()
    new.get(observe=0, token=b"n")
    await new.next()
    assert house.send(b"find")
    assert (await new.order()).payload == b"find"
    await old.settled()
    assert old.raw.answers.empty()


async def test_an_order_that_waits_is_the_first_thing_an_observer_gets(house: House) -> None:
    await met(house)
    assert house.send(b"find")
    band = await house.band()
    band.get(observe=0)
    order = await band.order()
    assert (order.payload, order.mtype, order.opt.observe is not None) == (b"find", CON, True)


async def test_the_same_order_again_is_the_same_order_and_everybody_is_told(house: House) -> None:
    band = await met(house)
    assert house.send(b"find")
    assert house.send(b"find")
    band.get()
    band.say(ACK, await band.order())
    await band.settled()
    assert house.done == [b"find", b"find"]
    band.get(token=b"u")
    assert (await band.next()).payload == b""


async def test_an_order_that_is_withdrawn_is_not_given_any_more(house: House) -> None:
    band = await met(house)
    assert house.send(b"call back")
    assert house.send(b"find")
    for _ in range(2):
        house.transport.withdraw("band-1", b"call back")
    house.transport.withdraw("band-9", b"call back")
    band.get()
    assert (await band.order()).payload == b"find"


async def test_a_long_order_is_done_with_its_last_block(house: House) -> None:
    band = await met(house)
    order = bytes(range(256)) * 5
    assert house.send(order)
    band.get()
    first = await band.next()
    assert (first.mtype, first.payload, first.opt.block2.more) == (ACK, order[:1024], True)
    band.get(block2=(1, False, 6))
    last = await band.order()
    assert (last.mtype, last.payload, last.opt.block2.more) == (CON, order[1024:], False)
    assert last.opt.etag == first.opt.etag
    assert house.done == []
    band.say(ACK, last)
    await band.settled()
    assert house.done == [order]
    band.get(block2=(1, False, 6))
    assert (await band.next()).code.dotted == "4.08"


async def test_an_idle_observer_is_asked_for_a_sign_of_life(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coap_orders, "CHECK_S", 0.0)
    band = await house.band()
    band.get(observe=0)
    await band.next()
    sign = await band.next()
    assert (sign.mtype, sign.payload, sign.opt.observe is not None) == (CON, b"", True)
    band.say(RST, sign)


async def test_a_critical_option_that_is_not_understood_is_refused(house: House) -> None:
    band = await house.band()
    band.get(if_none_match=True)
    assert (await band.next()).code.dotted == "4.02"


async def test_an_order_that_was_withdrawn_is_given_to_nobody(house: House) -> None:
    band = await house.band()
    await band.settled()
    for order in (b"find", b"message"):
        assert house.send(order)
    for _ in range(2):
        house.transport.withdraw("band-1", b"find")
    house.transport.withdraw("nobody", b"find")
    band.get()
    order = await band.order()
    assert order.payload == b"message"
    band.say(ACK, order)
    await band.settled()
    assert house.done == [b"message"]


async def test_an_observer_that_never_acknowledges_is_dropped_and_its_order_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TransportTuning, "ACK_TIMEOUT", 0.02)
    monkeypatch.setattr(TransportTuning, "MAX_RETRANSMIT", 2)
    band = await house.band()
    band.get(observe=0)
    await band.next()
    assert house.send(b"find")
    said = [await band.order() for _ in range(3)]
    assert len({message.mid for message in said}) == 1
    async with asyncio.timeout(5):
        while not house.transport.counts["observers gone"]:  # noqa: ASYNC110 - aiocoap gives up in its own time
            await asyncio.sleep(0.01)
    assert house.done == []
    back = await house.band()
    back.get(observe=0)
    back.say(ACK, await back.order())
    await back.settled()
    assert house.done == [b"find"]
