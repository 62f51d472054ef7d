"""TCP lines: order of replies, orders, idleness and slow readers."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
import uvloop
from rigs.tcp_band import PinningSink, dial, listening, replying

from gateway.transports import tcp_line
from gateway.transports.base import Outcome, Settlement


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
    monkeypatch.setattr(tcp_line, "STALLED_S", 0.02)
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
