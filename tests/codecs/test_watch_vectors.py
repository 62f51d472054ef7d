"""Every captured watch frame, through `shouwang decode`'s own function, against what its source asserts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs.decode import decode_lines
from gateway.codecs.framing import FrameBuffer
from gateway.codecs.watch import WatchCodec, unescape
from gateway.codecs.watch_cutter import BracketCutter

VECTORS = Path(__file__).parents[1] / "vectors" / "watch.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text().splitlines()]

TRACCAR_NAMES = {"bloodOxygen": "spo2_pct", "temp1": "body_temp_c", "heartRate": "heart_rate_bpm"}
TRACCAR_ALARMS = {"fallDown": "fall", "removing": "removed", "lowBattery": "low_battery"}

EXCEPTIONS: dict[str, str] = {}
"""Frame -> why we differ from its assertion. None does: the one known difference, that traccar gives only the
first alarm bit and "lowBattery" before "sos", is in no captured frame (test_watch.py has one made for it)."""


def wire(row: dict[str, Any]) -> bytes:
    return row["frame"].encode("latin-1") if row["encoding"] == "text" else bytes.fromhex(row["frame"])


def decoded(row: dict[str, Any]) -> dict[str, Any]:
    (line,) = decode_lines("watch", [wire(row).hex().encode()], hex_lines=True)
    return json.loads(line)


def plausible_fix(answer: dict[str, Any]) -> dict[str, Any]:
    (fix,) = [reading for reading in answer["readings"] if reading["kind"] == "fix"]
    assert -90 <= fix["lat"] <= 90
    assert -180 <= fix["lon"] <= 180
    assert fix["at"].startswith("20")
    assert 0 <= fix["speed_m_s"] < 100
    return fix


def agrees(row: dict[str, Any], answer: dict[str, Any]) -> None:
    readings = answer["readings"]
    if row["kind"] == "position":
        fix = plausible_fix(answer)
        if expected := row["expected"]:
            assert fix["at"] == expected["fixTime"].replace(" ", "T").replace(".000", "")
            assert fix["valid"] is expected["valid"]
            assert fix["lat"] == pytest.approx(expected["latitude"], abs=1e-5)
            assert fix["lon"] == pytest.approx(expected["longitude"], abs=1e-5)
    elif row["kind"] == "attribute" and row["attribute"] == "alarm":
        alarms = [reading["alarm"] for reading in readings if reading["kind"] == "alarm"]
        assert alarms[0] == TRACCAR_ALARMS.get(row["expected"], row["expected"])
    elif row["kind"] == "attribute":
        name = TRACCAR_NAMES[row["attribute"]]
        assert [reading[name] for reading in readings if name in reading] == [row["expected"]]
    elif row["kind"] == "attributes":
        assert readings
    elif row["kind"] == "null":
        assert readings == []
    else:
        raise AssertionError(row["kind"])


def frames_by_kind() -> dict[str, int]:
    kinds = [row["kind"] for row in ROWS]
    return {kind: kinds.count(kind) for kind in set(kinds)}


def test_the_vectors_are_all_here() -> None:
    assert frames_by_kind() == {"position": 18, "attribute": 3, "attributes": 5, "null": 1, "frame": 4}


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["kind"] != "frame"], ids=lambda row: row["msg_type"]
)
def test_a_captured_frame_agrees_with_its_assertion(row: dict[str, Any]) -> None:
    answer = decoded(row)
    assert answer["codec"] == "watch"
    assert answer["device"] == row["device_id"]
    assert answer["backlog"] is (row["msg_type"] == "UD2")
    if row["frame"] not in EXCEPTIONS:
        agrees(row, answer)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["kind"] == "frame"], ids=lambda row: row["msg_type"]
)
def test_a_captured_stream_is_cut_as_its_assertion_says(row: dict[str, Any]) -> None:
    frames = FrameBuffer(BracketCutter(), max_frame_bytes=65536)
    frames.feed(wire(row))
    frame = frames.next()
    assert frame == wire(row)
    assert unescape(frame) == bytes.fromhex(row["expected"])
    assert frames.next() is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["msg_type"])
def test_a_wrong_length_is_counted_and_the_frame_kept(row: dict[str, Any]) -> None:
    codec = WatchCodec()
    codec.feed(wire(row))
    assert codec.next_event() is not None
    counts_unescaped_bytes = row["msg_type"] == "TK"
    assert codec.wrong_lengths == (0 if row["length_ok"] or counts_unescaped_bytes else 1)


def test_all_frames_glued_into_one_stream_are_all_found() -> None:
    codec = WatchCodec()
    codec.feed(b"\r\n".join(wire(row) for row in ROWS))
    seen = []
    while (uplink := codec.next_event()) is not None:
        seen.append(uplink.raw)
    assert seen == [wire(row) for row in ROWS]
    assert codec.skipped_bytes == 2 * (len(ROWS) - 1)
