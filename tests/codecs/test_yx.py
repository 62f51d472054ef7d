"""The YX codec beyond the captured frames: answers, broken frames, models."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time

import pytest

from gateway.codecs.base import Known
from gateway.codecs.yx import HEAD, TAIL, YxCodec, YxCutter, YxSettings
from gateway.errors import FrameError
from gateway.model import Battery, DownCommand, Fix, Uplink

NOW = datetime(2026, 8, 5, 4, 30, 15, tzinfo=UTC)
IMEI = "868704044750055"
PLACE = "121.105000,31.155300,202608050429,3.60"


def frame(message: str, *, length: int | None = None) -> bytes:
    text = f"YX{IMEI}|V1.0|1|{{{message}}}\r\n".encode("latin-1")
    return HEAD + (len(text) if length is None else length).to_bytes(2, "big") + text + TAIL


def answer(message: str) -> bytes:
    return frame(message).replace(b"|1|", b"|0|")


def read(message: str, codec: YxCodec | None = None) -> Uplink:
    codec = codec or YxCodec(now=lambda: NOW)
    codec.feed(frame(message))
    uplink = codec.next_event()
    assert uplink is not None
    return uplink


def test_positions_come_longitude_first_and_all_of_a_message_are_kept() -> None:
    uplink = read(f"F02#{PLACE}|121.2,31.2,202608050428,0.00")
    first, second = uplink.readings
    at = datetime(2026, 8, 5, 4, 29, tzinfo=UTC)
    assert first == Fix(lat=31.1553, lon=121.105, valid=True, speed_m_s=1.0, source="gnss", at=at)
    assert isinstance(second, Fix)
    assert (second.lat, second.lon) == (31.2, 121.2)
    assert (uplink.device, uplink.reply) == (IMEI, None)


def test_a_status_gives_the_battery_and_gets_its_own_number_back() -> None:
    uplink = read("F01#87,12,5")
    assert uplink.readings == (Battery(battery_pct=87.0),)
    assert uplink.reply == answer("F01#12")
    assert read("F01#87").reply is None


def test_a_ping_is_echoed() -> None:
    assert read("F64#1").reply == answer("F64#1")


def test_a_band_that_asks_where_to_report_is_told_only_what_is_configured() -> None:
    codec = YxCodec(YxSettings(server="10.0.0.2,5093"), now=lambda: NOW)
    assert read("F90#1", codec).reply == answer("F90#10.0.0.2,5093")
    assert read("F91#310_00|x", codec).reply == answer("F91#2026-08-05-04-30-15|10.0.0.2,5093")
    assert read("F90#1").reply is None
    assert read("F91#1").reply is None


def test_the_settings_are_those_of_the_bands_model() -> None:
    bands = {IMEI: Known(settings=YxSettings(time_offset_s=28800.0))}
    fix = read(
        f"F02#{PLACE.replace('050429', '051229')}", YxCodec(now=lambda: NOW, bands=bands.get)
    ).readings[0]
    assert isinstance(fix, Fix)
    assert fix.at == datetime(2026, 8, 5, 4, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("F02#121.1,31.1", "position too short"),
        ("F02#121.1,95.0,202608050429,0", "position unreadable"),
        ("F02#east,31.1,202608050429,0", "position unreadable"),
        ("G02#1", "no YX message"),
    ],
)
def test_what_nobody_can_read_is_an_error(message: str, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        read(message)


def test_a_wrong_length_is_counted_and_the_frame_kept() -> None:
    codec = YxCodec()
    codec.feed(frame("F64#1", length=9))
    assert codec.next_event() is not None
    assert codec.wrong_lengths == 1


def test_functions_nobody_knows_are_counted_and_not_answered() -> None:
    codec = YxCodec()
    uplink = read("F05#1", codec)
    assert (uplink.readings, uplink.reply) == ((), None)
    assert codec.unknown_functions.counts == {"F05": 1}


def test_a_frame_cut_off_by_the_next_is_an_error_and_the_next_is_read() -> None:
    codec = YxCodec()
    codec.feed(frame("F64#1")[:20] + frame("F64#2"))
    with pytest.raises(FrameError, match="cut off by the next"):
        codec.next_event()
    uplink = codec.next_event()
    assert uplink is not None
    assert uplink.raw == frame("F64#2")


def test_an_endless_frame_is_dropped_at_the_cap() -> None:
    codec = YxCodec()
    codec.feed(HEAD + b"0" * 5000)
    with pytest.raises(FrameError, match="frame too long"):
        codec.next_event()
    codec.feed(frame("F64#1"))
    assert codec.next_event() is not None


def test_no_order_is_known() -> None:
    assert YxCodec().encode_down(DownCommand(name="find"), IMEI) is None


@pytest.mark.parametrize("rubbish", [HEAD, HEAD + b"AA" + TAIL[:2]])
def test_four_times_as_many_heads_without_a_tail_take_about_four_times_as_long(
    rubbish: bytes,
) -> None:
    def seconds(count: int) -> float:
        cutter, buffer = YxCutter(), bytearray(rubbish * count)
        begun_at = process_time()
        while buffer and (cut := cutter.cut(buffer, ended=False)) is not None:
            del buffer[: cut.used]
        return process_time() - begun_at

    def shortest(count: int) -> float:
        return min(seconds(count) for _ in range(3))

    assert shortest(20_000) < 9 * shortest(5_000)
