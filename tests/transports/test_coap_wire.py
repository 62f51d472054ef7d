"""The CoAP socket: on every address, on uvloop, and never in debt to a stranger."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop
from aiocoap import GET, POST, Message
from aiocoap.numbers import ACK, CON, NON, RST

from gateway.transports import coap, coap_wire
from gateway.transports.base import Inbound, Outcome, Settlement, Site
from gateway.transports.coap_contexts import Contexts
from gateway.transports.coap_door import Door
from gateway.transports.coap_wire import Peer


class Open:
    """Admits everybody who says `k=k`; stores at once."""

    congested = False

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound.data)
        inbound.settle(Settlement(Outcome.STORED))

    def admits(self, _device: str, secret: bytes) -> bool:
        return secret == b"k"

    def oscore(self, _key_id: bytes) -> None:
        return None

    def closed(self, _link: object) -> None:
        """Nothing to forget."""


@contextlib.asynccontextmanager
async def served(folder: Path, host: str) -> AsyncIterator[tuple[coap.CoapTransport, int]]:
    site = Site(gateway="g", community="c", data_dir=folder)
    transport = coap.CoapTransport(coap.CoapSettings(host=host, port=0), Open(), site)
    ready = asyncio.Event()
    task = asyncio.create_task(transport.run(lambda _: ready.set()))
    await ready.wait()
    yield transport, int(transport.address.rsplit(":", 1)[1])
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def posted(mid: int, *, kind: object = CON) -> bytes:
    request = Message(code=POST, payload=b"[]", content_format=110, _mtype=kind, _mid=mid, _token=b"t")
    request.opt.uri_path = ("sw", "c", "band-1", "up")
    request.opt.uri_query = ("k=k",)
    return request.encode()


async def answer_from(family: int, to: tuple[str, int], datagram: bytes) -> Message:
    """What comes back; a connected socket hears only the very address it asked."""
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.connect(to)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(asking, datagram)
        async with asyncio.timeout(5):
            return Message.decode(await loop.sock_recv(asking, 2000))


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("0.0.0.0", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.3", "127.0.0.3"),
        ("::", "::1"),
        ("::", "127.0.0.2"),
    ],
)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_answer_comes_from_the_address_that_was_asked(
    tmp_path: Path, host: str, asked: str, loop: str
) -> None:
    async def story() -> None:
        async with served(tmp_path, host) as (transport, port):
            family = socket.AF_INET6 if ":" in asked else socket.AF_INET
            answer = await answer_from(family, (asked, port), posted(7))
            assert (answer.code.dotted, answer.mtype, answer.mid) == ("2.04", ACK, 7)
            assert transport.counts["2.04"] == 1

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(story())


async def test_what_is_not_coap_or_too_long_is_counted_and_harms_nobody(tmp_path: Path) -> None:
    async with served(tmp_path, "127.0.0.1") as (transport, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for rubbish in (b"", b"\xff", b"\x40\x01", b"\x4f\x01\0\0", b"x" * 5000, b"\0" * 3):
                stranger.sendto(rubbish, ("127.0.0.1", port))
        answer = await answer_from(socket.AF_INET, ("127.0.0.1", port), posted(1))
        assert answer.code.dotted == "2.04"
        assert transport.counts["datagram too long"] == 1
        assert transport.counts["not CoAP"] >= 3


async def test_types_and_codes_that_do_not_go_together_are_counted_without_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kinds = (CON, NON, ACK, RST)
    codes = (0x00, 0x20, 0x45, 0x84, 0xA0, 0xE1, 0xFF)
    async with served(tmp_path, "127.0.0.1") as (transport, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            pairs = [*itertools.product(kinds, codes), (ACK, 0x01), (RST, 0x02)]
            for number, (kind, code) in enumerate(pairs):
                stranger.sendto(bytes((0x40 | kind << 4, code)) + number.to_bytes(2), ("127.0.0.1", port))
        answer = await answer_from(socket.AF_INET, ("127.0.0.1", port), posted(500))
        assert answer.code.dotted == "2.04"
        assert transport.counts["not CoAP"] == 1 + 3 + 4 * 3 + 2
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_full_memory_of_requests_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coap_wire, "MAX_REMEMBERED", 10)
    async with served(tmp_path, "127.0.0.1") as (transport, port):
        for mid in range(30):
            answer = await answer_from(socket.AF_INET, ("127.0.0.1", port), posted(mid))
            assert answer.code.dotted == "2.04"
        assert transport.counts["requests forgotten early"] == 20


def door(folder: Path, *, plain_everywhere: bool) -> tuple[Door, Counter[str]]:
    counts: Counter[str] = Counter()
    contexts = Contexts(folder / "g.json", lambda _: None)
    return Door(contexts, counts, plain_everywhere=plain_everywhere), counts


@pytest.mark.parametrize(
    ("host", "let_in"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("2001:db8::7", False),
        ("fe80::1%eth0", False),
    ],
)
def test_plain_requests_of_a_network_are_refused_unless_the_site_said_so(
    tmp_path: Path, host: str, *, let_in: bool
) -> None:
    request = Message(code=GET, _mtype=CON, _mid=1)
    request.remote = Peer((host, 40000))
    closed, counts = door(tmp_path, plain_everywhere=False)
    refusal = closed.screen(request)
    assert (refusal is None) == let_in
    if not let_in:
        assert refusal.code.dotted == "4.01"
        assert counts["4.01 plain"] == 1
    assert door(tmp_path, plain_everywhere=True)[0].screen(request) is None
