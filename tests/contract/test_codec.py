"""What every codec owes the house, whatever it decodes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import plugins
from gateway.codecs import slip
from gateway.codecs.base import Known
from gateway.codecs.framing import MAX_BUFFER_BYTES
from gateway.errors import FrameError
from gateway.model import DownCommand, Uplink

NOW = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
METHODS = ("feed", "next_event", "end_of_message", "encode_down")
CODECS = {
    name: kind for name, kind in plugins.load("codec").items() if all(hasattr(kind, m) for m in METHODS)
}

SENML = [{"bn": "urn:dev:sw:band-1:", "n": "hr", "u": "beat/min", "v": 72}, {"n": "sos", "vb": True}]
SENML_QUOTED = [
    {"bn": "urn:dev:sw:band-1:", "n": "note", "vs": 'one " quote ]}\\'},
    {"n": "batt", "u": "%EL", "v": 9},
]
SENML_CBOR = [{-2: "urn:dev:sw:band-1:", 0: "hr", 1: "beat/min", 2: 72}, {0: "temp", 1: "Cel", 2: 36.5}]

SENML_CBOR_SOS = [{-2: "urn:dev:sw:band-1:", 0: "sos", 4: True}, {0: "press", 2: 0xDBC0}]


def sentence(body: str) -> bytes:
    check = 0
    for byte in body.encode():
        check ^= byte
    return f"${body}*{check:02X}\r\n".encode()


def epoch(second: int) -> bytes:
    time = f"0552{second:02d}.000"
    return sentence(f"GNRMC,{time},A,3109.31800,N,12106.30000,E,0.50,90.00,050826,,,A,V") + sentence(
        f"GNGGA,{time},3109.31800,N,12106.30000,E,1,14,0.9,7.5,M,8.0,M,,"
    )


def yx(message: str) -> bytes:
    text = f"YX868704044750055|V1.0|1|{{{message}}}\r\n".encode()
    return b"\x00\x01\x02" + len(text).to_bytes(2, "big") + text + b"\xff\xfe\xfc"


SKY_ALARM = "0100000700695B2EB512A05F20482E64C04857FF"
"""Twenty bytes: elder 7, SOS, 2026-01-05 03:23:33 UTC, 31.25 N 121.1 E, 72 a minute, 87 %, number 255."""

SAMPLES: dict[str, list[bytes]] = {
    "senml": [
        json.dumps(SENML).encode(),
        json.dumps(SENML_QUOTED, indent=1).encode(),
        cbor2.dumps(SENML_CBOR),
    ],
    "senml_slip": [slip.wrap(cbor2.dumps(SENML_CBOR)), slip.wrap(cbor2.dumps(SENML_CBOR_SOS))],
    "watch": [
        b"[3G*4700186508*000B*LK,0,10,100]",
        (
            b"[ZJ*014111001332708*0075*0064*AL,040418,052156,A,22.536207,N,113.938673,E,0,0,0,5,100,82,1000,50,"
            b"00010000,1,255,460,0,9340,3663,35]"
        ),
        (
            b"[3G*8800000242*0060*UD,120623,140020,A,48.949273,N, 4.378306,E,18.56,43.8,0.0,12,100,76,"
            b"10,0,00000000,0,0,1,[LG_Wall-Mount A/C],66:a1,-82,15.0]"
        ),
    ],
    "jt808": [
        bytes.fromhex(
            "7e02000048051160004464000d00000000000c00020159885e06cbf34400000000000020080718072201040000000130"
            "011c310109e4020063e50100e60100e7080000000000000000ee0a01cc01262c009a6743001e7e"
        ),
        bytes.fromhex(
            "7e0200003e4eb6fb4ad6280002000000000000000301587d010106cbff6600000000000026010112000001040000007b"
            "30011831010ae8140c01103131313131313126010112000000000000467e"
        ),
        bytes.fromhex(
            "7e0704014301356777777707f5000801002600000000000000030159741206cbfd500172000000011605270906240104"
            "0000001d03020000002600000000000000030159746606cbfd50016b0000000116052709065301040000001d03020000"
            "00260000000000000003015975e406cbfe58013f0000000116052709072701040000001d030200000026000000000000"
            "0003015976de06cbff10012e0000000116052709075601040000001d0302000000260000000000000003015976bc06cb"
            "fed0012d0000000116052709083001040000001d0302000000260000000000000003015976fe06cbfec0010800000001"
            "16052709090001040000001d0302000000260000000000000003015976fe06cbfe7800fc000000011605270909330104"
            "0000001d0302000000260000000000000003015977a606cbff3001080000000116052709100201040000001d03020000"
            "1f7e"
        ),
    ],
    "nmea": [epoch(1), epoch(2), epoch(3)],
    "yx": [
        yx("F02#77.477817,-38.896292,201812291255,0.58|77.477796,-38.896245,201812291255,0.00"),
        yx("F01#87,12,5"),
    ],
    "iw": [
        b"IWAP03,06000908000102,5555,30#",
        (
            b"IWAP01080524A2232.9806N11404.9355E000.1061830323.8706000908000102,460,0,9520,3671,"
            b"Home|74-DE-2B-44-88-8C|97& Home1|74-DE-2B-44-88-8C|97#"
        ),
        (b"TRVYP03190805A1828.9242N07353.9423E000.0150716029.0010000810020201112,404,27,184,10229#"),
        b"IWAP10080524V0000.0000N00000.0000E000.0061830323.8706000908000102,460,0,9520,3671,01,zh-cn,00#",
    ],
    "rdss": [
        sentence("BDTCI,4216930,0247362,2,120000,3,0,A4" + SKY_ALARM),
        sentence("BDTXR,1,0179773,2,,A4" + SKY_ALARM),
        sentence("BDTXR,1,0179773,2,," + SKY_ALARM),
    ],
}
"""Good frames of each codec, each complete in itself."""


def fresh(name: str) -> Any:
    kind = CODECS[name]
    return kind(kind.Settings(), now=lambda: NOW)


def drain(codec: Any) -> list[Uplink | str]:
    """Read a codec dry; a FrameError becomes its reason. Anything else that escapes fails the test."""
    seen: list[Uplink | str] = []
    while True:
        try:
            event = codec.next_event()
        except FrameError as error:
            seen.append(error.reason)
            continue
        if event is None:
            return seen
        assert isinstance(event, Uplink)
        seen.append(event)


def whole(name: str, data: bytes) -> list[Uplink | str]:
    codec = fresh(name)
    codec.feed(data)
    seen = drain(codec)
    codec.end_of_message()
    return seen + drain(codec)


def pieces(name: str, data: list[bytes]) -> list[Uplink | str]:
    codec = fresh(name)
    seen: list[Uplink | str] = []
    for piece in data:
        codec.feed(piece)
        seen += drain(codec)
    codec.end_of_message()
    return seen + drain(codec)


every_codec = pytest.mark.parametrize("name", sorted(CODECS))


def test_the_three_house_codecs_are_found_and_every_codec_has_sample_frames() -> None:
    assert {"senml", "watch", "nmea"} <= set(CODECS)
    assert set(CODECS) == set(SAMPLES)


@every_codec
def test_a_codec_declares_its_name_and_a_closed_settings_type(name: str) -> None:
    kind = CODECS[name]
    assert kind.name == name
    assert kind.Settings.__struct_config__.frozen
    assert kind.Settings.__struct_config__.forbid_unknown_fields
    assert kind().next_event() is None


@every_codec
def test_each_sample_frame_gives_one_uplink_with_readings(name: str) -> None:
    for frame in SAMPLES[name]:
        seen = whole(name, frame)
        assert len(seen) == 1
        assert isinstance(seen[0], Uplink)
        assert seen[0].readings


@every_codec
def test_frames_read_the_same_whole_glued_and_byte_by_byte(name: str) -> None:
    glued = b"".join(SAMPLES[name])
    expected = whole(name, glued)
    assert [event for event in expected if isinstance(event, str)] == []
    assert len(expected) == len(SAMPLES[name])
    assert pieces(name, SAMPLES[name]) == expected
    assert pieces(name, [glued[i : i + 1] for i in range(len(glued))]) == expected


@every_codec
@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), max_size=6))
def test_frames_read_the_same_wherever_they_are_cut(name: str, cuts: list[int]) -> None:
    glued = b"".join(SAMPLES[name])
    edges = [0, *sorted(min(cut, len(glued)) for cut in cuts), len(glued)]
    assert pieces(name, [glued[a:b] for a, b in pairwise(edges)]) == whole(name, glued)


@every_codec
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_give_uplinks_or_frame_errors_and_nothing_else(name: str, data: st.DataObject) -> None:
    frame = data.draw(st.sampled_from(SAMPLES[name]))
    damaged = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    noise = data.draw(st.binary(max_size=80))
    codec = fresh(name)
    for piece in (noise, bytes(damaged), noise[::-1]):
        codec.feed(piece)
        drain(codec)
    codec.end_of_message()
    drain(codec)
    assert drain(codec) == []


@every_codec
@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=200))
def test_noise_in_a_message_never_spoils_the_next_message(name: str, noise: bytes) -> None:
    codec = fresh(name)
    codec.feed(noise)
    codec.end_of_message()
    drain(codec)
    codec.feed(SAMPLES[name][0])
    codec.end_of_message()
    assert drain(codec) == whole(name, SAMPLES[name][0])


BROKEN = {
    "senml": b'[{"n":"hr","u":"beat/min","v":7e}]',
    "senml_slip": slip.wrap(cbor2.dumps(SENML_CBOR)).replace(b"hr", b"hs"),
    "watch": b"[3G*47001865*nonsense]",
    "yx": b"\x00\x01\x02\x00\x05hello\xff\xfe\xfc",
    "iw": b"IWAP01080524A9932.9806N#",
    "rdss": b"$BDTXR,1,0179773,2,,A468656C6C6F*00\r\n",
    "jt808": bytes.fromhex("7e0002000004304832546500b7cb7e"),
    "nmea": b"$GNRMC,055200.000,A,3109.31800,N,12106.30000,E,0.50,90.00,050826,,,A,V*00\r\n",
}


@every_codec
def test_after_a_broken_frame_the_next_good_one_is_read(name: str) -> None:
    seen = whole(name, BROKEN[name] + SAMPLES[name][0])
    assert isinstance(seen[0], str)
    assert seen[1:] == whole(name, SAMPLES[name][0])


@every_codec
def test_a_frame_cut_off_by_the_end_is_an_error_and_is_forgotten(name: str) -> None:
    seen = whole(name, SAMPLES[name][0][:20])
    assert [type(event) for event in seen] == [str]


@every_codec
def test_a_message_of_noise_is_an_error_of_its_own(name: str) -> None:
    assert whole(name, b"hello") == ["no frame here"]


@every_codec
@pytest.mark.parametrize("first", [b"[", b"\x9f", b"$", b'["', b"x"])
def test_the_buffer_stays_bounded_and_says_so(name: str, first: bytes) -> None:
    codec = fresh(name)
    codec.feed(first)
    for _ in range(40):
        codec.feed(b"0" * 65536)
    assert len(codec._frames) <= MAX_BUFFER_BYTES
    drain(codec)
    codec.end_of_message()
    drain(codec)
    assert len(codec._frames) == 0
    codec.feed(SAMPLES[name][0])
    codec.end_of_message()
    assert any(isinstance(event, Uplink) for event in drain(codec))


@every_codec
def test_every_order_is_translated_to_bytes_or_refused(name: str) -> None:
    codec = fresh(name)
    for order in ("help_is_coming", "cancelled", "find", "locate_now", "message", "interval"):
        down = codec.encode_down(DownCommand(name=order), "4700186508")
        assert down is None or (down.data and isinstance(down.tag, str))


class ModelOfAnotherProtocol(msgspec.Struct, frozen=True):
    """Settings no codec here knows."""


@every_codec
def test_a_band_of_another_protocols_model_is_read_with_the_ports_own_settings(name: str) -> None:
    kind = CODECS[name]
    codec = kind(kind.Settings(), now=lambda: NOW, bands=lambda _: Known(settings=ModelOfAnotherProtocol()))
    codec.feed(SAMPLES[name][0])
    codec.end_of_message()
    assert drain(codec) == whole(name, SAMPLES[name][0])
    codec.encode_down(DownCommand(name="find"), "4700186508")
