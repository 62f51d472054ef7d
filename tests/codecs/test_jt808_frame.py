"""The frames of JT/T 808: built, cut, read, damaged."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.framing import FrameBuffer
from gateway.codecs.jt808_frame import FlagCutter, build, parse, unescape
from gateway.errors import FrameError

PHONE = bytes.fromhex("013800138000")
PHONE_2019 = bytes.fromhex("00000000013800138000")
HEARTBEAT = build(0x0002, b"", phone=PHONE, serial=1)

bodies = st.binary(max_size=1023)
numbers = st.integers(0, 0xFFFF)


def cut(data: bytes, *edges: int) -> list[bytes | str]:
    """Frames and reasons, with the data fed in pieces cut at `edges`."""
    frames = FrameBuffer(FlagCutter(), max_frame_bytes=4096)
    seen: list[bytes | str] = []
    for start, end in pairwise([0, *sorted(edges), len(data)]):
        frames.feed(data[start:end])
        seen += drained(frames)
    frames.end()
    return seen + drained(frames)


def drained(frames: FrameBuffer) -> list[bytes | str]:
    seen: list[bytes | str] = []
    while True:
        try:
            frame = frames.next()
        except FrameError as error:
            seen.append(error.reason)
            continue
        if frame is None:
            return seen
        seen.append(frame)


@given(message=numbers, body=bodies, serial=numbers, phone=st.binary(min_size=6, max_size=6))
def test_what_is_built_reads_as_it_was(message, body, serial, phone):
    frame = parse(build(message, body, phone=phone, serial=serial))
    assert (frame.message, frame.body, frame.phone, frame.serial) == (message, body, phone, serial)
    assert (frame.version, frame.parts, frame.part, frame.fault) == (None, 0, 0, "")
    assert frame.declared_bytes == len(body)


@given(body=bodies, version=st.integers(0, 255), parts=st.integers(1, 0xFFFF), part=st.integers(1, 0xFFFF))
def test_a_part_with_a_2019_header_reads_as_it_was(body, version, parts, part):
    built = build(0x0704, body, phone=PHONE_2019, serial=7, version=version, parts=parts, part=part)
    frame = parse(built)
    assert (frame.phone, frame.version, frame.parts, frame.part) == (PHONE_2019, version, parts, part)
    assert (frame.body, frame.fault) == (body, "")


@given(body=bodies)
def test_no_flag_stands_inside_a_frame(body):
    assert build(0x0200, body, phone=PHONE, serial=0x7E7D)[1:-1].count(0x7E) == 0


@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=6),
    st.lists(st.integers(0, 300), max_size=5),
    st.booleans(),
)
def test_frames_are_cut_the_same_wherever_the_stream_is_cut(bodies, edges, shared):
    frames = [build(0x0900, body, phone=PHONE, serial=at) for at, body in enumerate(bodies)]
    stream = b"\x7e" + b"".join(frame[1:] for frame in frames) if shared else b"".join(frames)
    seen = cut(stream, *(min(edge, len(stream)) for edge in edges))
    assert [unescape(one)[0] for one in seen if isinstance(one, bytes)] == [
        unescape(frame)[0] for frame in frames
    ]


@given(noise=st.binary(max_size=60))
def test_noise_never_swallows_a_frame_after_it(noise):
    seen = cut(noise + HEARTBEAT + HEARTBEAT)
    assert [unescape(one)[0] for one in seen[-2:]] == [unescape(HEARTBEAT)[0]] * 2


@pytest.mark.parametrize("between", [b"", b"\r\n", b"\x7e\x7e", b"\0"])
def test_line_ends_and_empty_frames_between_frames_are_no_frames(between):
    seen = cut(HEARTBEAT + between + HEARTBEAT)
    assert [unescape(one)[0] for one in seen] == [unescape(HEARTBEAT)[0]] * 2


@pytest.mark.parametrize(
    "other", [b"(794104004140,1,001,BASE,2,TIME)", bytes.fromhex("e7020000e601020304050607e7")]
)
def test_other_framings_are_cut_whole_and_swallow_no_frame(other):
    assert cut(HEARTBEAT + other + HEARTBEAT) == [HEARTBEAT, "not a standard frame", HEARTBEAT]
    assert cut(other[:-1] + HEARTBEAT)[-1] == HEARTBEAT
    assert cut(other[:-1]) == ["frame cut off by the end"]


def test_a_wrong_checksum_and_an_unknown_escape_are_faults_not_errors():
    damaged = bytearray(HEARTBEAT)
    damaged[5] ^= 1
    assert parse(bytes(damaged)).fault == "checksum wrong"
    assert parse(HEARTBEAT[:-2] + b"\x7d\x09" + HEARTBEAT[-2:]).fault == "escape unknown"
    assert unescape(b"\x7eab\x7dc\x7d\x01\x7d\x02\x7e") == (b"ab\x7dc\x7d\x7e", "escape unknown")


@pytest.mark.parametrize("size", range(2, len(HEARTBEAT) - 1))
def test_a_frame_that_ends_too_soon_is_an_error(size):
    with pytest.raises(FrameError, match="frame too short") as refused:
        parse(HEARTBEAT[:size] + b"\x7e")
    assert refused.value.raw == HEARTBEAT[:size] + b"\x7e"


def test_a_frame_too_long_is_an_error_and_the_next_is_read():
    frames = FrameBuffer(FlagCutter(), max_frame_bytes=64)
    frames.feed(build(0x0900, bytes(100), phone=PHONE, serial=1) + HEARTBEAT)
    assert drained(frames) == ["frame too long", HEARTBEAT]


@pytest.mark.parametrize(
    ("phone", "version", "body"), [(PHONE_2019, None, b""), (PHONE, 1, b""), (PHONE, None, bytes(1024))]
)
def test_what_no_header_can_say_is_not_built(phone, version, body):
    with pytest.raises(ValueError, match="wrong length"):
        build(0x8300, body, phone=phone, serial=1, version=version)


class Unsearchable(bytearray):
    """A buffer nobody may search for one byte from end to end."""

    def find(self, *_):
        raise AssertionError("searched to its end for a byte that is not there")


@pytest.mark.parametrize(("noise", "used"), [(b"x(a)x", 1), (b"(a)x(", 3), (b"\xe7a\xe7x", 3), (b"xyz", 3)])
def test_noise_is_looked_at_only_up_to_its_end_so_that_much_of_it_takes_no_longer(noise, used):
    cut = FlagCutter().cut(Unsearchable(noise), ended=False)
    assert cut is not None
    assert cut.used == used
