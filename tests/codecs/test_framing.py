"""Bounds and counters of the frame buffer, and the cutter that knows where a CBOR item ends."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs.framing import MAX_BUFFER_BYTES, FrameBuffer, LineCutter, PackCutter, Tally
from gateway.codecs.watch_cutter import BracketCutter
from gateway.errors import FrameError

json_text = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def test_bytes_beyond_the_bound_are_refused_counted_and_reported() -> None:
    frames = FrameBuffer(LineCutter(b"$"), max_frame_bytes=100)
    frames.feed(b"$a\n" * (MAX_BUFFER_BYTES // 3))
    frames.feed(b"$bc\n" * 10)
    assert len(frames) == MAX_BUFFER_BYTES
    assert frames.refused_bytes == 40 - MAX_BUFFER_BYTES % 3
    for _ in range(MAX_BUFFER_BYTES // 3):
        assert frames.next() == b"$a\n"
    with pytest.raises(FrameError, match="buffer full"):
        frames.next()
    assert frames.next() is None
    frames.feed(b"$bc\n")
    assert frames.next() == b"$bc\n"


def test_skipped_bytes_are_counted_and_only_an_end_makes_them_an_error() -> None:
    frames = FrameBuffer(BracketCutter(), max_frame_bytes=100)
    frames.feed(b"noise[a]more")
    assert frames.next() == b"[a]"
    assert frames.next() is None
    assert frames.skipped_bytes == 9
    frames.end()
    with pytest.raises(FrameError) as caught:
        frames.next()
    assert (caught.value.reason, caught.value.raw) == ("no frame here", b"more")
    assert frames.next() is None


def test_a_frame_error_knows_its_frame_and_its_head() -> None:
    frames = FrameBuffer(BracketCutter(), max_frame_bytes=100)
    frames.feed(b"[" + b"x" * 60)
    frames.end()
    with pytest.raises(FrameError) as caught:
        frames.next()
    assert caught.value.raw == b"[" + b"x" * 60
    assert caught.value.head == b"[" + b"x" * 31
    assert caught.value.offset == 60


@settings(max_examples=150, deadline=None)
@given(value=st.lists(json_text, max_size=4), tail=st.binary(max_size=4))
def test_a_cbor_item_ends_where_its_heads_say(value: list[object], tail: bytes) -> None:
    packed = cbor2.dumps(value)
    if not 0x80 <= packed[0] <= 0x9F:
        return
    frames = FrameBuffer(PackCutter(), max_frame_bytes=4096)
    for byte in packed[:-1]:
        frames.feed(bytes([byte]))
        assert frames.next() is None
    frames.feed(packed[-1:] + tail)
    assert frames.next() == packed


def test_a_frame_that_comes_byte_by_byte_is_looked_at_once() -> None:
    cutter = BracketCutter()
    buffer = bytearray()
    for _ in range(1000):
        buffer += b"["
        assert cutter.cut(buffer, ended=False) is None
        assert cutter._looked >= len(buffer) - 1


def test_a_tally_keeps_sixty_four_names() -> None:
    tally = Tally()
    for number in range(1000):
        tally.add(f"name-{number}" + "x" * 100)
    assert len(tally.counts) == 65
    assert sum(tally.counts.values()) == 1000
    assert max(len(name) for name in tally.counts) <= 32


@pytest.mark.parametrize("step", [1, 3, 7, 100])
def test_a_frame_that_is_too_long_is_left_out_the_same_way_however_it_comes(step: int) -> None:
    data = b"$" + b"x" * 30 + b"\n$good\n$" + b"y" * 10 + b"$" + b"z" * 40
    buffer = FrameBuffer(LineCutter(b"$"), max_frame_bytes=16)
    seen: list[bytes | str] = []
    for at in range(0, len(data), step):
        buffer.feed(data[at : at + step])
        seen += everything(buffer)
    buffer.end()
    seen += everything(buffer)
    assert seen == [
        "frame too long",
        b"$good\n",
        "line cut off by the next",
        "frame too long",
        "no frame here",
    ]


def everything(buffer: FrameBuffer) -> list[bytes | str]:
    seen: list[bytes | str] = []
    while True:
        try:
            frame = buffer.next()
        except FrameError as error:
            seen.append(error.reason)
            continue
        if frame is None:
            return seen
        seen.append(frame)
