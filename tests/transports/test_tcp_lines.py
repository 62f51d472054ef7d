"""TCP lines: order of replies, takeover, limits, idleness and slow readers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports import tcp, tcp_claims, tcp_door, tcp_line
from gateway.transports.base import Inbound, Link, Outcome, Settlement, Site
from gateway.transports.tcp_door import Newcomers, network_of

NOTHING = Settlement(Outcome.STORED)


@dataclass
class PinningSink:
    """Pins a line to the first word it hears; keeps inbounds for the test to settle."""

    got: list[Inbound] = field(default_factory=list)
    closed_links: list[Link] = field(default_factory=list)
    congested: bool = False
    knows: bool = True
    settles: Settlement | None = None
    unsettled: list[Inbound] = field(default_factory=list)
    doubles: list[tuple[Link, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def receive(self, inbound: Inbound) -> None:
        self.got.append(inbound)
        if self.knows:
            inbound.link.pinned = inbound.link.pinned or inbound.data.decode().split()[0]
        if self.settles is not None:
            inbound.settle(self.settles)
        else:
            self.unsettled.append(inbound)
        self.changed.set()

    def doubled(self, link: Link, other: str) -> None:
        self.doubles.append((link, other))

    def heard(self) -> bytes:
        return b"".join(inbound.data for inbound in self.got)

    def admits(self, device: str, secret: bytes) -> bool:  # noqa: ARG002 - the shape of a sink
        return False

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)
        self.changed.set()

    async def uncongested(self) -> None:
        if self.congested:
            await asyncio.get_running_loop().create_future()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@contextlib.asynccontextmanager
async def listening(sink: PinningSink, **options: object) -> AsyncIterator[tuple[tcp.TcpTransport, str, int]]:
    total = {"max_buffered_mb": options.pop("max_buffered_mb")} if "max_buffered_mb" in options else {}
    settings = tcp.TcpSettings(listeners=(tcp.Listener(port=0, **options),), **total)  # type: ignore[arg-type]
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


def settle_all(sink: PinningSink) -> bool:
    """Settle whatever is not settled yet; true, to stand in a condition."""
    while sink.unsettled:
        sink.unsettled.pop().settle(NOTHING)
    return True


async def dribble(writer: asyncio.StreamWriter, sink: PinningSink) -> None:
    """Say one letter whenever the last one was heard."""
    for heard in itertools.count(1):
        writer.write(b"x")
        await sink.until(lambda heard=heard: len(sink.got) >= heard)
        settle_all(sink)


def replying(*replies: bytes) -> Settlement:
    return Settlement(Outcome.STORED, replies, stored=1)


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


async def test_a_device_that_comes_back_keeps_its_older_line_and_orders_go_to_both_and_are_done_once() -> (
    None
):
    """The older may be a dead one that looks open, or the real band's while an impostor claims its id."""
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        old_reader, old_writer = await dial(host, port, b"w1 old")
        await sink.until(lambda: len(sink.got) == 1)
        new_reader, new_writer = await dial(host, port, b"w1 new")
        await sink.until(lambda: len(sink.got) == 2)
        done: list[str] = []
        assert transport.send("w1", b"order", lambda: done.append("order"))
        assert await old_reader.readexactly(5) == await new_reader.readexactly(5) == b"order"
        assert done == ["order"]
        assert sink.doubles == []
        old_writer.close()
        await sink.until(lambda: sink.got[0].link in sink.closed_links or settle_all(sink))
        assert transport.send("w1", b"more", lambda: None)
        assert await new_reader.readexactly(4) == b"more"
        new_writer.close()


async def test_an_id_that_speaks_on_two_lines_in_turn_is_told_and_both_stay_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp_claims, "OVERLAP_S", 0)
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        writers = [(await dial(host, port, b"w1 first"))[1]]
        await sink.until(lambda: len(sink.got) == 1)
        writers.append((await dial(host, port, b"w1 second"))[1])
        await sink.until(lambda: len(sink.got) == 2)
        writers[1].write(b"w1 second again")
        await sink.until(lambda: len(sink.got) == 3)
        assert sink.doubles == []
        writers[0].write(b"w1 first again")
        await sink.until(lambda: len(sink.got) == 4)
        assert sink.doubles == [(sink.got[0].link, sink.got[1].link.peer)]
        writers[1].write(b"w1 second is alive too")
        await sink.until(lambda: len(sink.got) == 5)
        assert sink.doubles[1:] == [(sink.got[1].link, sink.got[0].link.peer)]
        assert transport.counts["an id on two connections"] == 2
        assert sink.closed_links == []
        for writer in writers:
            writer.close()


