"""TCP lines of one device: who is heard, who is told of, who is cut."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.tcp_band import PinningSink, dial, listening, settle_all

from gateway.transports import tcp_claims
from gateway.transports.tcp_claims import MAX_LINES, OVERLAP_S, Claims, Verdict


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


@dataclass(eq=False)
class Speaker:
    """As much of a line as matters to who speaks for a device."""

    known_at: float | None = None


def told(words: list[tuple[int, float]]) -> list[tuple[float, int, Verdict]]:
    """What follows when these lines of one device speak, each after a pause; a line that is cut is gone."""
    claims, speakers = Claims(), [Speaker() for _ in range(4)]
    now, seen, gone = 0.0, [], set()
    for number, pause in words:
        if number in gone:
            continue
        now += pause
        speaker: Any = speakers[number]
        speaker.known_at = now if speaker.known_at is None else speaker.known_at
        verdict = claims.spoke("w1", speaker, now)
        seen.append((now, number, verdict))
        if verdict.cut is not None:
            claims.gone("w1", verdict.cut)
            gone.add(speakers.index(verdict.cut))
        assert len(claims.of("w1")) <= MAX_LINES
        assert speaker in claims.of("w1") or number in gone
    return seen


PAUSES = st.floats(0, 20)


@given(words=st.lists(st.tuples(st.integers(0, 3), PAUSES), max_size=30).map(sorted))
def test_a_band_that_goes_from_line_to_line_and_never_back_is_no_alarm(
    words: list[tuple[int, float]],
) -> None:
    assert [verdict.double for _, _, verdict in told(words) if verdict.double] == []


@given(pauses=st.lists(st.floats(OVERLAP_S + 0.1, 20), min_size=3, max_size=20))
def test_two_that_speak_in_turn_are_told_of_each_time_one_comes_back(pauses: list[float]) -> None:
    seen = told([(turn % 2, pause) for turn, pause in enumerate(pauses)])
    assert [verdict.double is not None for _, _, verdict in seen] == [False, False] + [True] * (
        len(pauses) - 2
    )


@given(words=st.lists(st.tuples(st.integers(0, 3), PAUSES), max_size=40))
def test_only_a_line_that_spoke_before_is_ever_told_of_or_cut(words: list[tuple[int, float]]) -> None:
    heard: list[int] = []
    for _, number, verdict in told(words):
        if verdict.double is not None:
            assert number in heard
            assert len(set(heard)) > 1
        if verdict.cut is not None:
            assert number not in heard
            assert len(set(heard)) >= MAX_LINES
        heard.append(number)
