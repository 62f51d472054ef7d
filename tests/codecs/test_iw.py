"""The IW codec beyond the captured frames: logins, replies, alarms, sentinels, voice, orders."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.base import Known
from gateway.codecs.iw import IwCodec, IwSettings
from gateway.errors import FrameError
from gateway.model import (
    BandAlarm,
    Battery,
    BloodPressure,
    BodyTemp,
    DownAnswer,
    DownCommand,
    Fix,
    HeartRate,
    SpO2,
    Steps,
    Uplink,
    Worn,
)

NOW = datetime(2026, 8, 5, 4, 30, 15, tzinfo=UTC)
IMEI = "355932600077007"


def fresh(settings: IwSettings | None = None, **model: object) -> IwCodec:
    known = {IMEI: Known(settings=IwSettings(**model))} if model else {}
    return IwCodec(settings, now=lambda: NOW, bands=known.get if model else None)


def read(text: str | bytes, codec: IwCodec | None = None) -> Uplink:
    codec = codec or fresh()
    codec.feed(text.encode() if isinstance(text, str) else text)
    uplink = codec.next_event()
    assert uplink is not None
    return uplink


def place(*, day: str = "260805", time: str = "042900", valid: str = "A", lat: str = "3109.3180N") -> str:
    return f"{day}{valid}{lat}12106.3000E036.0{time}090.0006000908000102,460,0,9520,3671"


def alarm(code: str, **parts: str) -> str:
    return f"IWAP10{place(**parts)},{code},zh-cn,00,Home|74-DE-2B-44-88-8C|97#"


def test_a_login_names_the_band_of_every_later_frame_and_sets_its_clock() -> None:
    codec = fresh()
    assert read("IWAP49,68#", codec).device is None
    login = read(f"IWAP00{IMEI},8901240204123656505f,310240202365650#", codec)
    assert (login.device, login.reply) == (IMEI, b"IWBP00,20260805043015,8#")
    assert read("IWAP49,68#", codec).device == IMEI


def test_another_login_on_the_same_line_is_another_band_and_the_intake_judges_it() -> None:
    codec = fresh()
    read(f"IWAP00{IMEI}#", codec)
    assert read("IWAP00353456789012345#", codec).device == "353456789012345"


def test_a_login_without_an_id_is_an_error_and_names_nobody() -> None:
    codec = fresh()
    with pytest.raises(FrameError, match="login without an id"):
        read("IWAP00hello#", codec)
    assert read("IWAP49,68#", codec).device is None


def test_a_trv_login_is_answered_without_a_time() -> None:
    assert read("TRVAP00353456789012345#").reply == b"TRVBP00#"


def test_the_settings_are_those_of_the_bands_model_once_it_has_said_who_it_is() -> None:
    codec = fresh(time_offset_s=28800.0, zone_h=5.5)
    assert read(f"IWAP00{IMEI}#", codec).reply == b"IWBP00,20260805043015,5.5#"
    fix = read(f"IWAP01{place(time='122900')}#", codec).readings[0]
    assert isinstance(fix, Fix)
    assert fix.at == datetime(2026, 8, 5, 4, 29, tzinfo=UTC)


def test_a_position_is_read_in_our_units() -> None:
    fix, battery = read(f"IWAP01{place()}#").readings
    assert isinstance(fix, Fix)
    assert fix == Fix(
        lat=pytest.approx(31.1553),
        lon=pytest.approx(121.105),
        valid=True,
        speed_m_s=10.0,
        course_deg=90.0,
        satellites=9,
        source="gnss",
        at=datetime(2026, 8, 5, 4, 29, tzinfo=UTC),
    )
    assert battery == Battery(battery_pct=80.0, at=fix.at)


def test_a_make_that_puts_commas_between_the_parts_is_read_the_same() -> None:
    commas = "IWAP10,260805,A3109.3180N12106.3000E,036.0,042900,090.00,06000908000102,460,0,1,1,05,zh-cn,00#"
    fix, fall, battery = read(commas).readings
    assert (fix, battery) == read(f"IWAP01{place()}#").readings
    assert isinstance(fall, BandAlarm)
    assert (fall.alarm, fall.press_id) == ("fall", "260805042900-05")


def test_south_and_west_are_negative() -> None:
    fix = read("IWAP01260805A3109.3180S12106.3000W000.0042900000.0006000908000102,460,0,1,1#").readings[0]
    assert isinstance(fix, Fix)
    assert fix.lat < 0
    assert fix.lon < 0


def test_a_frame_without_a_fix_is_never_valid_and_one_with_cells_only_has_none() -> None:
    fix = read(f"IWAP01{place(valid='V')}#").readings[0]
    assert isinstance(fix, Fix)
    assert (fix.valid, fix.source) == (False, None)
    cells = "IWAP02,zh_cn,0,2,460,0,9520|3671|13,9520|3672|12,1,1|D8-24-BD-79-FA-1F|59#"
    assert (read(cells).readings, read(cells).reply) == ((), b"IWBP02#")


@pytest.mark.parametrize("lat", ["9932.9806N", "3160.0000N", "xx32.9806N"])
def test_a_position_nobody_can_read_is_an_error(lat: str) -> None:
    codec = fresh()
    with pytest.raises(FrameError, match="position unreadable"):
        read(f"IWAP01{place(lat=lat)}#", codec)
    assert codec.unreadable_positions == 1


@pytest.mark.parametrize("day", ["261305", "080524", "270805"])
def test_a_device_time_that_cannot_be_true_is_no_time(day: str) -> None:
    fix = read(f"IWAP01{place(day=day)}#").readings[0]
    assert isinstance(fix, Fix)
    assert fix.at is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("01", "sos"),
        ("02", "low_battery"),
        ("03", "removed"),
        ("04", "removed"),
        ("05", "fall"),
        ("06", "fall"),
        ("77", "general"),
        ("", "general"),
    ],
)
def test_each_alarm_code_has_its_meaning(code: str, kind: str) -> None:
    uplink = read(alarm(code))
    assert [reading.alarm for reading in uplink.readings if isinstance(reading, BandAlarm)] == [kind]
    assert uplink.reply == b"IWBP10#"


def test_an_alarm_frame_that_only_asks_for_its_address_is_no_alarm() -> None:
    assert not [reading for reading in read(alarm("00")).readings if isinstance(reading, BandAlarm)]
    broken = read(alarm("00", lat="north")).readings
    assert [reading.alarm for reading in broken if isinstance(reading, BandAlarm)] == ["general"]


def test_an_alarm_is_heard_even_when_its_position_is_nonsense() -> None:
    for text in (alarm("01", lat="9932.9806N"), alarm("01", lat="north"), alarm("01", valid="V")):
        kinds = [one.alarm for one in read(text).readings if isinstance(one, BandAlarm)]
        assert kinds == ["sos"]
    assert read("IWAP10#").readings == (BandAlarm(alarm="general", press_id="-00000000-"),)


def test_a_repeated_alarm_is_the_same_press_and_a_new_one_another() -> None:
    def press(text: str) -> str | None:
        return next(one.press_id for one in read(text).readings if isinstance(one, BandAlarm))

    assert press(alarm("01")) == press(alarm("01")) == "260805042900-01"
    assert press(alarm("01", time="042955")) == "260805042955-01"
    broken = press(alarm("01", lat="north"))
    assert broken == press(alarm("01", lat="north"))
    assert broken != press(alarm("01", lat="south"))


def test_a_time_far_from_ours_or_none_at_all_numbers_no_press() -> None:
    def press(battery: str = "080", **parts: str) -> str | None:
        text = alarm("01", **parts).replace("009080001", f"009{battery}001")
        return next(one.press_id for one in read(text).readings if isinstance(one, BandAlarm))

    assert press(time="031500", day="260804") is None
    assert press(day="000000") == press(day="000000")
    assert press(day="000000") != press("079", day="000000")


def test_an_alarm_frame_that_is_cut_off_is_heard() -> None:
    cut = alarm("01").encode()[:-9]
    for by in (b"IWAP49,70#", b""):
        codec = fresh()
        codec.feed(b"IWAP00355932600077007#" + cut + by)
        if not by:
            codec.end_of_message()
        assert codec.next_event() is not None
        uplink = codec.next_event()
        assert uplink is not None
        assert [one.alarm for one in uplink.readings if isinstance(one, BandAlarm)] == ["sos"]
        assert (uplink.device, uplink.raw, uplink.reply) == (IMEI, cut, b"IWBP10#")


def test_a_fall_frame_without_a_number_has_none() -> None:
    assert read("IWAPFD#").readings == (BandAlarm(alarm="fall"),)


def test_a_fall_frame_is_a_fall() -> None:
    uplink = read(f"IWAPFD,{IMEI},1786249815#")
    assert uplink.readings == (BandAlarm(alarm="fall", press_id="1786249815"),)
    assert uplink.reply == b"IWBPFD#"


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("IWAP49,68#", (HeartRate(heart_rate_bpm=68.0),)),
        ("IWAP49,0#", (Worn(worn=False),)),
        (
            "IWAPHT,60,130,85#",
            (HeartRate(heart_rate_bpm=60.0), BloodPressure(systolic_mmhg=130.0, diastolic_mmhg=85.0)),
        ),
        ("IWAPHT,0,0,0#", (Worn(worn=False),)),
        (
            "IWAPHP,60,130,85,95,90,36.5,,,,,,,#",
            (
                HeartRate(heart_rate_bpm=60.0),
                BloodPressure(systolic_mmhg=130.0, diastolic_mmhg=85.0),
                SpO2(spo2_pct=95.0),
                BodyTemp(body_temp_c=36.5),
            ),
        ),
        ("IWAPHP,,,,96,,,,,,,,,#", (SpO2(spo2_pct=96.0),)),
        ("IWAPHP,0,0,0,95,0.0,0.0,,#", (Worn(worn=False),)),
        ("IWAP50,36.7,90#", (BodyTemp(body_temp_c=36.7), Battery(battery_pct=90.0))),
        ("IWAP50,0.0,0#", ()),
        ("IWAP03,06000908000102,5555,30#", (Battery(battery_pct=80.0), Steps(steps=5555))),
        ("IWAP04,015#", (BandAlarm(alarm="low_battery"), Battery(battery_pct=15.0))),
        ("TRVCP01,07800010010000602001206001120124#", (Battery(battery_pct=100.0),)),
        ("IWAP03,nonsense#", ()),
    ],
)
def test_each_frame_gives_its_readings_and_no_reading_is_no_value(text: str, readings: tuple) -> None:
    uplink = read(text)
    assert uplink.readings == readings
    assert uplink.reply is not None


@pytest.mark.parametrize("text", ["IWAP49,999#", "IWAPHT,60,85,130#", "IWAP50,99,90#", "IWAPHP,,,,101#"])
def test_an_impossible_value_is_an_error(text: str) -> None:
    with pytest.raises(FrameError, match="value impossible"):
        read(text)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("IWAP97,2300@0800,109,0012#", b"IWBP97#"),
        ("IWAPQQ,1#", b"IWBPQQ#"),
        ("TRVYP03190805A1828.9242N07353.9423E000.0150716029.0010000810020201112,404,27,1,1#", b"TRVZP03#"),
        ("TRVAP14,1#", b"TRVBP14,0.000,0.000#"),
        ("IWAP07,20140818064408,6,1,4,#AB##", b"IWBP07,20140818064408,6,1,1#"),
    ],
)
def test_a_reply_is_the_type_with_its_first_letter_raised(text: str, reply: bytes) -> None:
    assert read(text).reply == reply


def test_types_nobody_knows_are_counted() -> None:
    codec = fresh()
    read("IWAPQQ,1#", codec)
    assert codec.unknown_types.counts == {"APQQ": 1}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("IWAPXL,080835#", DownAnswer(tag="BPXL,080835", done=True)),
        ("IWAP16,000007#", DownAnswer(tag="BP16,000007", done=True)),
        ("IWAP40,000007,1#", DownAnswer(tag="BP40,000007", done=True)),
        ("IWAP40,000007,0#", DownAnswer(tag="BP40,000007", done=False, detail="0")),
        (f"IWAP88,{IMEI},000007#", DownAnswer(tag="BP88,000007", done=True)),
        ("IWAP12#", DownAnswer(tag="BP12,", done=True)),
    ],
)
def test_an_answer_to_an_order_is_told_and_never_answered(text: str, answer: DownAnswer) -> None:
    codec = fresh()
    read(f"IWAP00{IMEI}#", codec)
    uplink = read(text, codec)
    assert (uplink.answers, uplink.reply, uplink.readings) == ((answer,), None, ())


def test_orders_carry_the_bands_id_and_a_serial_that_its_answer_repeats() -> None:
    codec = fresh()
    find = codec.encode_down(DownCommand(name="find"), IMEI)
    locate = codec.encode_down(DownCommand(name="locate_now"), IMEI)
    often = codec.encode_down(DownCommand(name="interval", interval_s=5), IMEI)
    assert find == (f"IWBP88,{IMEI},043016#".encode(), "BP88,043016")
    assert locate == (f"IWBP16,{IMEI},043017#".encode(), "BP16,043017")
    assert often == (f"IWBP15,{IMEI},043018,30#".encode(), "BP15,043018")
    read(f"IWAP00{IMEI}#", codec)
    assert read("IWAP88,043016#", codec).answers[0].tag == find.tag


def test_a_message_is_utf_16_in_hex_unless_the_model_wants_gbk() -> None:
    message = DownCommand(name="message", text="守望")
    assert fresh().encode_down(message, IMEI).data.endswith(b",5B88671B#")
    assert fresh(text_encoding="gbk").encode_down(message, IMEI).data.endswith(b",CAD8CDFB#")
    helped = fresh().encode_down(DownCommand(name="help_is_coming"), IMEI).data
    assert "求助" in bytes.fromhex(helped[:-1].split(b",")[3].decode()).decode("utf-16-be")


def test_orders_without_words_are_refused() -> None:
    codec = fresh()
    for name in ("message", "interval"):
        assert codec.encode_down(DownCommand(name=name), IMEI) is None
    assert codec.encode_down(DownCommand(name="call_back", phone="+8613900000000"), IMEI) is None
    read("TRVAP00353456789012345#", codec)
    assert codec.encode_down(DownCommand(name="find"), "353456789012345") is None


def test_a_voice_packet_may_hold_a_hash_and_headers_and_hides_no_later_frame() -> None:
    sound = b"#IWAP10#x" * 5
    packet = b"IWAP07,20140818064408,6,1,%d,%b#" % (len(sound), sound)
    whole = packet + b"IWAP49,70#"
    for step in (1, 7, len(whole)):
        codec = fresh()
        seen = []
        for at in range(0, len(whole), step):
            codec.feed(whole[at : at + step])
            while (uplink := codec.next_event()) is not None:
                seen.append(uplink.raw)
        assert seen == [packet, b"IWAP49,70#"]


def test_a_frame_cut_off_by_the_next_is_an_error_and_the_alarm_behind_it_is_heard() -> None:
    codec = fresh()
    codec.feed(b"IWAP49,6" + alarm("01").encode())
    with pytest.raises(FrameError, match="cut off by the next"):
        codec.next_event()
    uplink = codec.next_event()
    assert uplink is not None
    assert any(isinstance(one, BandAlarm) and one.alarm == "sos" for one in uplink.readings)


def test_an_endless_frame_is_dropped_at_the_cap() -> None:
    codec = fresh()
    codec.feed(b"IWAP02," + b"0" * 17000)
    with pytest.raises(FrameError, match="frame too long"):
        codec.next_event()
    assert read("IWAP49,70#", codec).readings == (HeartRate(heart_rate_bpm=70.0),)


@given(code=st.sampled_from(["01", "05"]), noise=st.text("0123456789.NSEWAV|&", max_size=60))
def test_no_position_however_broken_silences_an_alarm(code: str, noise: str) -> None:
    uplink = read(f"IWAP10{noise},460,0,1,1,{code},zh-cn,00#")
    kinds = [one.alarm for one in uplink.readings if isinstance(one, BandAlarm)]
    assert kinds == ["sos" if code == "01" else "fall"]