async def test_what_an_older_line_says_just_after_a_newer_came_proves_nothing() -> None:
    sink = PinningSink()
    async with listening(sink) as (_, host, port):
        _, old = await dial(host, port, b"w1 old")
        await sink.until(lambda: len(sink.got) == 1)
        _, new = await dial(host, port, b"w1 new")
        await sink.until(lambda: len(sink.got) == 2)
        old.write(b"w1 was on its way")
        await sink.until(lambda: len(sink.got) == 3)
        assert sink.doubles == []
        for writer in (old, new):
            writer.close()


async def test_a_third_line_of_a_device_ends_the_one_that_was_silent_longest() -> None:
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        lines = []
        for word in (b"w1 a", b"w1 b", b"w1 c"):
            lines.append(await dial(host, port, word))
            await sink.until(lambda: len(sink.got) == len(lines))
        with contextlib.suppress(ConnectionResetError):
            assert await lines[0][0].read() == b""
        assert transport.counts["cut: a third line of one device"] == 1
        assert transport.send("w1", b"order", lambda: None)
        assert await lines[1][0].readexactly(5) == await lines[2][0].readexactly(5) == b"order"
        for _, writer in lines:
            writer.close()


async def test_a_device_that_is_not_admitted_any_more_loses_all_its_lines() -> None:
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        lines = [await dial(host, port, word) for word in (b"w1 a", b"w1 b", b"w2 c")]
        await sink.until(lambda: len(sink.got) == 3)
        transport.forget("w1")
        transport.forget("w1")
        for reader, _ in lines[:2]:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        assert transport.counts["not admitted any more"] == 2
        assert not transport.send("w1", b"order", lambda: None)
        assert transport.send("w2", b"order", lambda: None)
        for _, writer in lines:
            writer.close()


async def test_a_line_that_talks_rubbish_is_cut_and_one_good_frame_in_between_keeps_it() -> None:
    sink = PinningSink()
    bad = Settlement(Outcome.QUARANTINED, bad=1)
    async with listening(sink, max_bad_frames=3) as (transport, host, port):
        reader, writer = await dial(host, port, b"w1 ?")
        answers = [bad, bad, Settlement(Outcome.STORED, stored=1), bad, Settlement(Outcome.STORED), bad, bad]
        for number, answer in enumerate(answers, 1):
            await sink.until(lambda number=number: len(sink.got) == number)
            assert transport.counts["cut: talks rubbish"] == 0
            sink.got[-1].settle(answer)
            if number < len(answers):
                writer.write(b"w1 ?")
        assert await reader.read() == b""
        assert transport.counts["cut: talks rubbish"] == 1
        writer.close()


async def test_a_piece_with_too_many_bad_frames_ends_the_line_at_once() -> None:
    sink = PinningSink()
    async with listening(sink) as (transport, host, port):
        reader, writer = await dial(host, port, b"w1 ?")
        await sink.until(lambda: len(sink.got) == 1)
        sink.got[0].settle(Settlement(Outcome.QUARANTINED, bad=16000))
        assert await reader.read() == b""
        assert transport.counts["cut: talks rubbish"] == 1
        writer.close()


async def test_a_line_that_never_says_who_it_is_is_cut_however_busily_it_talks() -> None:
    sink = PinningSink(knows=False)
    async with listening(sink, unknown_timeout_s=0.05) as (transport, host, port):
        reader, writer = await dial(host, port)
        talking = asyncio.create_task(dribble(writer, sink))
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        talking.cancel()
        assert transport.counts["cut: nobody we know"] == 1
        assert transport.counts["idle"] == 0
        writer.close()


async def test_a_frame_without_an_end_is_cut_off_before_it_fills_the_memory() -> None:
    sink = PinningSink(knows=False, settles=NOTHING)
    async with listening(sink) as (transport, host, port):
        reader, writer = await dial(host, port)
        writer.write(b"[" + b"x" * 10 * 1024 * 1024)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert transport.counts["cut: no frame in so many bytes"] == 1
        taken = sum(len(inbound.data) for inbound in sink.got)
        assert (
            tcp_line.MAX_FRAMELESS_UNKNOWN_BYTES < taken < tcp_line.MAX_FRAMELESS_UNKNOWN_BYTES + 512 * 1024
        )
        assert transport.unfinished_bytes == 0
        writer.close()


