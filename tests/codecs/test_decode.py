"""`shouwang decode`: one frame a line, one JSON line a frame."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.codecs.checksum import xor8
from gateway.codecs.decode import decode_lines

NOW = datetime(2026, 8, 5, 4, 30, 15, tzinfo=UTC)


def decoded(codec: str, *lines: bytes, hex_lines: bool = False) -> list[dict[str, Any]]:
    return [json.loads(line) for line in decode_lines(codec, lines, hex_lines=hex_lines)]


def nmea(body: str) -> bytes:
    return f"${body}*{xor8(body.encode()):02X}\r\n".encode()


def test_a_frame_prints_its_device_readings_and_reply_with_every_field() -> None:
    line = (
        b"[SG*9059011020*006b*UD2,240123,162011,A,54.427621,N,6.409190,W,3.60,0,0,8,19,88,0,0,00000000,1,1]\n"
    )
    assert decoded("watch", line) == [
        {
            "codec": "watch",
            "device": "9059011020",
            "backlog": True,
            "readings": [
                {
                    "kind": "fix",
                    "lat": 54.427621,
                    "lon": -6.40919,
                    "valid": True,
                    "alt_m": 0.0,
                    "speed_m_s": 1.0,
                    "course_deg": 0.0,
                    "accuracy_m": None,
                    "satellites": 8,
                    "source": "gnss",
                    "at": "2023-01-24T16:20:11Z",
                },
                {"kind": "battery", "battery_pct": 88.0, "at": "2023-01-24T16:20:11Z"},
                {"kind": "steps", "steps": 0, "at": "2023-01-24T16:20:11Z"},
            ],
            "reply": None,
        }
    ]


def test_an_error_prints_its_reason_offset_and_head() -> None:
    assert decoded("nmea", b"$GNRMC,1*00") == [
        {"error": {"reason": "checksum wrong", "offset": 9, "head": "$GNRMC,1*00\r\n"}}
    ]
    assert decoded("watch", b"hello") == [
        {"error": {"reason": "no frame here", "offset": 0, "head": "hello"}}
    ]


def test_comments_and_empty_lines_are_passed_over() -> None:
    assert decoded("watch", b"# a comment\n", b"\n", b"  \n") == []


def test_hex_lines_are_bytes() -> None:
    frame = b"[3G*4700186508*0002*LK]"
    (answer,) = decoded("watch", frame.hex(" ").encode(), hex_lines=True)
    assert answer["reply"] == "[3G*4700186508*0002*LK]"
    assert decoded("watch", b"zz", hex_lines=True) == [
        {"error": {"reason": "not hex", "offset": 0, "head": "zz"}}
    ]


def test_a_binary_pack_is_read_from_hex() -> None:
    (answer,) = decoded("senml", b"81a2006268720218 48", hex_lines=True)
    assert answer["readings"] == [{"kind": "heart_rate", "heart_rate_bpm": 72.0, "at": None}]


def test_each_line_is_a_connection_of_its_own_so_one_bad_line_spoils_no_other() -> None:
    first, second = decoded("watch", b"[3G*4700186508*0002*LK", b"[3G*4700186508*0002*LK]")
    assert first["error"]["reason"] == "frame cut off by the end"
    assert second["device"] == "4700186508"


def test_a_line_with_two_frames_prints_two_lines() -> None:
    assert len(decoded("watch", b"[3G*4700186508*0002*LK][3G*4700186508*0002*LK]")) == 2


def test_sentences_join_over_lines_and_the_end_completes_the_last_fix() -> None:
    place = "3109.31800,N,12106.30000,E"
    lines = [
        nmea(f"GNRMC,055201.00,A,{place},,,050826,,,A"),
        nmea(f"GNGGA,055201.00,{place},1,14,0.9,7.5,M,8.0,M,,"),
        nmea(f"GNRMC,055201.20,A,{place},,,050826,,,A"),
    ]
    answers = decoded("nmea", *lines)
    assert [len(answer["readings"]) for answer in answers] == [0, 0, 1, 1]
    assert [answer["readings"][0]["at"] for answer in answers[2:]] == [
        "2026-08-05T05:52:01Z",
        "2026-08-05T05:52:01.200000Z",
    ]


def test_the_time_of_day_is_only_known_when_it_is_given() -> None:
    line = b"[3G*4700186508*0006*LGZONE]"
    assert decoded("watch", line)[0]["reply"] is None
    (told,) = decode_lines("watch", [line], hex_lines=False, now=lambda: NOW)
    assert json.loads(told)["reply"] == "[3G*4700186508*001D*LGZONE,+8,12:30:15,2026-08-05]"


def test_an_unknown_codec_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        decoded("morse", b"...---...")
