"""What the simulated bands say is what the gateway's own codecs understand, field by field."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import watch_frames
from firmware_sim.band import Sample
from firmware_sim.physiology import VitalSigns
from firmware_sim.replay import Moment, read_recording, sentence, whole_second
from firmware_sim.report import Press, Report, order_in, senml_cbor, senml_json
from firmware_sim.settings import RECORDINGS
from gateway.codecs.nmea import CODEC as NMEA
from gateway.codecs.senml import CODEC as SENML
from gateway.codecs.watch import CODEC as WATCH
from gateway.model import BandAlarm, Battery, BloodPressure, DownCommand, Fix, HeartRate, SpO2, Steps, Uplink

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, 1, 12, 250_000, tzinfo=UTC)
VITALS = VitalSigns(heart_rate_bpm=98, systolic_mmhg=152, diastolic_mmhg=91, spo2_pct=96, body_temp_c=36.6)
SAMPLE = Sample(
    at_s=30, lat=31.1562348, lon=121.1061234, alt_m=4.2, speed_m_s=1.25, course_deg=91.0, accuracy_m=3.4,
    satellites=17, battery_pct=63.8, steps=412, worn=True, vitals=VITALS,
)  # fmt: skip
REPORT = Report(at=NOW, sample=SAMPLE)
PRESS = Report(at=NOW + timedelta(seconds=9), sample=SAMPLE, press=Press(press_id="19ab-0", at=NOW))


def decoded(codec: Any, data: bytes, now: datetime = NOW) -> list[Uplink]:
    reader = codec(now=lambda: now)
    reader.feed(data)
    reader.end_of_message()
    found = []
    while (uplink := reader.next_event()) is not None:
        found.append(uplink)
    return found


def readings(uplinks: list[Uplink]) -> dict[type, Any]:
    return {type(reading): reading for uplink in uplinks for reading in uplink.readings}


@pytest.mark.parametrize("encode", [senml_json, senml_cbor])
def test_a_senml_pack_says_everything_the_sample_knows(encode: Any) -> None:
    (uplink,) = decoded(SENML, encode("band-zhang", REPORT))
    said = readings([uplink])
    assert uplink.device == "band-zhang"
    fix = said[Fix]
    assert (fix.lat, fix.lon, fix.alt_m, fix.accuracy_m) == (SAMPLE.lat, SAMPLE.lon, 4.2, 3.4)
    assert abs(fix.at - NOW) < timedelta(milliseconds=2)
    assert said[HeartRate].heart_rate_bpm == 98
    assert said[BloodPressure].systolic_mmhg == pytest.approx(152, abs=0.01)
    assert said[BloodPressure].diastolic_mmhg == pytest.approx(91, abs=0.01)
    assert said[SpO2].spo2_pct == 96
    assert said[Battery].battery_pct == 63.8
    assert said[Steps].steps == 412
    assert BandAlarm not in said


@pytest.mark.parametrize("encode", [senml_json, senml_cbor])
def test_a_resent_press_has_the_same_id_and_the_same_time(encode: Any) -> None:
    first = readings(decoded(SENML, encode("band-zhang", PRESS)))[BandAlarm]
    again = replace(PRESS, at=PRESS.at + timedelta(minutes=3), stored=True)
    assert readings(decoded(SENML, encode("band-zhang", again)))[BandAlarm] == first
    assert (first.alarm, first.press_id) == ("sos", "19ab-0")
    assert abs(first.at - NOW) < timedelta(milliseconds=2)


def test_the_order_in_a_downlink_pack_is_recognised_and_anything_else_is_none() -> None:
    pack = SENML().encode_down(DownCommand(name="help_is_coming"), "band-zhang").data
    assert order_in(pack) == "help_is_coming"
    message = SENML().encode_down(DownCommand(name="message", text="妈，我七点到"), "band-zhang").data
    assert order_in(message) == "妈，我七点到"
    assert [order_in(data) for data in (b"", b"\xff", b"{}", b"3", b'[{"n":"x"}]')] == [""] * 5


def test_the_templates_are_captured_frames_to_the_byte() -> None:
    lines = (ROOT / "tests" / "vectors" / "watch.jsonl").read_text(encoding="utf-8").splitlines()
    captured = {json.loads(line)["frame"] for line in lines}
    assert set(watch_frames.CAPTURED.values()) <= captured


def test_a_live_watch_frame_is_understood_with_its_length_right() -> None:
    data = watch_frames.position("4700186508", REPORT)
    (uplink,) = decoded(WATCH, data)
    fix = readings([uplink])[Fix]
    assert (uplink.device, uplink.backlog, fix.valid) == ("4700186508", False, True)
    assert (fix.lat, fix.lon) == (pytest.approx(SAMPLE.lat, abs=1e-6), pytest.approx(SAMPLE.lon, abs=1e-6))
    assert fix.at == NOW.replace(microsecond=0)
    assert fix.speed_m_s == pytest.approx(1.25)
    assert fix.accuracy_m == 3.4
    head, _, content = data[1:-1].rpartition(b"*")
    assert int(head[-4:], 16) == len(content)


def test_a_stored_watch_frame_is_backlog() -> None:
    (uplink,) = decoded(WATCH, watch_frames.position("4700186508", replace(REPORT, stored=True)))
    assert uplink.backlog


def test_a_watch_press_is_an_sos_with_the_time_of_the_press_and_wants_an_answer() -> None:
    (uplink,) = decoded(WATCH, watch_frames.position("4700186508", PRESS))
    alarms = [reading for reading in uplink.readings if isinstance(reading, BandAlarm)]
    assert [alarm.alarm for alarm in alarms] == ["sos"]
    assert alarms[0].at == NOW.replace(microsecond=0)
    assert uplink.reply is not None
    assert watch_frames.cut_frames(bytearray(uplink.reply)) == [("AL", ())]


def test_a_watch_tells_pressure_heart_rate_oxygen_steps_and_battery() -> None:
    data = b"".join(
        [watch_frames.heartbeat("4700186508", REPORT), *watch_frames.health("4700186508", REPORT)]
    )
    said = readings(decoded(WATCH, data))
    assert (said[BloodPressure].systolic_mmhg, said[BloodPressure].diastolic_mmhg) == (152, 91)
    assert said[HeartRate].heart_rate_bpm == 98
    assert said[SpO2].spo2_pct == 96
    assert (said[Steps].steps, said[Battery].battery_pct) == (412, 64)


def test_a_watch_reads_the_gateways_message() -> None:
    down = WATCH().encode_down(DownCommand(name="message", text="有人来了 𠮷"), "4700186508").data
    ((command, arguments),) = watch_frames.cut_frames(bytearray(down))
    assert (command, watch_frames.message_text(arguments[0])) == ("MESSAGE", "有人来了 𠮷")
    assert watch_frames.message_text("zz") == ""


def test_half_a_frame_waits_for_its_other_half() -> None:
    buffer = bytearray(b"junk[3G*4700186508*0002*LK][3G*47001")
    assert watch_frames.cut_frames(buffer) == [("LK", ())]
    buffer += b"86508*0002*AL]"
    assert watch_frames.cut_frames(buffer) == [("AL", ())]
    assert buffer == b""


RECORDING = read_recording((RECORDINGS / "quectel-l76k-nmea.log").read_text(encoding="ascii"))


def test_the_recording_is_the_real_log_to_the_byte() -> None:
    ours = (RECORDINGS / "quectel-l76k-nmea.log").read_bytes()
    assert ours == (ROOT / "tests" / "vectors" / "nmea" / "quectel-l76k-nmea.log").read_bytes()
    assert len(RECORDING.epochs) == 150
    assert (RECORDING.lat, RECORDING.lon) == (
        pytest.approx(47.66198, abs=1e-4),
        pytest.approx(-122.32639, abs=1e-4),
    )


@given(
    lat=st.floats(-89, 89),
    lon=st.floats(-179, 179),
    at=st.datetimes(datetime(2021, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - aware by strategy
)
@settings(max_examples=60, deadline=None)
def test_an_epoch_replayed_anywhere_is_one_fix_there_and_then(lat: float, lon: float, at: datetime) -> None:
    moment = Moment(at=whole_second(at), lat=lat, lon=lon, alt_m=4.5, speed_m_s=1.1, course_deg=200.0)
    data = RECORDING.replayed(RECORDING.epochs[40], moment)
    fixes = [uplink.readings[0] for uplink in decoded(NMEA, data, now=at)]
    assert len(fixes) == 1
    assert (fixes[0].lat, fixes[0].lon) == (pytest.approx(lat, abs=3e-5), pytest.approx(lon, abs=3e-5))
    assert fixes[0].at == moment.at
    assert (fixes[0].valid, fixes[0].alt_m) == (True, 4.5)
    assert fixes[0].speed_m_s == pytest.approx(1.1, abs=0.01)


def test_satellites_and_signal_strengths_stay_as_recorded() -> None:
    moment = Moment(at=NOW, lat=31.1553, lon=121.1050)
    replayed = RECORDING.replayed(RECORDING.epochs[3], moment).decode().splitlines()
    for kind in ("GSV", "GSA"):
        recorded = [text for text in RECORDING.epochs[3] if text[3:6] == kind]
        assert [text for text in replayed if text[3:6] == kind] == recorded


def test_a_checksum_is_the_exclusive_or_of_the_sentence() -> None:
    assert sentence("GNZDA,055234.000,05,08,2026,00,00") == b"$GNZDA,055234.000,05,08,2026,00,00*46\r\n"


def test_the_recording_plays_round_and_round() -> None:
    epochs = RECORDING.forever()
    first = next(epochs)
    for _ in range(149):
        last = next(epochs)
    assert (next(epochs), last) == (first, RECORDING.epochs[-1])
