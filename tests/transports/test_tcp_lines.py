"""TCP lines: order of replies, takeover, limits, idleness and slow readers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import uvloop

from gateway.transports import tcp
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site


@dataclass
class PinningSink:
    """Pins a line to the first word it hears; keeps inbounds for the test to settle."""

    got: list[Inbound] = field(default_factory=list)
    closed_links: list[Link] = field(default_factory=list)
    congested: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound)
        inbound.link.pinned = inbound.link.pinned or inbound.data.decode().split()[0]
        self.changed.set()

    def admits(self, device: str, secret: bytes) -> bool:  # noqa: ARG002 - the shape of a sink
        return False

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)
        self.changed.set()

    async def uncongested(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@contextlib.asynccontextmanager
async def listening(sink: PinningSink, **options: object) -> AsyncIterator[tuple[tcp.TcpTransport, str, int]]:
    settings = tcp.TcpSettings(listeners=(tcp.Listener(port=0, **options),))  # type: ignore[arg-type]
    transport = tcp.TcpTransport(settings, sink, Site(gateway="g", community="c", data_dir=Path()))
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(transport.run(address.set_result))
    host, port = (await address).rsplit(":", 1)
    try:
        yield transport, host, int(port)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def dial(host: str, port: int, words: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(host, port)
    if words:
        writer.write(words)
        await writer.drain()
    return reader, writer


def replying(*replies: bytes) -> Settlement:
    return Settlement(Outcome.STORED, replies)


async def test_replies_go_out_in_the_order_received_whatever_the_order_of_commits() -> None:
    sink = PinningSink()
    async with listening(sink) as (_, host, port):
        reader, writer = await dial(host, port, b"w1 one")
        await sink.until(lambda: len(sink.got) == 1)
        writer.write(b"two")
        await sink.until(lambda: len(sink.got) == 2)
        sink.got[1].settle(replying(b"second"))
        sink.got[0].settle(replying(b"first,", b"and again,"))
        assert await reader.readexactly(22) == b"first,and again,second"
        writer.close()


async def test_the_last_words_of_a_peer_that_hangs_up_politely_are_still_answered() -> None:
    sink = PinningSink()
    async with listening(sink) as (_, host, port):
        reader, writer = await dial(host, port, b"w1 bye")
        writer.write_eof()
        await sink.until(lambda: len(sink.got) == 1)
        sink.got[0].settle(replying(b"ok"))
        assert await reader.read() == b"ok"
        await sink.until(lambda: len(sink.closed_links) == 1)
        writer.close()


async def test_a_forbidden_peer_is_hung_up_on_and_counted() -> None:
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        reader, writer = await dial(host, port, b"w1 hello")
        await sink.until(lambda: len(sink.got) == 1)
        sink.got[0].settle(Settlement(Outcome.FORBIDDEN, (b"never sent",)))
        assert await reader.read() == b""
        assert transport.counts["forbidden"] == 1
        writer.close()


async def test_the_newest_line_of_a_device_wins_and_the_older_one_is_closed() -> None:
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        old_reader, old_writer = await dial(host, port, b"w1 old")
        await sink.until(lambda: len(sink.got) == 1)
        new_reader, new_writer = await dial(host, port, b"w1 new")
        await sink.until(lambda: len(sink.got) == 2)
        with contextlib.suppress(ConnectionResetError):
            assert await old_reader.read() == b""
        done: list[str] = []
        assert transport.send("w1", b"order", lambda: done.append("order"))
        assert await new_reader.readexactly(5) == b"order"
        assert done == ["order"]
        assert transport.counts["takeover"] == 1
        await sink.until(lambda: sink.got[0].link in sink.closed_links)
        assert transport.send("w1", b"more", lambda: None)
        for writer in (old_writer, new_writer):
            writer.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"max_connections": 2}, "refused: listener full"),
     ({"max_connections_per_peer": 2}, "refused: too many from one peer")],
)  # fmt: skip
async def test_one_line_too_many_is_refused_and_a_freed_place_is_given_again(
    options: dict[str, int], reason: str
) -> None:
    sink = PinningSink()
    async with listening(sink, **options) as (transport, host, port):
        first, second = [await dial(host, port, word) for word in (b"w1 a", b"w2 b")]
        await sink.until(lambda: len(sink.got) == 2)
        third_reader, third_writer = await dial(host, port)
        with contextlib.suppress(ConnectionResetError):
            assert await third_reader.read() == b""
        assert transport.counts[reason] == 1
        for inbound in sink.got:
            inbound.settle(replying())
        first[1].close()
        await sink.until(lambda: len(sink.closed_links) == 1)
        _, fourth_writer = await dial(host, port, b"w4 d")
        await sink.until(lambda: len(sink.got) == 3)
        for writer in (second[1], third_writer, fourth_writer):
            writer.close()


async def test_a_peer_that_floods_is_read_only_as_fast_as_the_journal_commits() -> None:
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        _, writer = await dial(host, port, b"w1 flood ")
        await sink.until(lambda: len(sink.got) == 1)
        sent = 8 * 1024 * 1024
        writer.write(b"x" * sent)
        await sink.until(lambda: sum(len(inbound.data) for inbound in sink.got) >= tcp.MAX_UNSETTLED_BYTES)
        for _ in range(50):
            await asyncio.sleep(0)
        unsettled = sum(len(inbound.data) for inbound in sink.got)
        assert unsettled < tcp.MAX_UNSETTLED_BYTES + 512 * 1024
        assert len(sink.got) <= tcp.MAX_UNSETTLED
        assert transport.counts["reading paused"] == 1
        settled = 0
        while sum(len(inbound.data) for inbound in sink.got) < sent:
            while settled < len(sink.got):
                sink.got[settled].settle(replying())
                settled += 1
            await sink.until(lambda settled=settled: settled < len(sink.got))
        writer.close()


async def test_a_silent_line_is_closed_after_its_idle_time() -> None:
    sink = PinningSink()
    async with listening(sink, idle_timeout_s=0.02) as (transport, host, port):
        reader, writer = await dial(host, port, b"w1 hello")
        await sink.until(lambda: len(sink.got) == 1)
        sink.got[0].settle(replying())
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert transport.counts["idle"] == 1
        writer.close()


async def test_a_peer_that_takes_nothing_is_read_no_more_and_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "STALLED_S", 0.02)
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        with socket.create_connection((host, port)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.sendall(b"w1 hello")
            await sink.until(lambda: len(sink.got) == 1)
            sink.got[0].settle(replying(b"y" * 16 * 1024 * 1024))
            assert not transport.send("w1", b"order", lambda: None)
            await sink.until(lambda: len(sink.closed_links) == 1)
        assert transport.counts["cut: takes nothing"] == 1


async def test_an_order_is_done_only_when_the_kernel_took_all_of_it() -> None:
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        reader, writer = await dial(host, port, b"w1 hello")
        await sink.until(lambda: len(sink.got) == 1)
        sink.got[0].settle(replying())
        done: list[str] = []
        size = 16 * 1024 * 1024
        assert transport.send("w1", b"z" * size, lambda: done.append("big"))
        await asyncio.sleep(0)
        assert done == []
        assert len(await reader.readexactly(size)) == size
        while not done:  # noqa: ASYNC110 - `done` comes when the loop gets to it
            await asyncio.sleep(0)
        writer.close()


def test_it_serves_on_uvloop_too() -> None:
    async def story() -> bytes:
        sink = PinningSink()
        async with listening(sink) as (transport, host, port):
            reader, writer = await dial(host, port, b"w1 hello")
            await sink.until(lambda: len(sink.got) == 1)
            sink.got[0].settle(replying(b"ok,"))
            assert await reader.readexactly(3) == b"ok,"
            done: list[str] = []
            assert transport.send("w1", b"order", lambda: done.append("order"))
            heard = await reader.readexactly(5)
            assert done == ["order"]
            writer.close()
            return heard

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(story()) == b"order"


@pytest.mark.parametrize(
    "table",
    [
        {"port": 70000},
        {"port": 1, "max_connections": 0},
        {"port": 1, "idle_timeout_s": 0},
        {"port": 1, "x": 2},
    ],
)
def test_impossible_settings_are_refused(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"listeners": [table]}, tcp.TcpSettings)
