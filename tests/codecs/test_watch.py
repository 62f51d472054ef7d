"""The watch codec beyond the captured frames: replies, alarms, times, orders."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gateway.codecs.base import Known
from gateway.codecs.iw import IwSettings
from gateway.codecs.jt808_settings import Jt808Settings
from gateway.codecs.watch import WatchCodec, WatchSettings
from gateway.codecs.yx import YxSettings
from gateway.errors import FrameError
from gateway.model import BAND_ALARM_ORDER, BandAlarm, DownAnswer, DownCommand, Fix, HeartRate, Uplink, Worn

NOW = datetime(2026, 8, 5, 4, 30, 15, tzinfo=UTC)


def frame(content: str, *, maker: str = "3G", device: str = "4700186508", index: str = "") -> bytes:
    return f"[{maker}*{device}*{index}{len(content):04X}*{content}]".encode()


def read(content: str, codec: WatchCodec | None = None, **parts: str) -> Uplink:
    codec = codec or WatchCodec(now=lambda: NOW)
    codec.feed(frame(content, **parts))
    uplink = codec.next_event()
    assert uplink is not None
    return uplink


def position(status: str, *, when: str = "050826,042900", valid: str = "A") -> str:
    return f"{when},{valid},31.155300,N,121.105000,E,3.60,90.0,12.0,9,80,42,1200,3,{status},0,0"


def alarms(uplink: Uplink) -> list[str]:
    return [reading.alarm for reading in uplink.readings if isinstance(reading, BandAlarm)]


def test_a_position_is_read_in_our_units() -> None:
    fix = read("UD," + position("00000000")).readings[0]
    assert fix == Fix(
        lat=31.1553,
        lon=121.105,
        valid=True,
        alt_m=12.0,
        speed_m_s=1.0,
        course_deg=90.0,
        satellites=9,
        source="gnss",
        at=datetime(2026, 8, 5, 4, 29, tzinfo=UTC),
    )


def test_an_sos_with_an_empty_battery_is_an_sos_first_and_loses_nothing() -> None:
    uplink = read("AL," + position("00030001"))
    assert alarms(uplink) == ["sos", "low_battery"]


def test_all_alarms_of_a_frame_come_most_severe_first() -> None:
    found = alarms(read("AL," + position("007F4007")))
    assert found == [kind for kind in BAND_ALARM_ORDER if kind not in {"cancel", "general", "other"}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("00010000", "sos"),
        ("00200010", "fall"),
        ("00400000", "fall"),
        ("00100000", "removed"),
        ("00040000", "geofence_exit"),
        ("00080000", "geofence_enter"),
        ("00004000", "power_cut"),
        ("00020000", "low_battery"),
        ("0001", "low_battery"),
    ],
)
def test_each_alarm_bit_has_its_meaning(status: str, kind: str) -> None:
    assert alarms(read("AL," + position(status))) == [kind]


def test_an_alarm_frame_with_no_known_bit_is_general() -> None:
    assert alarms(read("AL," + position("00000018"))) == ["general"]
    assert alarms(read("UD," + position("00000018"))) == []


def test_an_alarm_frame_is_heard_even_when_its_position_is_nonsense() -> None:
    uplink = read("AL,garbage")
    assert alarms(uplink) == ["general"]
    assert uplink.reply == b"[3G*4700186508*0002*AL]"
    far = read("AL," + position("00010000").replace("31.155300", "95.0"))
    assert alarms(far) == ["sos"]
    assert not [reading for reading in far.readings if isinstance(reading, Fix)]


def test_an_sos_in_a_plain_position_is_heard_even_when_the_place_cannot_be_read() -> None:
    for command in ("UD", "WT"):
        lost = read(f"{command}," + position("00010000").replace("31.155300", ""))
        assert alarms(lost) == ["sos"]
    with pytest.raises(FrameError, match="position unreadable"):
        read("UD," + position("00000008").replace("31.155300", ""))


@pytest.mark.parametrize("by", [b"[3G*4700186508*0002*LK]", b""])
def test_an_alarm_frame_that_is_cut_off_is_heard(by: bytes) -> None:
    codec = WatchCodec(now=lambda: NOW)
    codec.feed(frame("AL," + position("00010000"))[:-4] + by)
    if not by:
        codec.end_of_message()
    uplink = codec.next_event()
    assert uplink is not None
    assert alarms(uplink) == ["sos"]
    assert (uplink.device, uplink.reply) == ("4700186508", b"[3G*4700186508*0002*AL]")
    if by:
        after = codec.next_event()
        assert after is not None
        assert after.raw == by


def test_the_field_where_an_alarm_frame_is_cut_off_is_not_believed() -> None:
    codec = WatchCodec(now=lambda: NOW)
    codec.feed(frame("AL," + position("00200000"))[:-6])
    codec.end_of_message()
    uplink = codec.next_event()
    assert uplink is not None
    assert alarms(uplink) == ["general"]


def test_a_time_far_from_ours_or_none_at_all_numbers_no_press() -> None:
    def press(when: str, battery: str = "42") -> BandAlarm:
        text = position("00010000", when=when).replace(",42,", f",{battery},")
        (found,) = [one for one in read("AL," + text).readings if isinstance(one, BandAlarm)]
        return found

    slow = press("040826,203000")
    assert slow.press_id is None
    assert slow.at == datetime(2026, 8, 4, 20, 30, tzinfo=UTC)
    assert press("000000,000000") == press("000000,000000")
    assert press("000000,000000").press_id != press("000000,000000", battery="41").press_id
    assert press("010115,000000").press_id != press("010115,000000", battery="41").press_id


def test_a_stored_position_of_a_press_has_its_number_however_late() -> None:
    def press(command: str, now: datetime) -> str | None:
        uplink = read(command + position("00010000"), WatchCodec(now=lambda: now))
        return next(one.press_id for one in uplink.readings if isinstance(one, BandAlarm))

    assert press("UD2,", NOW.replace(hour=9)) == press("AL,", NOW) == "050826042900-00010000"


def test_a_repeated_alarm_frame_has_the_same_press_and_a_new_press_another() -> None:
    first, again = (read("AL," + position("00010000")).readings[1] for _ in range(2))
    later = read("AL," + position("00010000", when="050826,042955")).readings[1]
    assert first == again
    assert isinstance(first, BandAlarm)
    assert isinstance(later, BandAlarm)
    assert first.press_id == "050826042900-00010000"
    assert later.press_id == "050826042955-00010000"


def test_a_position_without_a_fix_is_never_valid() -> None:
    fix = read("UD," + position("00000000", valid="V")).readings[0]
    assert isinstance(fix, Fix)
    assert not fix.valid
    assert fix.source is None


@pytest.mark.parametrize(
    ("part", "lat", "lon"),
    [
        ("-84.1422119,W", 31.1553, -84.1422119),
        ("-70.7630692,E", 31.1553, -70.7630692),
        ("84.1422119,W", 31.1553, -84.1422119),
        ("0.369512,", 31.1553, 0.369512),
    ],
)
def test_a_hemisphere_makes_negative_and_never_positive(part: str, lat: float, lon: float) -> None:
    fix = read("UD," + position("00000000").replace("121.105000,E", part)).readings[0]
    assert isinstance(fix, Fix)
    assert (fix.lat, fix.lon) == (lat, lon)


@pytest.mark.parametrize(
    "when", ["000000,000000", "311326,042900", "050826,046000", "050826,052900", "050809,042900"]
)
def test_a_device_time_that_cannot_be_true_is_no_time(when: str) -> None:
    fix = read("UD," + position("00000000", when=when)).readings[0]
    assert isinstance(fix, Fix)
    assert fix.at is None


def test_local_time_is_brought_back_to_utc() -> None:
    codec = WatchCodec(WatchSettings(time_offset_s=28800), now=lambda: NOW)
    fix = read("UD," + position("00000000", when="050826,122900"), codec).readings[0]
    assert isinstance(fix, Fix)
    assert fix.at == datetime(2026, 8, 5, 4, 29, tzinfo=UTC)


def test_stored_positions_are_backlog_and_live_ones_are_not() -> None:
    backlog = {
        name: read(f"{name}," + position("0000")).backlog
        for name in ("UD", "UD_LTE", "UD2", "UD3", "WT", "AL")
    }
    assert backlog == {"UD": False, "UD_LTE": False, "UD2": True, "UD3": True, "WT": False, "AL": False}


@pytest.mark.parametrize("content", ["HEART,0", "heart,255", "PULSE,0", "BPHRT,0,0,0,,,,", "BLOOD,0,0"])
def test_no_reading_means_not_worn_and_is_no_slow_heart(content: str) -> None:
    assert read(content).readings == (Worn(worn=False),)


def test_a_heart_rate_beside_an_unmeasured_pressure_counts() -> None:
    assert read("BPHRT,0,0,71,,,,").readings == (HeartRate(heart_rate_bpm=71.0),)


@pytest.mark.parametrize("content", ["OXYGEN,0,0", "oxygen,0", "TEMP,0", "btemp2,0,36.5", "HEART", "TEMP,x"])
def test_an_unmeasured_value_gives_nothing_and_is_still_answered(content: str) -> None:
    uplink = read(content)
    assert uplink.readings == ()
    assert uplink.reply is not None


@pytest.mark.parametrize("content", ["HEART,999", "OXYGEN,0,101", "TEMP,99", "BLOOD,80,120", "HEART,-5"])
def test_an_impossible_value_is_an_error(content: str) -> None:
    with pytest.raises(FrameError, match="value impossible"):
        read(content)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("LK", "LK"),
        ("LK,0,10,100", "LK"),
        ("LGZONE", "LGZONE,+8,12:30:15,2026-08-05"),
        ("AL_LTE," + position("0"), "AL"),
        ("TKQ", "TKQ"),
        ("TKQ2", "TKQ2"),
        ("INIT", "INIT,1"),
        ("heart,70", "heart"),
        ("BPHRT,120,80,70,,,,", "BPHRT"),
        ("JXTK,a,b,1,2,xyz", "JXTKR,1"),
        ("SLEEP,1", "SLEEP"),
        ("ICCID,898600", "ICCID"),
        ("UD," + position("0"), None),
        ("UD2," + position("0"), None),
        ("WT," + position("0"), None),
        ("TK,1", None),
    ],
)
def test_each_command_is_answered_as_the_protocol_wants(content: str, answer: str | None) -> None:
    assert read(content).reply == (None if answer is None else frame(answer))


def test_an_answer_carries_the_maker_and_the_index_of_its_question() -> None:
    uplink = read("LK,0,0,19", maker="ZJ", device="014111001350304", index="0034*")
    assert uplink.device == "014111001350304"
    assert uplink.reply == b"[ZJ*014111001350304*0034*0002*LK]"


@pytest.mark.parametrize("word", ["FIND", "MESSAGE", "POWEROFF", "RESET", "CR", "UPLOAD,60", "rcapture"])
def test_what_a_watch_answers_to_our_orders_is_not_echoed_back_as_an_order(word: str) -> None:
    assert read(word).reply is None


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (DownCommand(name="find"), "FIND"),
        (DownCommand(name="locate_now"), "CR"),
        (DownCommand(name="interval", interval_s=60), "UPLOAD,60"),
        (DownCommand(name="message", text="守望"), "MESSAGE,5B88671B"),
        (DownCommand(name="call_back", phone="+8613900000001"), "CALL,13900000001"),
    ],
)
def test_the_echo_of_an_order_by_its_word_or_whole_is_its_answer(command: DownCommand, words: str) -> None:
    codec = WatchCodec()
    order = codec.encode_down(command, "4700186508")
    assert order is not None
    assert order.data == frame(words)
    word = words.partition(",")[0]
    for echo in (word, words, word.lower()):
        assert read(echo, codec).answers == (DownAnswer(tag=order.tag, done=True),)


def test_what_a_watch_says_by_itself_answers_no_order() -> None:
    for content in ("LK", "heart,70", "UD," + position("0"), "TK,1", "ICCID,898600"):
        assert read(content).answers == ()


@pytest.mark.parametrize(
    ("strap_bit", "status", "worn"),
    [
        ("set_means_off", "00000008", [False]),
        ("set_means_off", "00000000", [True]),
        ("set_means_on", "00000008", [True]),
        ("set_means_on", "0000", [False]),
        ("ignored", "00000008", []),
        ("set_means_on", "zz", []),
    ],
)
def test_the_strap_bit_says_what_the_make_means_by_it(strap_bit: str, status: str, worn: list[bool]) -> None:
    codec = WatchCodec(WatchSettings(strap_bit=strap_bit))
    found = read("UD," + position(status), codec).readings
    assert [reading.worn for reading in found if isinstance(reading, Worn)] == worn


def test_each_band_of_a_line_is_read_and_answered_as_its_own_model_wants() -> None:
    new = WatchSettings(lk_with_time=True, time_offset_s=28800, zone_h=5.75, echo_positions=True)
    codec = WatchCodec(now=lambda: NOW, bands={"1": Known(settings=new), "2": Known()}.get)
    assert read("LK", codec, device="1").reply == frame("LK,2026-08-05,04:30:15", device="1")
    assert read("LK", codec, device="2").reply == frame("LK", device="2")
    assert read("LK", codec, device="3").reply == frame("LK", device="3")
    assert read("LGZONE", codec, device="1").reply == frame("LGZONE,+5.75,10:15:15,2026-08-05", device="1")
    ahead = read("UD," + position("0", when="050826,122900"), codec, device="1")
    assert ahead.readings[0].at == datetime(2026, 8, 5, 4, 29, tzinfo=UTC)
    assert ahead.reply == frame("UD", device="1")


def test_cells_in_hexadecimal_are_no_trouble() -> None:
    uplink = read("UD," + position("00000000") + ",1,1,234,10,55C0,3B882A2,132,,10")
    assert isinstance(uplink.readings[0], Fix)


@pytest.mark.parametrize("name", ["TK", "JXTK", "img"])
def test_binary_content_with_every_escape_is_skipped_and_hides_no_later_frame(name: str) -> None:
    sound = (
        b"#!AMR" + bytes(range(256)).translate(None, b"\x7d[]") + b"\x7d\x01\x7d\x02\x7d\x03\x7d\x04\x7d\x05"
    )
    content = name.encode() + b"," + sound
    packet = b"[3G*4700186508*%04X*%b]" % (len(content), content)
    codec = WatchCodec()
    codec.feed(packet + frame("AL," + position("00010000")))
    voice, sos = codec.next_event(), codec.next_event()
    assert voice is not None
    assert sos is not None
    assert (voice.raw, voice.readings, voice.answers) == (packet, (), ())
    assert alarms(sos) == ["sos"]
    assert codec.unknown_commands.counts == {}


def test_sound_that_was_not_escaped_is_an_error_at_most_and_the_alarm_behind_it_is_heard() -> None:
    packet = b"[3G*4700186508*0010*TK,#!AMR][[x]y]z" + frame("AL," + position("00010000"))
    codec = WatchCodec()
    codec.feed(packet)
    heard = []
    while True:
        try:
            uplink = codec.next_event()
        except FrameError:
            continue
        if uplink is None:
            break
        heard += alarms(uplink)
    assert heard == ["sos"]


def test_unknown_commands_are_counted_and_the_count_is_bounded() -> None:
    codec = WatchCodec()
    for number in range(100):
        read(f"XX{number}", codec)
    read("XX1", codec)
    assert codec.unknown_commands.counts["XX1"] == 2
    assert len(codec.unknown_commands.counts) == 65
    assert codec.unknown_commands.counts["(more)"] == 36


def test_newer_firmware_gets_the_time_with_its_heartbeat() -> None:
    codec = WatchCodec(WatchSettings(lk_with_time=True), now=lambda: NOW)
    assert read("LK", codec).reply == frame("LK,2026-08-05,04:30:15")


def test_positions_are_echoed_where_the_make_wants_it_but_never_stored_ones() -> None:
    codec = WatchCodec(WatchSettings(echo_positions=True), now=lambda: NOW)
    assert read("UD_LTE," + position("0"), codec).reply == frame("UD_LTE")
    assert read("UD2," + position("0"), codec).reply is None


def test_orders_are_spoken_in_the_watchs_own_form() -> None:
    codec = WatchCodec()
    assert codec.encode_down(DownCommand(name="find"), "4700186508").data == b"[3G*4700186508*0004*FIND]"
    read("LK", codec, maker="ZJ", device="014111001350304", index="0034*")
    assert (
        codec.encode_down(DownCommand(name="locate_now"), "014111001350304").data
        == b"[ZJ*014111001350304*0001*0002*CR]"
    )
    assert (
        codec.encode_down(DownCommand(name="interval", interval_s=60), "1").data
        == b"[ZJ*1*0001*0009*UPLOAD,60]"
    )
    assert (
        codec.encode_down(DownCommand(name="interval", interval_s=1), "1").data
        == b"[ZJ*1*0001*0009*UPLOAD,10]"
    )
    assert codec.encode_down(DownCommand(name="interval"), "1") is None
    assert codec.encode_down(DownCommand(name="message"), "1") is None


def test_a_message_is_utf_16_in_hex_and_its_length_is_right() -> None:
    down = WatchCodec().encode_down(DownCommand(name="message", text="守望"), "4700186508").data
    assert down == b"[3G*4700186508*0010*MESSAGE,5B88671B]"
    helped = WatchCodec().encode_down(DownCommand(name="help_is_coming"), "4700186508").data
    assert "求助" in bytes.fromhex(helped[:-1].split(b",")[1].decode()).decode("utf-16-be")


def test_a_lone_bracket_in_a_wifi_name_swallows_no_later_frame() -> None:
    upset = frame("UD," + position("0") + ",1,[lone,66:a1,-82,15.0")
    wrong_length = upset.replace(b"*00", b"*01", 1)
    sos = frame("AL," + position("00010000"))
    for first in (upset, wrong_length):
        codec = WatchCodec()
        codec.feed(first + sos)
        uplinks = [codec.next_event(), codec.next_event()]
        assert [uplink.raw for uplink in uplinks if uplink] == [first, sos]


def test_a_lone_bracket_delays_nothing_where_the_length_is_right() -> None:
    codec = WatchCodec()
    codec.feed(frame("UD," + position("0") + ",1,[lone,66:a1,-82,15.0"))
    assert codec.next_event() is not None


def test_a_lone_bracket_is_mended_byte_by_byte_too() -> None:
    upset = frame("UD," + position("0") + ",1,[lone,66:a1,-82,15.0").replace(b"*00", b"*01", 1)
    sos = frame("AL," + position("00010000"))
    codec = WatchCodec()
    seen = []
    for byte in upset + sos:
        codec.feed(bytes([byte]))
        while (uplink := codec.next_event()) is not None:
            seen.append(uplink.raw)
    assert seen == [upset, sos]


def test_a_fix_at_exactly_0_0_is_no_fix() -> None:
    zero = position("0").replace("31.155300", "0.000000").replace("121.105000", "0.000000")
    fix = read("UD," + zero).readings[0]
    assert isinstance(fix, Fix)
    assert not fix.valid


def test_a_frame_cut_off_by_the_next_is_an_error_and_the_next_is_read() -> None:
    codec = WatchCodec()
    codec.feed(b"[3G*4700186508*00B1*UD,3010" + frame("LK"))
    with pytest.raises(FrameError, match="cut off by the next"):
        codec.next_event()
    uplink = codec.next_event()
    assert uplink is not None
    assert uplink.raw == frame("LK")


def test_an_endless_frame_is_dropped_at_the_cap() -> None:
    codec = WatchCodec()
    codec.feed(b"[3G*4700186508*FFFF*TK," + b"0" * 70000)
    with pytest.raises(FrameError, match="frame too long"):
        codec.next_event()
    codec.feed(frame("LK"))
    assert codec.next_event() is not None


def test_a_wrong_escape_in_a_voice_message_is_an_error() -> None:
    with pytest.raises(FrameError, match="escape unknown"):
        read("TK,#!AMR}x")


@pytest.mark.parametrize("kind", [WatchSettings, IwSettings, YxSettings, Jt808Settings])
@pytest.mark.parametrize(
    ("key", "value"), [("time_offset_s", 1e13), ("time_offset_s", float("nan")), ("max_frame_bytes", 1 << 20)]
)
def test_a_setting_no_frame_could_be_read_by_is_refused_at_the_start(
    kind: type, key: str, value: float
) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({key: value}, kind)


@pytest.mark.parametrize("word", ["1_0", "1e999", "nan", "--5", "9" * 5000, "0x10"])
def test_what_is_no_plain_number_is_no_reading(word: str) -> None:
    assert read(f"HEART,{word}").readings == ()
    assert alarms(read("AL," + position("00010000").replace("12.0", word))) == ["sos"]
