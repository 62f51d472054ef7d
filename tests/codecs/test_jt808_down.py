"""Orders in the bytes of JT/T 808: texts, fences, their bounds, and how their answers are known again."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.jt808_frames import Terminal
from gateway.codecs import jt808_down
from gateway.codecs.base import Known
from gateway.codecs.jt808 import Jt808Codec
from gateway.codecs.jt808_frame import MAX_BODY_BYTES, Frame, build, parse
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.model import DownAnswer, DownCommand, FencePart, FenceView, Fix, Uplink

NOW = datetime(2026, 8, 5, 12, tzinfo=UTC)
PHONE = "013800138000"
HOME = FenceView(fence="home", name="家", centre=(31.155, 121.105), radius_m=120.4)
SOUTH_WEST = FenceView(fence="far", name="远", centre=(-31.5, -60.25), radius_m=0.2)
GARDEN = FenceView(fence="garden", name="花园", polygon=((31.15, 121.1), (31.16, 121.1), (31.16, 121.11)))


class Line:
    """One connection to a codec."""

    def __init__(self) -> None:
        self.codec = Jt808Codec(now=lambda: NOW)

    def one(self, data: bytes) -> Uplink:
        self.codec.feed(data)
        uplink = self.codec.next_event()
        assert uplink is not None
        return uplink


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(PHONE)


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


def test_corridors_and_parts_stay_with_the_gateway_and_a_polygon_goes_without_its_holes():
    replace = msgspec.structs.replace
    holed = replace(GARDEN, holes=(((31.152, 121.101), (31.153, 121.101), (31.153, 121.102)),))
    walk = FenceView(fence="walk", name="路", line=((31.15, 121.1), (31.16, 121.1)), half_width_m=25)
    both = FenceView(fence="both", name="家和路", parts=(FencePart(centre=(31.15, 121.1), radius_m=90),))
    sent, _ = frames(DownCommand(name="fences", fences=(walk, both, holed)))
    plain, _ = frames(DownCommand(name="fences", fences=(GARDEN,)))
    assert [frame.message for frame in sent] == [0x8600, 0x8604]
    assert sent[0].body == bytes([0, 0])
    assert sent[1].body[4:] == plain[1].body[4:]


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


# --------------------------------------------------------------------------- orders and their answers

ORDERS = [
    (DownCommand(name="message", text="记得吃药"), 0x8300, b"\x0c" + "记得吃药".encode("gbk")),
    (DownCommand(name="locate_now"), 0x8201, b""),
    (DownCommand(name="interval", interval_s=60), 0x8103, bytes.fromhex("010000002904 0000003c")),
    (DownCommand(name="call_back", phone="+8613800138001"), 0x8400, b"\x0013800138001"),
]


@pytest.mark.parametrize(("command", "message", "sent"), ORDERS)
def test_an_order_is_in_the_terminals_words_and_its_answer_is_known_again(
    line, terminal, command, message, sent
):
    line.one(terminal.frame(0x0002))
    order = line.codec.encode_down(command, PHONE)
    frame = parse(order.data)
    assert (frame.message, frame.body, frame.phone.hex()) == (message, sent, PHONE)
    assert order.tag == f"{message:04x}:{frame.serial}"
    answers = [
        line.one(terminal.frame(0x0001, struct.pack(">HHB", frame.serial, message, code))).answers[0]
        for code in (0, 1, 2, 3, 9)
    ]
    assert answers == [
        DownAnswer(tag=order.tag, done=True),
        DownAnswer(tag=order.tag, done=False, detail="failed"),
        DownAnswer(tag=order.tag, done=False, detail="order wrong"),
        DownAnswer(tag=order.tag, done=False, detail="unsupported"),
        DownAnswer(tag=order.tag, done=False, detail="result 9"),
    ]


def test_the_answer_to_an_order_wants_no_answer_and_one_cut_short_is_kept(line, terminal):
    assert line.one(terminal.frame(0x0001, struct.pack(">HHB", 1, 0x8201, 0))).reply is None
    assert line.one(terminal.frame(0x0001, b"\0\0\0\0")).refusal == "answer too short"


def test_a_position_asked_for_settles_the_order_and_is_a_position(line, terminal):
    order = line.codec.encode_down(DownCommand(name="locate_now"), PHONE)
    serial = parse(order.data).serial
    uplink = line.one(terminal.frame(0x0201, struct.pack(">H", serial) + bytes(28)))
    assert uplink.answers == (DownAnswer(tag=order.tag, done=True),)
    assert [type(reading) for reading in uplink.readings] == [Fix]
    assert line.one(terminal.frame(0x0201, b"\0")).refusal == "position unreadable"


def test_words_that_answer_a_text_are_told_with_it(line, terminal):
    order = line.codec.encode_down(DownCommand(name="message", text="STATUS#"), PHONE)
    words = "\0Set OK!\r".encode("utf-16-be")
    assert line.one(terminal.frame(0x1300, words)).answers == (
        DownAnswer(tag=order.tag, done=True, detail="Set OK!"),
    )
    assert line.one(terminal.frame(0x6006, "已设置".encode("gbk"))).answers[0].detail == "已设置"


def test_a_2019_terminal_gets_its_texts_with_a_type(line):
    phone = bytes.fromhex("00000000013800138000")
    line.one(build(0x0002, b"", phone=phone, serial=5, version=1))
    order = line.codec.encode_down(DownCommand(name="help_is_coming"), "00000000013800138000")
    frame = parse(order.data)
    assert (frame.version, frame.phone) == (1, phone)
    assert frame.body == b"\x0c\x01" + "求助已收到，正在联系您的家人。".encode("gbk")


def test_the_model_says_how_it_rings_and_how_its_interval_is_set(terminal):
    settings = Jt808Settings(find_control=0x70, interval_by="tracking")
    codec = Jt808Codec(bands={PHONE: Known(settings=settings)}.get)
    ring = parse(codec.encode_down(DownCommand(name="find"), PHONE).data)
    pace = parse(codec.encode_down(DownCommand(name="interval", interval_s=1), PHONE).data)
    assert (ring.message, ring.body) == (0x8105, b"\x70")
    assert (pace.message, pace.body) == (0x8202, struct.pack(">HI", 10, 86400))
    assert parse(Jt808Codec().encode_down(DownCommand(name="find"), PHONE).data).message == 0x8300


@pytest.mark.parametrize(
    ("command", "device"),
    [
        (DownCommand(name="message"), PHONE),
        (DownCommand(name="interval"), PHONE),
        (DownCommand(name="call_back"), PHONE),
        (DownCommand(name="fences"), PHONE),
        (DownCommand(name="find"), "band-zhang"),
        (DownCommand(name="find"), "0138001380001"),
    ],
)
def test_an_order_without_its_words_or_for_no_terminal_is_refused(command, device):
    assert Jt808Codec().encode_down(command, device) is None
