"""Joining sentences into fixes, one habit of receivers at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.codecs.checksum import xor8
from gateway.codecs.nmea import NmeaCodec, NmeaSettings
from gateway.errors import FrameError
from gateway.model import DownCommand, Fix

NOW = datetime(2026, 8, 5, 6, 0, tzinfo=UTC)
PLACE = "3109.31800,N,12106.30000,E"


def line(body: str) -> bytes:
    return f"${body}*{xor8(body.encode()):02X}\r\n".encode()


def rmc(time: str = "055201.00", status: str = "A", day: str = "050826", talker: str = "GN") -> bytes:
    return line(f"{talker}RMC,{time},{status},{PLACE},1.00,90.0,{day},,,A,V")


def gga(time: str = "055201.00", quality: str = "1", talker: str = "GN") -> bytes:
    return line(f"{talker}GGA,{time},{PLACE},{quality},14,0.9,7.5,M,8.0,M,,")


def fixes(*lines: bytes, settings: NmeaSettings | None = None) -> list[Fix]:
    codec = NmeaCodec(settings, now=lambda: NOW)
    codec.feed(b"".join(lines))
    codec.end_of_message()
    seen = []
    while (uplink := codec.next_event()) is not None:
        assert uplink.device is None
        (fix,) = uplink.readings
        assert isinstance(fix, Fix)
        seen.append(fix)
    return seen


def test_the_sentences_of_an_epoch_become_one_fix() -> None:
    gsa = line("GNGSA,A,3,02,07,14,15,17,20,22,30,,,,,1.5,0.9,1.2,1")
    assert fixes(rmc(), gga(), gsa) == [
        Fix(
            lat=31 + 9.318 / 60,
            lon=121 + 6.3 / 60,
            valid=True,
            alt_m=7.5,
            speed_m_s=1852 / 3600,
            course_deg=90.0,
            accuracy_m=4.5,
            satellites=14,
            source="gnss",
            at=datetime(2026, 8, 5, 5, 52, 1, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize("talker", ["BD", "GB", "GN", "GP", "GL", "GA", "GQ"])
def test_every_talker_is_heard(talker: str) -> None:
    assert [fix.valid for fix in fixes(rmc(talker=talker), gga(talker=talker))] == [True]


def test_an_epoch_ends_when_another_time_is_heard_in_either_order_of_sentences() -> None:
    first, second = "055201.00", "055202.00"
    for lines in (
        (rmc(first), gga(first), rmc(second), gga(second)),
        (gga(first), rmc(first), gga(second), rmc(second)),
    ):
        assert [fix.at for fix in fixes(*lines)] == [
            datetime(2026, 8, 5, 5, 52, 1, tzinfo=UTC),
            datetime(2026, 8, 5, 5, 52, 2, tzinfo=UTC),
        ]


@pytest.mark.parametrize(
    ("lines", "valid"),
    [
        ((rmc(status="V"), gga()), False),
        ((rmc(), gga(quality="0")), False),
        ((rmc(), gga(quality="7")), False),
        ((rmc(), gga(quality="8")), False),
        ((rmc(), gga(quality="6")), True),
        ((gga(quality="6"),), False),
        ((gga(quality="2"),), True),
        ((rmc(),), True),
        ((rmc(), line("BDGSA,A,1,,,,,,,,,,,,,,,,")), False),
        ((rmc(), line("BDGSA,A,1,,,,,,,,,,,,,,,,"), line("GPGSA,A,3,02,,,,,,,,,,,,1.5,0.9,1.2")), True),
        ((line(f"GNGLL,{PLACE},055201.00,A,A"),), True),
        ((line(f"GNGLL,{PLACE},055201.00,V,N"),), False),
    ],
)
def test_a_fix_is_valid_only_when_nothing_says_otherwise(lines: tuple[bytes, ...], valid: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert [fix.valid for fix in fixes(*lines)] == [valid]


@pytest.mark.parametrize("day", ["050806", "050819", "060180", "000000", "050827", "310226"])
def test_a_date_that_cannot_be_true_makes_the_fix_invalid_and_timeless(day: str) -> None:
    assert [(fix.valid, fix.at) for fix in fixes(rmc(day=day), gga())] == [(False, None)]


def test_a_receiver_that_never_says_the_date_has_fixes_without_a_time() -> None:
    assert [(fix.valid, fix.at) for fix in fixes(gga())] == [(True, None)]


def test_zda_gives_the_date_too() -> None:
    (fix,) = fixes(gga(), line("GNZDA,055201.00,05,08,2026,00,00"))
    assert fix.at == datetime(2026, 8, 5, 5, 52, 1, tzinfo=UTC)


def test_a_year_no_machine_can_hold_is_a_date_that_cannot_be_true() -> None:
    codec = NmeaCodec()
    body = b"GNZDA,055200.000,05,08,99999999999999999999,00,00"
    codec.feed(b"$%b*%02X\r\n" % (body, xor8(body)))
    assert codec.next_event() is None


def test_midnight_is_a_new_day_and_no_jump() -> None:
    seen = fixes(
        rmc("235959.00", day="040826"),
        gga("235959.00"),
        gga("000000.00"),
        rmc("000000.00", day="050826"),
    )
    assert [fix.at for fix in seen] == [
        datetime(2026, 8, 4, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 8, 5, tzinfo=UTC),
    ]


def test_the_receivers_own_error_estimate_is_better_than_ours() -> None:
    gst = line("GNGST,055201.00,12,2.5,2.4,126,3.0,4.0,3.1")
    assert [fix.accuracy_m for fix in fixes(rmc(), gga(), gst)] == [5.0]
    assert [fix.accuracy_m for fix in fixes(rmc(), gga(), settings=NmeaSettings(uere_m=10))] == [9.0]


def test_vtg_fills_in_what_rmc_left_empty() -> None:
    bare = line(f"GNRMC,055201.00,A,{PLACE},,,050826,,,A,V")
    (fix,) = fixes(bare, line("GNVTG,45.0,T,,M,2.00,N,3.70,K,A"))
    assert fix.speed_m_s == pytest.approx(2 * 1852 / 3600)
    assert fix.course_deg == 45.0


def test_west_and_south_are_negative() -> None:
    (fix,) = fixes(line("GNRMC,055201.00,A,3109.31800,S,12106.30000,W,,,050826,,,A"))
    assert (fix.lat, fix.lon) == (-(31 + 9.318 / 60), -(121 + 6.3 / 60))


@pytest.mark.parametrize(("interval_s", "count"), [(0, 10), (0.5, 4), (1, 2), (5, 1)])
def test_fixes_are_thinned_by_fix_time(interval_s: float, count: int) -> None:
    lines = [rmc(f"05520{number // 5}.{number % 5 * 2}0") for number in range(10)]
    assert len(fixes(*lines, settings=NmeaSettings(interval_s=interval_s))) == count


def test_a_clock_that_steps_back_does_not_silence_the_receiver() -> None:
    assert len(fixes(rmc("055201.00"), rmc("045201.00"), rmc("045202.00"))) == 3


@pytest.mark.parametrize(
    "body", ["SNRSTAT,1,1,-1,-1,-1", "GYOACC,1,2", "PSRFEPE,074150.799,V,,,,,", "GPTXT,01,01,02,x"]
)
def test_makers_own_sentences_are_counted_and_passed_over(body: str) -> None:
    codec = NmeaCodec()
    codec.feed(line(body))
    assert codec.next_event() is None
    assert sum(codec.unused_sentences.counts.values()) == 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (rmc().replace(b",A,V", b",A,A"), "checksum wrong"),
        (b"$GNRMC,055201.00,A\r\n", "checksum missing"),
        (b"$\r\n", "checksum missing"),
        (b"$GNRMC,0552" + rmc(), "line cut off by the next"),
        (b"$GNTXT," + b"0" * 300 + b"*00\r\n", "frame too long"),
        (line("GNRMC,055201.00,A,9909.3,N,12106.3,E,,,050826,,,A"), "field unreadable"),
        (line("GNRMC,055201.00"), "field unreadable"),
        (line(f"GNRMC,055201.00,A,{PLACE},nan,,050826,,,A"), "field unreadable"),
    ],
)
def test_a_bad_sentence_is_an_error_and_the_next_is_read(raw: bytes, reason: str) -> None:
    codec = NmeaCodec()
    codec.feed(raw + rmc("055203.00") + gga("055203.00"))
    with pytest.raises(FrameError) as caught:
        codec.next_event()
    assert caught.value.reason == reason
    codec.end_of_message()
    last = None
    while (uplink := codec.next_event()) is not None:
        last = uplink
    assert last is not None
    assert last.readings[0].at == datetime(2026, 8, 5, 5, 52, 3, tzinfo=UTC)


def test_the_raw_bytes_of_a_fix_decode_to_the_same_fix() -> None:
    codec = NmeaCodec()
    codec.feed(rmc() + gga())
    codec.end_of_message()
    uplink = codec.next_event()
    assert uplink is not None
    assert uplink.raw == rmc() + gga()
    assert fixes(uplink.raw) == list(uplink.readings)


def test_a_receiver_takes_no_orders() -> None:
    assert NmeaCodec().encode_down(DownCommand(name="find"), "gnss") is None


@pytest.mark.parametrize("data", [b"", b"a", b"abc", bytes(range(256)), b"x" * 1000])
def test_the_checksum_is_the_xor_of_all_bytes(data: bytes) -> None:
    expected = 0
    for byte in data:
        expected ^= byte
    assert xor8(data) == expected