async def test_past_the_memory_bound_the_fattest_unknown_lines_go_and_known_ones_stay() -> None:
    sink = PinningSink(settles=NOTHING)
    async with listening(sink, max_buffered_mb=0.1) as (transport, host, port):
        _, known = await dial(host, port, b"w1 " + b"k" * 40_000)
        await sink.until(lambda: len(sink.heard()) == 40_003)
        sink.knows = False
        _, thin = await dial(host, port, b"t" * 1000)
        await sink.until(lambda: len(sink.heard()) == 41_003)
        fat_reader, fat = await dial(host, port, b"f" * 80_000)
        with contextlib.suppress(ConnectionResetError):
            assert await fat_reader.read() == b""
        await sink.until(lambda: len(sink.closed_links) == 1)
        assert transport.counts["cut: too much waits for its end"] == 1
        assert transport.unfinished_bytes == 41_003
        for writer in (known, thin, fat):
            writer.close()


async def test_when_too_much_waits_for_the_journal_no_line_is_read_until_it_has_caught_up() -> None:
    sink = PinningSink()
    async with listening(sink, max_buffered_mb=0.1) as (transport, host, port):
        _, quiet = await dial(host, port, b"w2 hello")
        await sink.until(lambda: len(sink.got) == 1)
        _, loud = await dial(host, port, b"w1 " + b"x" * 150_000)
        await sink.until(lambda: transport.counts["held: too much waits for the journal"] == 1)
        heard = len(sink.got)
        quiet.write(b" again")
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(sink.got) == heard
        settle_all(sink)
        await sink.until(lambda: settle_all(sink) and b" again" in sink.heard())
        for writer in (loud, quiet):
            writer.close()


async def test_a_full_listener_gives_a_newcomer_the_place_of_the_oldest_unknown_line() -> None:
    sink = PinningSink()
    async with listening(sink, max_connections=2) as (transport, host, port):
        _, known = await dial(host, port, b"w1 a")
        await sink.until(lambda: len(sink.got) == 1)
        stranger_reader, stranger = await dial(host, port)
        _, newcomer = await dial(host, port, b"w2 b")
        await sink.until(lambda: len(sink.got) == 2)
        with contextlib.suppress(ConnectionResetError):
            assert await stranger_reader.read() == b""
        assert transport.counts["cut: a newcomer took the place"] == 1
        for writer in (known, stranger, newcomer):
            writer.close()


async def test_too_many_at_once_from_one_peer_are_refused_before_anything_is_made_for_them() -> None:
    sink = PinningSink()
    limits = {"max_connections_per_peer": 1, "new_connections_per_peer_per_s": 0.001}
    async with listening(sink, **limits) as (transport, host, port):
        for gone in (1, 2):
            _, writer = await dial(host, port, b"w1 a")
            writer.close()
            await sink.until(lambda gone=gone: settle_all(sink) and len(sink.closed_links) == gone)
        reader, writer = await dial(host, port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert transport.counts["refused: too many at once from one peer"] == 1
        assert len(sink.closed_links) == 2
        writer.close()


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("no:address", "no:address"),
    ],
)
def test_a_peer_is_an_address_and_in_ipv6_its_64(host: str, network: str) -> None:
    assert network_of(host) == network


@given(
    steps=st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 10)), max_size=60),
    rate=st.floats(0.1, 5),
    burst=st.integers(1, 5),
)
def test_a_network_never_gets_more_than_its_burst_and_its_rate(
    steps: list[tuple[str, float]], rate: float, burst: int
) -> None:
    newcomers = Newcomers(rate_s=rate, burst=burst)
    now, taken = 0.0, {"a": 0, "b": 0}
    for network, pause in steps:
        now += pause
        newcomers.forget_full(now)
        taken[network] += newcomers.take(network, now)
        assert taken[network] <= burst + now * rate + 1e-6
        assert len(newcomers) <= 2


def test_the_buckets_are_bounded_and_a_full_one_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_door, "MAX_NETWORKS", 3)
    newcomers = Newcomers(rate_s=1, burst=2)
    for number in range(10):
        assert newcomers.take(f"192.0.2.{number}", 0.0)
        assert len(newcomers) <= 3
    newcomers.forget_full(1.0)
    assert len(newcomers) == 0


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
        await sink.until(
            lambda: sum(len(inbound.data) for inbound in sink.got) >= tcp_line.MAX_UNSETTLED_BYTES
        )
        for _ in range(50):
            await asyncio.sleep(0)
        unsettled = sum(len(inbound.data) for inbound in sink.got)
        assert unsettled < tcp_line.MAX_UNSETTLED_BYTES + 512 * 1024
        assert len(sink.got) <= tcp_line.MAX_UNSETTLED
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
