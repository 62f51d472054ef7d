"""Every captured JT/T 808 frame, as a stream, against the standard layout read by a reader not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.codecs.jt808 import Jt808Codec
from gateway.codecs.jt808_fields import items
from gateway.codecs.jt808_frame import parse, unescape
from gateway.codecs.jt808_position import batch
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.errors import FrameError
from gateway.model import Fix, Uplink

SHANGHAI = ZoneInfo("Asia/Shanghai")
VECTORS = Path(__file__).parents[1] / "vectors" / "jt808.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text().splitlines()]
STANDARD = [row for row in ROWS if row.get("delimiter") == "7e"]
TEXTS = [row for row in ROWS if row.get("delimiter") != "7e"]
POSITIONS = [row for row in STANDARD if "derived" in row]


def wire(row: dict[str, Any]) -> bytes:
    if row["encoding"] == "text":
        return row["frame"].encode("latin-1")
    return bytes.fromhex(row.get("wire_hex") or row["frame"])


def is_sound(row: dict[str, Any]) -> bool:
    return row["checksum_ok"] or row["checksum_ok_after_unescape"]


def read(data: bytes) -> list[Uplink | str]:
    codec = Jt808Codec(Jt808Settings(lenient=True))
    codec.feed(data)
    codec.end_of_message()
    seen: list[Uplink | str] = []
    while True:
        try:
            uplink = codec.next_event()
        except FrameError as error:
            seen.append(error.reason)
            continue
        if uplink is None:
            return seen
        seen.append(uplink)


def test_the_vectors_are_all_here() -> None:
    assert (len(ROWS), len(STANDARD), len(TEXTS), len(POSITIONS)) == (66, 63, 3, 45)


@pytest.mark.parametrize("row", STANDARD, ids=lambda row: row["msg_type"])
def test_the_header_says_what_an_independent_reader_found(row: dict[str, Any]) -> None:
    frame = parse(wire(row))
    assert f"0x{frame.message:04x}" == row["msg_type"]
    assert frame.phone.hex() == row["terminal_id"]
    assert frame.version == row["proto_version"]
    assert bool(frame.parts) is row["subpackaged"]
    assert frame.declared_bytes == row["body_len_declared"]
    assert frame.fault == ("" if is_sound(row) else "checksum wrong")
    if row["msg_type"] not in ("0x5501", "0x5502"):  # their header is a maker's own, one byte shorter
        escapes_counted = is_sound(row) and not row["checksum_ok"]
        assert len(frame.body) == row["body_len_actual"] - escapes_counted


@pytest.mark.parametrize("row", [row for row in ROWS if "wire_hex" in row], ids=lambda row: row["msg_type"])
def test_escapes_are_undone_to_the_bytes_the_source_had(row: dict[str, Any]) -> None:
    assert unescape(wire(row)) == (bytes.fromhex(row["frame"])[1:-1], "")


def derived_positions(row: dict[str, Any]) -> list[dict[str, Any]]:
    return row["derived"].get("items", [row["derived"]])


@pytest.mark.parametrize("row", POSITIONS, ids=lambda row: row["msg_type"])
def test_every_position_is_where_an_independent_reader_found_it(row: dict[str, Any]) -> None:
    (uplink,) = read(wire(row))
    assert isinstance(uplink, Uplink)
    assert uplink.device == row["terminal_id"]
    assert uplink.backlog is (row["derived"].get("batch_type") == 1)
    fixes = [reading for reading in uplink.readings if isinstance(reading, Fix)]
    wanted = derived_positions(row)
    assert len(fixes) == len(wanted)
    for fix, one in zip(fixes, wanted, strict=True):
        assert (fix.lat, fix.lon) == (pytest.approx(one["latitude"]), pytest.approx(one["longitude"]))
        assert fix.valid is (one["fix_valid"] and (fix.lat, fix.lon) != (0, 0))
        assert fix.alt_m == one["altitude_m"]
        assert fix.speed_m_s == pytest.approx(one["speed_kmh"] / 3.6)
        assert fix.course_deg == one["course_deg"]
        digits = one["time_bcd_gmt8"]
        assert fix.at is not None
        assert f"{fix.at.astimezone(SHANGHAI):%y%m%d%H%M%S}" == digits


@pytest.mark.parametrize("row", POSITIONS, ids=lambda row: row["msg_type"])
def test_every_item_is_the_one_an_independent_reader_found(row: dict[str, Any]) -> None:
    frame = parse(wire(row))
    bodies = list(batch(frame.body)) if row["msg_type"] == "0x0704" else [frame.body]
    for body, one in zip(bodies, derived_positions(row), strict=True):
        found = [[f"0x{name:02x}", value.hex()] for name, value in items(body[28:])]
        assert found == one["tlv"] or (not one["tlv_clean"] and found[: len(one["tlv"])] == one["tlv"])


@pytest.mark.parametrize("row", TEXTS, ids=lambda row: wire(row).decode())
def test_what_is_no_frame_of_the_standard_is_cut_whole_and_kept(row: dict[str, Any]) -> None:
    codec = Jt808Codec()
    codec.feed(wire(row))
    with pytest.raises(FrameError, match="not a standard frame") as refused:
        codec.next_event()
    assert refused.value.raw == wire(row)


def test_every_frame_is_found_in_one_stream_of_all_of_them_glued() -> None:
    seen = read(b"".join(wire(row) for row in ROWS))
    assert len(seen) == len(ROWS)
    assert [event for event in seen if isinstance(event, str)] == ["not a standard frame"] * 3


def test_every_frame_is_found_though_each_two_share_one_flag() -> None:
    glued = b"\x7e" + b"".join(wire(row)[1:] for row in STANDARD)
    assert [uplink.device for uplink in read(glued) if isinstance(uplink, Uplink)] == [
        row["terminal_id"] for row in STANDARD
    ]
