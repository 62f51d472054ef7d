"""The packs of a radio receiver: framed, checked, answered."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs.checksum import crc16_ccitt_false
from gateway.codecs.framing import FrameBuffer
from gateway.codecs.senml_slip import SenmlSlipCodec, acknowledgement, base_name
from gateway.codecs.slip import SlipCutter, unwrap, wrap
from gateway.errors import FrameError
from gateway.model import BandAlarm, DownCommand, HeartRate, Uplink

PACK = cbor2.dumps([{-2: "urn:dev:sw:band-1:", 0: "hr", 1: "beat/min", 2: 72}, {0: "press", 2: 0xC0DB}])
FRAME = wrap(PACK)
TRICKY = st.binary(min_size=1, max_size=60) | st.lists(
    st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD, 0x81]), min_size=1, max_size=40
).map(bytes)


def read(data: bytes, codec: SenmlSlipCodec | None = None) -> list[Uplink | str]:
    codec = codec or SenmlSlipCodec()
    codec.feed(data)
    codec.end_of_message()
    seen: list[Uplink | str] = []
    while True:
        try:
            event = codec.next_event()
        except FrameError as error:
            seen.append(error.reason)
            continue
        if event is None:
            return seen
        seen.append(event)


def test_the_checksum_is_the_catalogues_ccitt_false():
    assert crc16_ccitt_false(b"123456789") == 0x29B1


@settings(max_examples=300, deadline=None)
@given(packet=TRICKY)
def test_what_was_wrapped_is_unwrapped_and_holds_no_end_inside(packet):
    frame = wrap(packet)
    assert 0xC0 not in frame[1:-1]
    assert unwrap(frame) == (packet, crc16_ccitt_false(packet))


@settings(max_examples=300, deadline=None)
@given(packets=st.lists(TRICKY, min_size=1, max_size=4), cut=st.integers(1, 9), shared=st.booleans())
def test_frames_are_found_however_the_stream_is_cut_and_when_they_share_an_end(packets, cut, shared):
    stream = b"".join(map(wrap, packets))
    if shared:
        stream = stream.replace(b"\xc0\xc0", b"\xc0")
    buffer = FrameBuffer(SlipCutter(lambda _: True), max_frame_bytes=500)
    found = []
    for start in range(0, len(stream), cut):
        buffer.feed(stream[start : start + cut])
        while (frame := buffer.next()) is not None:
            found.append(unwrap(frame)[0])
    assert found == packets


def test_a_pack_is_read_as_the_house_format_reads_it_and_keeps_its_whole_frame():
    assert read(FRAME) == [
        Uplink(
            device="band-1",
            readings=(HeartRate(heart_rate_bpm=72),),
            raw=FRAME,
            reply=acknowledgement("band-1", crc16_ccitt_false(PACK)),
        )
    ]


def test_the_answer_names_the_band_and_the_checksum_of_its_pack():
    pack, _ = unwrap(acknowledgement("mac:0024befffe804ff1", 0x1234))
    assert cbor2.loads(pack) == [{-2: "urn:dev:mac:0024befffe804ff1:", 0: "ack", 2: 0x1234}]


@pytest.mark.parametrize("device", ["band-1", "mac:0024befffe804ff1", "4700186508"])
def test_a_base_name_reads_back_as_the_band_it_was_made_for(device):
    uplink = read(wrap(cbor2.dumps([{-2: base_name(device), 0: "batt", 1: "%EL", 2: 50}])))[0]
    assert isinstance(uplink, Uplink)
    assert uplink.device == device


def test_an_order_is_a_frame_that_says_whom_to_radio_it_to():
    order = SenmlSlipCodec().encode_down(DownCommand(name="message", text="下楼吃饭"), "band-1")
    assert order is not None
    assert cbor2.loads(unwrap(order.data)[0]) == [
        {-2: "urn:dev:sw:band-1:", 0: "cmd", 3: "message"},
        {0: "text", 3: "下楼吃饭"},
    ]


def test_no_single_wrong_bit_is_ever_believed():
    believed = []
    for bit in range(8 * len(FRAME)):
        wrong = bytearray(FRAME)
        wrong[bit // 8] ^= 1 << bit % 8
        believed += [event for event in read(bytes(wrong)) if isinstance(event, Uplink)]
    assert believed == []


def test_a_wrong_bit_costs_its_own_frame_alone():
    for bit in range(8, 8 * len(FRAME) - 8):
        wrong = bytearray(FRAME)
        wrong[bit // 8] ^= 1 << bit % 8
        seen = [event for event in read(FRAME + bytes(wrong) + FRAME) if isinstance(event, Uplink)]
        assert [event.raw for event in seen] == [FRAME, FRAME], bit


def test_what_a_receiver_says_between_frames_is_skipped_and_counted():
    codec = SenmlSlipCodec()
    seen = read(b"tail of a frame\xc0\xc0\xc0LoRa ready\r\n" + FRAME + b"\xc0RSSI -71\r\n" + FRAME, codec)
    assert [type(event) for event in seen] == [Uplink, Uplink]
    assert codec.skipped_bytes == len("tail of a frame") + 3 + len("LoRa ready\r\n") + 1 + len("RSSI -71\r\n")


def test_a_frame_that_is_wrong_is_an_error_with_its_bytes():
    codec = SenmlSlipCodec()
    for frame, reason in (
        (FRAME.replace(b"hr", b"hs"), "checksum wrong"),
        (b"\xc0\x82\xdb\x00\x00\xc0", "bad escape"),
        (b"\xc0\x80\x00\xc0", "frame too short"),
        (wrap(PACK + PACK), "not SenML CBOR"),
    ):
        codec.feed(frame)
        with pytest.raises(FrameError) as error:
            codec.next_event()
        assert (error.value.reason, error.value.raw) == (reason, frame)


def test_an_impossible_value_does_not_cost_a_cry_for_help():
    pack = cbor2.dumps([{-2: "urn:dev:sw:band-1:", 0: "hr", 1: "beat/min", 2: 999}, {0: "sos", 4: True}])
    uplink = read(wrap(pack))[0]
    assert isinstance(uplink, Uplink)
    assert uplink.readings == (BandAlarm(alarm="sos"),)
    assert uplink.raw == wrap(pack)
