"""The shipped JT/T 808 models, each with a captured frame, and what a model's map may not do."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bands.models import load_models
from gateway.codecs.jt808 import Jt808Codec
from gateway.codecs.jt808_fields import items, read
from gateway.codecs.jt808_frame import build
from gateway.codecs.jt808_settings import Field, Jt808Settings
from gateway.config_tables import Checker, SecretSource
from gateway.model import BandAlarm, Battery, BloodPressure, Reading, Steps

NOW = datetime(2026, 8, 5, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
ROWS = [json.loads(line) for line in (ROOT / "tests/vectors/jt808.jsonl").read_text().splitlines()]
CAPTURED: dict[str, list[tuple[int, set[str], float | None]]] = {
    "c5l": [(1, set(), 99), (6, set(), 86), (57, set(), 100)],
    "gl100": [(63, set(), None), (64, set(), None)],
    "jc371": [(62, {"sos"}, None)],
    "jt808-06": [(10, set(), 62)],
    "jt808-e3": [(13, set(), 100)],
    "jt808-eb": [
        (3, {"removed"}, 92),
        (4, set(), 92),
        (21, {"power_cut"}, 81),
        (25, set(), 100),
        (29, {"removed", "low_battery"}, None),
    ],
    "jt808-fe": [(32, {"removed"}, 64), (33, {"removed"}, 69)],
    "jt808-lenient": [(49, set(), None)],
    "mv710g": [(61, {"other"}, None)],
}
"""Model -> (row, its alarms, its charge)."""


@cache
def models() -> dict[str, Jt808Settings]:
    checker = Checker(SecretSource(base=ROOT, demo=False))
    found = load_models(ROOT / "data/models", checker)
    assert checker.problems == []
    return {name: codec for name, (profile, codec) in found.items() if profile.protocol == "jt808"}


def test_every_shipped_model_has_a_captured_frame():
    assert set(models()) == set(CAPTURED)


@pytest.mark.parametrize(
    ("model", "row", "alarms", "charge"),
    [(model, *one) for model, captured in CAPTURED.items() for one in captured],
)
def test_a_model_reads_the_frame_it_was_made_from(model, row, alarms, charge):
    codec = Jt808Codec(models()[model])
    codec.feed(bytes.fromhex(ROWS[row].get("wire_hex") or ROWS[row]["frame"]))
    uplink = codec.next_event()
    assert uplink is not None
    assert {reading.alarm for reading in uplink.readings if isinstance(reading, BandAlarm)} == alarms
    charges = [reading.battery_pct for reading in uplink.readings if isinstance(reading, Battery)]
    assert charges == ([] if charge is None else [charge])


def test_a_c5l_says_sos_and_steps_in_its_own_items():
    settings = models()["c5l"]
    found = [(0xE7, struct.pack(">H6x", 0x0004)), (0xF8, b"\x01\x10")]
    assert read(found, settings.tlvs, None) == ([Steps(steps=272)], {"sos"})
    assert read([(0xE7, struct.pack(">H6x", 0x0001))], settings.tlvs, None) == ([], set())
    assert read([(0xE7, b"\xff\xff")], settings.tlvs, None) == ([], set())


def test_half_a_blood_pressure_or_one_upside_down_is_none():
    def of(*pairs: tuple[str, int]) -> list[Reading]:
        fields = tuple(Field(id=1, offset=at, name=name) for at, (name, _) in enumerate(pairs))
        return read([(1, bytes(value for _, value in pairs))], fields, None)[0]

    assert of(("systolic_mmhg", 120)) == []
    assert of(("systolic_mmhg", 70), ("diastolic_mmhg", 120)) == []
    assert of(("systolic_mmhg", 120), ("diastolic_mmhg", 70)) == [
        BloodPressure(systolic_mmhg=120, diastolic_mmhg=70)
    ]


@pytest.mark.parametrize(
    ("kind", "value", "charge"),
    [
        ("u8", b"\x32", 50),
        ("i8", b"\xce", None),
        ("u16", b"\x00\x32", 50),
        ("i16", b"\x00\x32", 50),
        ("u32", b"\x00\x00\x00\x32", 50),
        ("i32", b"\xff\xff\xff\xce", None),
        ("bcd", b"\x50", 50),
        ("bcd", b"\x5a", None),
        ("ascii", b"50\0", 50),
        ("ascii", b"+50", None),
        ("u16", b"\x32", None),
    ],
)
def test_a_number_is_read_as_the_map_says_it_stands(kind, value, charge):
    readings, _ = read([(6, value)], (Field(id=6, type=kind, name="battery_pct"),), None)
    assert readings == ([] if charge is None else [Battery(battery_pct=charge)])


@pytest.mark.parametrize(
    "wrong", [{"name": "mood"}, {"name": "steps", "type": "u64"}, {"name": "steps", "bytes": 2}, {"id": 1}]
)
def test_a_map_with_a_wrong_key_is_refused_when_it_is_read(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"tlvs": [wrong]}, Jt808Settings)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=255)), max_size=8), st.binary(max_size=1))
def test_items_read_as_they_were_written_and_stop_where_one_is_cut_off(written, tail):
    data = b"".join(bytes([name, len(value)]) + value for name, value in written)
    assert list(items(data + tail)) == written


@given(st.binary(max_size=300))
def test_any_bytes_are_items_and_entries_or_nothing(data):
    for name, value in items(data, nested=tuple(range(256))):
        assert 0 <= name <= 0xFFFFFF
        assert len(value) <= 255


MESSAGES = (1, 2, 4, 0x100, 0x102, 0x107, 0x200, 0x201, 0x210, 0x704, 0x900, 0x6006)


@given(
    name=st.sampled_from(sorted(CAPTURED)), message=st.sampled_from(MESSAGES), body=st.binary(max_size=200)
)
def test_any_body_under_any_model_gives_an_uplink_that_is_answered_or_wants_no_answer(name, message, body):
    codec = Jt808Codec(models()[name], now=lambda: NOW)
    codec.feed(build(message, body, phone=bytes(6), serial=1))
    uplink = codec.next_event()
    assert uplink is not None
    assert (uplink.reply is None) is (message == 1)
