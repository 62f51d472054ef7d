"""SenML as bands send it: names, units, times, and everything that spoils a pack."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs.senml import PA_PER_MMHG, SenmlCodec, SenmlSettings
from gateway.errors import FrameError
from gateway.model import (
    BandAlarm,
    Battery,
    BloodPressure,
    BodyTemp,
    DownCommand,
    Fix,
    HeartRate,
    Reading,
    SpO2,
    Steps,
    Uplink,
    Worn,
)

NOW = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
LABELS = {
    "bver": -1,
    "bn": -2,
    "bt": -3,
    "bu": -4,
    "bv": -5,
    "n": 0,
    "u": 1,
    "v": 2,
    "vs": 3,
    "vb": 4,
    "t": 6,
    "vd": 8,
}
Pack = list[dict[str, Any]]


def as_json(pack: Pack) -> bytes:
    return json.dumps(pack).encode()


def as_cbor(pack: Pack) -> bytes:
    return cbor2.dumps([{LABELS[key]: value for key, value in record.items()} for record in pack])


def read(data: bytes, *, at: datetime | None = NOW) -> Uplink:
    codec = SenmlCodec(now=None if at is None else lambda: at)
    codec.feed(data)
    uplink = codec.next_event()
    assert uplink is not None
    codec.end_of_message()
    assert codec.next_event() is None
    return uplink


def readings(*records: dict[str, Any]) -> tuple[Reading, ...]:
    """Read the pack as JSON and as CBOR; both must say the same."""
    pack = list(records)
    found = read(as_json(pack))
    packed = read(as_cbor(pack))
    assert (packed.device, packed.readings, packed.backlog) == (found.device, found.readings, found.backlog)
    return found.readings


def reason(*records: dict[str, Any]) -> str:
    reasons = set()
    for data in (as_json(list(records)), as_cbor(list(records))):
        with pytest.raises(FrameError) as caught:
            read(data)
        assert caught.value.raw == data
        reasons.add(caught.value.reason)
    (one,) = reasons
    return one


def test_a_whole_pack_is_read() -> None:
    assert readings(
        {"bn": "urn:dev:sw:band-zhang:", "n": "hr", "u": "beat/min", "v": 72},
        {"n": "bp/sys", "u": "mmHg", "v": 121},
        {"n": "bp/dia", "u": "mmHg", "v": 78},
        {"n": "spo2", "u": "/100", "v": 97},
        {"n": "temp", "u": "Cel", "v": 36.5},
        {"n": "lat", "u": "lat", "v": 31.1553},
        {"n": "lon", "u": "lon", "v": 121.105},
        {"n": "alt", "u": "m", "v": 7},
        {"n": "acc", "u": "m", "v": 4.5},
        {"n": "speed", "u": "m/s", "v": 0.8},
        {"n": "course", "u": "deg", "v": 90},
        {"n": "sats", "v": 14},
        {"n": "batt", "u": "%EL", "v": 80},
        {"n": "steps", "u": "count", "v": 4021},
        {"n": "worn", "vb": True},
        {"n": "sos", "vb": True},
        {"n": "press", "v": 17},
        {"n": "fall", "vb": True},
    ) == (
        BandAlarm(alarm="sos", press_id="17"),
        BandAlarm(alarm="fall"),
        Fix(
            lat=31.1553,
            lon=121.105,
            valid=True,
            alt_m=7.0,
            speed_m_s=0.8,
            course_deg=90.0,
            accuracy_m=4.5,
            satellites=14,
            source="gnss",
        ),
        HeartRate(heart_rate_bpm=72.0),
        BloodPressure(systolic_mmhg=121.0, diastolic_mmhg=78.0),
        SpO2(spo2_pct=97.0),
        BodyTemp(body_temp_c=36.5),
        Battery(battery_pct=80.0),
        Steps(steps=4021),
        Worn(worn=True),
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"n": "spo2", "u": "/", "v": 0.97}, SpO2(spo2_pct=97.0)),
        ({"n": "spo2", "u": "%", "v": 97}, SpO2(spo2_pct=97.0)),
        ({"n": "batt", "u": "/", "v": 0.5}, Battery(battery_pct=50.0)),
        ({"n": "batt", "u": "/100", "v": 50}, Battery(battery_pct=50.0)),
        ({"n": "temp", "u": "K", "v": 310.15}, BodyTemp(body_temp_c=37.0)),
        ({"n": "temp", "v": 37}, BodyTemp(body_temp_c=37.0)),
        ({"n": "hr", "v": 61.5}, HeartRate(heart_rate_bpm=61.5)),
        ({"n": "sos", "v": 1}, BandAlarm(alarm="sos")),
        ({"n": "worn", "v": 0}, Worn(worn=False)),
    ],
)
def test_every_unit_is_brought_to_ours(record: dict[str, Any], expected: Reading) -> None:
    (found,) = readings(record)
    assert type(found) is type(expected)
    for field in type(expected).__struct_fields__:
        value = getattr(expected, field)
        assert getattr(found, field) == (pytest.approx(value) if isinstance(value, float) else value)


def test_pascals_become_millimetres_of_mercury() -> None:
    (found,) = readings(
        {"bu": "Pa", "n": "bp/sys", "v": 120 * PA_PER_MMHG}, {"n": "bp/dia", "v": 80 * PA_PER_MMHG}
    )
    assert isinstance(found, BloodPressure)
    assert found.systolic_mmhg == pytest.approx(120)
    assert found.diastolic_mmhg == pytest.approx(80)


@pytest.mark.parametrize("value", [0, 255])
def test_a_heart_rate_of_0_or_255_means_not_worn(value: int) -> None:
    assert readings({"n": "hr", "v": value}) == (Worn(worn=False),)
    assert readings({"n": "hr", "v": value}, {"n": "worn", "vb": True}) == (Worn(worn=True),)


def test_an_alarm_that_is_false_is_no_alarm() -> None:
    assert readings({"n": "sos", "vb": False}, {"n": "fall", "v": 0}, {"n": "press", "vs": "a"}) == ()


def test_a_press_may_be_a_word() -> None:
    assert readings({"n": "press", "vs": "b7-17"}, {"n": "sos", "vb": True}) == (
        BandAlarm(alarm="sos", press_id="b7-17"),
    )


@pytest.mark.parametrize(
    ("base", "name", "device"),
    [
        ("urn:dev:sw:band-1:", "hr", "band-1"),
        ("urn:dev:sw:band-1", "hr", "band-1"),
        ("urn:dev:mac:0024befffe804ff1:", "hr", "mac:0024befffe804ff1"),
        ("urn:dev:ow:10e2073a01080063_", "hr", "ow:10e2073a01080063"),
        ("urn:dev:os:32473-123456:", "hr", "os:32473-123456"),
        ("urn:dev:ops:32473-Refrigerator-5002:", "hr", "ops:32473-Refrigerator-5002"),
        ("urn:dev:org:32473-foo:", "hr", "org:32473-foo"),
        ("band-1/", "hr", "band-1"),
        (None, "urn:dev:sw:band-1:hr", "band-1"),
        (None, "hr", None),
    ],
)
def test_the_device_is_in_the_name(base: str | None, name: str, device: str | None) -> None:
    record = {"n": name, "v": 70} | ({} if base is None else {"bn": base})
    for data in (as_json([record]), as_cbor([record])):
        uplink = read(data)
        assert uplink.device == device
        assert uplink.readings == (HeartRate(heart_rate_bpm=70.0),)


def test_the_rest_of_a_base_name_belongs_to_the_names() -> None:
    assert readings(
        {"bn": "urn:dev:sw:band-1:bp/", "bu": "mmHg", "n": "sys", "v": 120},
        {"n": "dia", "v": 80},
        {"bn": "urn:dev:sw:band-1:", "n": "hr", "u": "beat/min", "v": 70},
    ) == (HeartRate(heart_rate_bpm=70.0), BloodPressure(systolic_mmhg=120.0, diastolic_mmhg=80.0))


def test_a_base_value_is_added() -> None:
    assert readings({"bv": 100, "n": "hr", "v": 5}, {"n": "steps", "v": 20}) == (
        HeartRate(heart_rate_bpm=105.0),
        Steps(steps=120),
    )


def test_a_time_below_2_to_the_28_is_counted_from_now() -> None:
    assert readings({"n": "hr", "v": 70, "t": -90}) == (
        HeartRate(heart_rate_bpm=70.0, at=NOW - timedelta(seconds=90)),
    )
    assert readings({"n": "hr", "v": 70, "t": 0}) == (HeartRate(heart_rate_bpm=70.0),)
    assert read(as_json([{"n": "hr", "v": 70, "t": -90}]), at=None).readings == (
        HeartRate(heart_rate_bpm=70.0),
    )


def test_a_base_time_is_added_and_readings_come_oldest_first() -> None:
    base = (NOW - timedelta(seconds=60)).timestamp()
    assert readings({"bt": base, "n": "hr", "v": 71, "t": 30}, {"n": "hr", "v": 70}) == (
        HeartRate(heart_rate_bpm=70.0, at=NOW - timedelta(seconds=60)),
        HeartRate(heart_rate_bpm=71.0, at=NOW - timedelta(seconds=30)),
    )


def test_positions_of_two_moments_are_two_fixes() -> None:
    found = readings(
        {"n": "lat", "v": 31.1, "t": -10},
        {"n": "lon", "v": 121.1, "t": -10},
        {"n": "lat", "v": 31.2, "t": -5},
        {"n": "lon", "v": 121.2, "t": -5},
    )
    assert [(fix.lat, fix.lon, fix.at) for fix in found if isinstance(fix, Fix)] == [
        (31.1, 121.1, NOW - timedelta(seconds=10)),
        (31.2, 121.2, NOW - timedelta(seconds=5)),
    ]


@pytest.mark.parametrize(
    ("ages_s", "backlog"),
    [([601], True), ([599], False), ([3600, 601], True), ([3600, 0], False), ([3600, 60], False)],
)
def test_a_pack_is_backlog_when_all_of_it_is_old(ages_s: list[int], backlog: bool) -> None:  # noqa: FBT001 - a parameter of the table
    relative = [{"n": "hr", "v": 70, "t": -age_s} for age_s in ages_s]
    absolute = [{"n": "hr", "v": 70, "t": NOW.timestamp() - age_s} for age_s in ages_s]
    assert read(as_json(relative)).backlog is backlog
    assert read(as_json(relative), at=None).backlog is backlog
    assert read(as_json(absolute)).backlog is backlog


@pytest.mark.parametrize("time_s", [946684800, 4e9, 1e18, NOW.timestamp() + 301, 400])
def test_a_time_that_cannot_be_true_is_no_time_and_no_backlog(time_s: float) -> None:
    uplink = read(as_json([{"n": "sos", "vb": True, "t": time_s}]))
    assert uplink.readings == (BandAlarm(alarm="sos"),)
    assert not uplink.backlog


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([{"n": "lat", "v": 90.1}, {"n": "lon", "v": 0}], "value impossible"),
        ([{"n": "lat", "v": 0}, {"n": "lon", "v": -180.1}], "value impossible"),
        ([{"n": "hr", "v": 301}], "value impossible"),
        ([{"n": "hr", "v": -1}], "value impossible"),
        ([{"n": "spo2", "u": "/", "v": 97}], "value impossible"),
        ([{"n": "temp", "u": "Cel", "v": 90}], "value impossible"),
        ([{"n": "lat", "v": 31.1}], "half a position"),
        ([{"n": "bp/sys", "u": "mmHg", "v": 120}], "half a blood pressure"),
        (
            [{"n": "bp/sys", "u": "mmHg", "v": 80}, {"n": "bp/dia", "u": "mmHg", "v": 120}],
            "diastolic above systolic",
        ),
        ([{"n": "hr", "u": "Pa", "v": 70}], "unit unknown"),
        ([{"n": "spo2", "v": 97}], "unit missing"),
        ([{"n": "bp/sys", "v": 120}], "unit missing"),
        ([{"n": "hr", "vs": "70"}], "value missing or of the wrong type"),
        ([{"n": "worn", "vs": "yes"}], "value missing or of the wrong type"),
        ([{"bn": "urn:dev:sw:a:", "n": "hr", "v": 70}, {"bn": "urn:dev:sw:b:"}], "two devices in one pack"),
        ([{"bn": "urn:dev:sw::", "n": "hr", "v": 70}], "device id empty or too long"),
        ([{"bver": 11, "n": "hr", "v": 70}], "SenML version not supported"),
    ],
)
def test_one_bad_record_spoils_its_pack(records: Pack, why: str) -> None:
    assert reason({"n": "batt", "u": "%EL", "v": 50}, *records) == why


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinities_spoil_a_pack(value: float) -> None:
    for record in (
        {"n": "hr", "v": value},
        {"n": "hr", "v": 70, "t": value},
        {"bv": value, "n": "hr", "v": 70},
    ):
        with pytest.raises(FrameError):
            read(as_cbor([record]))
        with pytest.raises(FrameError):
            read(as_json([record]))


@pytest.mark.parametrize(
    "data",
    [
        b"[1]",
        b"[[]]",
        b'[{"n":1}]',
        b'[{"n":"hr","v":"70"}]',
        b'[{"n":"hr","v":1e999}]',
        b'[{"n":"\xff","v":1}]',
        b'[{"n":"hr","v":70,"must_":1}]',
        b'[{"n":"hr","v":70,"x_":"\xfd"}]',
        b'[{"n":"hr","v":70,"x":' + b"[" * 5000 + b"]" * 5000 + b"}]",
        cbor2.dumps([1]),
        cbor2.dumps([{0: 1}]),
        cbor2.dumps([{0: "hr", 2: "70"}]),
        cbor2.dumps([{0: "hr", 2: 70, "must_": 1}]),
        b"\x81\xd8\x1d\x00",
        b"\x81" * 400,
        b"\x81\xfe",
    ],
)
def test_what_is_no_senml_is_an_error(data: bytes) -> None:
    codec = SenmlCodec()
    codec.feed(data)
    codec.end_of_message()
    with pytest.raises(FrameError):
        codec.next_event()
    assert codec.next_event() is None


def test_unknown_names_and_fields_are_passed_over_and_counted() -> None:
    codec = SenmlCodec()
    codec.feed(b'[{"n":"noise","u":"dB","v":60,"ut":5,"vd":"aGk"},{"n":"hr","v":70,"x":[{}]}]')
    uplink = codec.next_event()
    assert uplink is not None
    assert uplink.readings == (HeartRate(heart_rate_bpm=70.0),)
    assert codec.unknown_names.counts == {"noise": 1}


def test_cbor_with_text_labels_decimals_and_open_lengths_is_read() -> None:
    assert read(cbor2.dumps([{"n": "hr", "v": 70}])).readings == (HeartRate(heart_rate_bpm=70.0),)
    assert read(cbor2.dumps([{0: "temp", 2: Decimal("36.6")}])).readings == (BodyTemp(body_temp_c=36.6),)
    record = cbor2.dumps({0: "hr", 2: 70})
    assert read(b"\x9f" + record + b"\xff").readings == (HeartRate(heart_rate_bpm=70.0),)
    assert read(b"\x9f\xbf" + record[1:] + b"\xff\xff").readings == (HeartRate(heart_rate_bpm=70.0),)


def test_a_json_pack_may_begin_with_white_space() -> None:
    assert read(b'\r\n  [{"n":"hr","v":70}]').readings == (HeartRate(heart_rate_bpm=70.0),)


def test_a_pack_over_the_limit_is_refused() -> None:
    codec = SenmlCodec(SenmlSettings(max_pack_bytes=100))
    codec.feed(b'[{"n":"hr","v":70}' + b" " * 100 + b"]")
    with pytest.raises(FrameError, match="frame too long"):
        codec.next_event()


def test_an_order_is_a_pack_the_codec_itself_can_read_back() -> None:
    codec = SenmlCodec()
    assert (
        codec.encode_down(DownCommand(name="help_is_coming"), "band-1").data
        == b'[{"n":"cmd","vs":"help_is_coming"}]'
    )
    for unknown in (DownCommand(name="fences", fences=()), DownCommand(name="call_back", phone="+861")):
        assert codec.encode_down(unknown, "band-1") is None
    order = DownCommand(name="message", text="守望", interval_s=60)
    assert json.loads(codec.encode_down(order, "band-1").data) == [
        {"n": "cmd", "vs": "message"},
        {"n": "text", "vs": "守望"},
        {"n": "interval_s", "u": "s", "v": 60},
    ]


@settings(max_examples=100, deadline=None)
@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180), hr=st.integers(1, 254), steps=st.integers(0, 10**6))
def test_what_was_measured_is_what_is_read(lat: float, lon: float, hr: int, steps: int) -> None:
    fix, rate, walked = readings(
        {"n": "steps", "v": steps}, {"n": "hr", "v": hr}, {"n": "lon", "v": lon}, {"n": "lat", "v": lat}
    )
    assert isinstance(fix, Fix)
    assert (fix.lat, fix.lon) == (lat, lon)
    assert rate == HeartRate(heart_rate_bpm=hr)
    assert walked == Steps(steps=steps)


@pytest.mark.parametrize(
    "spoiled",
    [
        b'{"n":"hr","u":"beat/min","v":999}',
        b'{"n":"lat","u":"lat","v":31.1}',
        b'{"n":"bp/sys","v":120}',
    ],
)
def test_a_spoiled_value_never_costs_a_cry_for_help(spoiled):
    """The alarms of the pack come through without the rest; the raw frame keeps everything."""
    codec = SenmlCodec()
    raw = b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","v":7},' + spoiled + b"]"
    codec.feed(raw)
    uplink = codec.next_event()
    assert uplink is not None
    assert uplink.readings == (BandAlarm(alarm="sos", press_id="7"),)
    assert uplink.device == "band-1"
    assert uplink.raw == raw
    assert codec.spoiled_alarms == 1


@pytest.mark.parametrize(
    "pack",
    [
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","v":7},{"n":"hr","v":nan}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","v":7},{"n":"alt","v":-Infinity}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","v":7},{"n":"hr","v":"72"}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","v":7},{"n":"hr","v":[]},3]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","v":7},{"n":"x","must_":1}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":1},{"n":"press","v":7}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vs":"down"},{"n":"press","v":7}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos"},{"n":"press","v":7}]',
        b'[{"bver":11,"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"press","v":7}]',
        cbor2.dumps([{-2: "urn:dev:sw:band-1:", 0: "sos", 4: True}, {0: "press", 2: 7}, {0: "hr", 2: "x"}]),
        cbor2.dumps([{-2: "urn:dev:sw:band-1:", 0: "sos", 4: 1}, {0: "press", 2: 7}]),
        cbor2.dumps([{-2: "urn:dev:sw:band-1:", 0: "sos", 4: True}, {0: "press", 2: 7}, {"x_": 1}, 5]),
    ],
)
def test_a_cry_for_help_comes_through_where_the_rest_is_no_senml(pack):
    codec = SenmlCodec()
    codec.feed(pack)
    codec.end_of_message()
    uplink = codec.next_event()
    assert uplink is not None
    assert uplink.readings == (BandAlarm(alarm="sos", press_id="7"),)
    assert (uplink.device, uplink.raw, codec.spoiled_alarms) == ("band-1", pack, 1)
    assert codec.next_event() is None


@pytest.mark.parametrize(
    "pack",
    [
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":false},{"n":"hr","v":nan}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","v":0},{"n":"hr","v":"72"}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"note","vs":"sos"},{"n":"hr","v":"72"}]',
        b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":true},{"n":"hr","v":72]',
    ],
)
def test_what_is_no_senml_and_no_cry_is_refused_whole(pack):
    codec = SenmlCodec()
    codec.feed(pack)
    codec.end_of_message()
    with pytest.raises(FrameError):
        codec.next_event()


def test_a_spoiled_pack_without_an_alarm_is_refused_whole():
    codec = SenmlCodec()
    codec.feed(b'[{"bn":"urn:dev:sw:band-1:","n":"sos","vb":false},{"n":"hr","v":999}]')
    with pytest.raises(FrameError):
        codec.next_event()


@pytest.mark.parametrize(
    "data", [b'\x0b[{"n":"hr","u":"beat/min","v":7}]', b'[{"n":"hr","u":"beat/min","v":7}] \r\n']
)
def test_bytes_around_a_pack_make_no_difference_between_a_whole_payload_and_its_pieces(data: bytes) -> None:
    def events(*parts: bytes) -> list[object]:
        codec, seen = SenmlCodec(), []
        for part in parts:
            codec.feed(part)
            while (event := codec.next_event()) is not None:
                seen.append(event)
        codec.end_of_message()
        return [*seen, codec.next_event()]

    pieces = [data[at : at + 1] for at in range(len(data))]
    assert events(data) == events(*pieces)
