"""TCP limits: rubbish, strangers, floods and memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

import msgspec
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from rigs.tcp_band import NOTHING, PinningSink, dial, dribble, listening, replying, settle_all

from gateway.transports import tcp, tcp_door, tcp_line
from gateway.transports.base import Outcome, Settlement
from gateway.transports.tcp_door import Newcomers, network_of


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


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_kernel_keeps_little_of_a_line_that_is_not_read(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def story() -> int:
        sink = PinningSink()
        async with listening(sink) as (transport, host, port):
            _, writer = await dial(host, port, b"w1 hello")
            await sink.until(lambda: len(sink.got) == 1)
            line = next(iter(transport._doors[0].lines))
            size = line._wire.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            writer.close()
            return size

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(story()) <= 2 * tcp.KERNEL_BYTES
