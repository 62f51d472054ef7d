"""Orders in the bytes of JT/T 808: texts, fences, and their bounds."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs import jt808_down
from gateway.codecs.jt808 import Jt808Codec
from gateway.codecs.jt808_frame import MAX_BODY_BYTES, Frame, parse
from gateway.model import DownCommand, FenceView

PHONE = "013800138000"
HOME = FenceView(fence="home", name="家", centre=(31.155, 121.105), radius_m=120.4)
SOUTH_WEST = FenceView(fence="far", name="远", centre=(-31.5, -60.25), radius_m=0.2)
GARDEN = FenceView(fence="garden", name="花园", polygon=((31.15, 121.1), (31.16, 121.1), (31.16, 121.11)))


def frames(command: DownCommand, codec: Jt808Codec | None = None) -> tuple[list[Frame], str]:
    order = (codec or Jt808Codec()).encode_down(command, PHONE)
    assert order is not None
    return [parse(b"\x7e" + piece + b"\x7e") for piece in order.data.split(b"\x7e") if piece], order.tag


def test_fences_go_as_one_message_of_circles_and_one_for_each_polygon():
    sent, tag = frames(DownCommand(name="fences", fences=(HOME, GARDEN, SOUTH_WEST)))
    assert [frame.message for frame in sent] == [0x8600, 0x8604]
    ways = 1 << 3 | 1 << 5
    assert sent[0].body == (
        bytes([0, 2])
        + struct.pack(">IHIII", 1, ways, 31_155_000, 121_105_000, 120)
        + struct.pack(">IHIII", 3, ways | 1 << 6 | 1 << 7, 31_500_000, 60_250_000, 1)
    )
    corners = (31_150_000, 121_100_000, 31_160_000, 121_100_000, 31_160_000, 121_110_000)
    assert sent[1].body == struct.pack(">IHH6I", 2, ways, 3, *corners)
    assert tag == f"8604:{sent[1].serial}"


def test_no_fences_clear_those_the_terminal_has():
    (frame,), tag = frames(DownCommand(name="fences", fences=()))
    assert (frame.message, frame.body, tag) == (0x8600, bytes([0, 0]), f"8600:{frame.serial}")


def test_since_2019_a_fence_has_its_name():
    name = "家".encode("gbk")
    body = jt808_down.circles([(1, "家", 31.155, 121.105, 120)], version=1)
    assert body.endswith(struct.pack(">H", len(name)) + name)
    assert jt808_down.polygon(1, "家", GARDEN.polygon, version=1).endswith(struct.pack(">H", 2) + name)


@pytest.mark.parametrize(
    "fences",
    [
        (HOME,) * 57,
        (FenceView(fence="line", name="", polygon=GARDEN.polygon[:2]),),
        (FenceView(fence="coast", name="", polygon=GARDEN.polygon * 34),),
        (FenceView(fence="nowhere", name="", centre=(91.0, 0.0), radius_m=10),),
    ],
)
def test_fences_no_message_can_hold_are_refused(fences):
    assert Jt808Codec().encode_down(DownCommand(name="fences", fences=fences), PHONE) is None


def test_as_many_circles_and_corners_as_are_allowed_fit_a_frame():
    named = [(number, "长" * 40, 31.1, 121.1, 50) for number in range(20)]
    assert len(jt808_down.circles([(1, "", 31.1, 121.1, 50)] * 56, version=None)) <= MAX_BODY_BYTES
    assert len(jt808_down.polygon(1, "长" * 40, [(31.1, 121.1)] * 100, version=1)) <= MAX_BODY_BYTES
    with pytest.raises(ValueError, match="too many circles"):
        jt808_down.circles(named, version=1)


@given(words=st.text(max_size=2000), version=st.sampled_from([None, 1]))
def test_any_text_is_whole_characters_and_fits_a_frame(words, version):
    body = jt808_down.text(words, flags=12, version=version)
    assert len(body) <= MAX_BODY_BYTES
    said = body[1 if version is None else 2 :].decode("gbk")
    assert len(said) == len(words) or len(said.encode("gbk")) >= jt808_down.MAX_TEXT_BYTES - 1


@pytest.mark.parametrize(("asked", "set_to"), [(1, 10), (60, 60), (100_000, 65535)])
def test_an_interval_is_kept_within_what_a_battery_and_a_field_bear(asked, set_to):
    assert jt808_down.interval(asked) == struct.pack(">BIBI", 1, 0x29, 4, set_to)
    assert jt808_down.track(asked) == struct.pack(">HI", set_to, 86400)
