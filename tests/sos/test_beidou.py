"""Twenty bytes: what goes in comes out, and what is none of ours is refused in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sos.beidou import ANSWERS, BODY_BYTES, KINDS, MOST_NUMBER, BeidouAlarm, pack, unpack

AT = datetime(2026, 8, 5, 12, 0, tzinfo=UTC)
moments = st.integers(0, 2**32 - 1).map(lambda at_s: datetime.fromtimestamp(at_s, UTC))
places = st.one_of(st.none(), st.tuples(st.floats(-90, 90), st.floats(-180, 180)))


@st.composite
def alarms(draw):
    place = draw(places)
    return BeidouAlarm(
        number=draw(st.integers(0, MOST_NUMBER)),
        kind=draw(st.sampled_from(KINDS)),
        at=draw(moments),
        seq=draw(st.integers(0, 255)),
        lat=place[0] if place else None,
        lon=place[1] if place else None,
        heart_rate_bpm=draw(st.one_of(st.none(), st.integers(1, 254))),
        battery_pct=draw(st.one_of(st.none(), st.integers(0, 100))),
        drill=draw(st.booleans()),
        answer=draw(st.sampled_from(ANSWERS)),
    )


@given(alarms())
def test_an_alarm_comes_out_as_it_went_in(alarm):
    body = pack(alarm)
    assert len(body) == BODY_BYTES
    again = unpack(body)
    assert again.name == alarm.name
    assert (again.kind, again.drill, again.answer) == (alarm.kind, alarm.drill, alarm.answer)
    assert (again.heart_rate_bpm, again.battery_pct) == (alarm.heart_rate_bpm, alarm.battery_pct)
    assert (again.lat is None, again.lon is None) == (alarm.lat is None, alarm.lon is None)
    if alarm.lat is not None and alarm.lon is not None:
        assert again.lat == pytest.approx(alarm.lat, abs=6e-8)
        assert again.lon == pytest.approx(alarm.lon, abs=6e-8)
    assert pack(again) == body


@given(st.binary(max_size=40))
def test_any_bytes_are_an_alarm_or_a_value_error(noise):
    for body in (noise, noise[:20].ljust(20, b"\0"), b"\x01" + noise[:19].ljust(19, b"\0")):
        try:
            alarm = unpack(body)
        except ValueError:
            continue
        assert unpack(pack(alarm)) == alarm


@pytest.mark.parametrize("offset_h", [-12, 0, 8, 14])
def test_the_time_zone_of_the_alarm_changes_nothing(offset_h):
    there = AT.astimezone(timezone(timedelta(hours=offset_h)))
    alarm = BeidouAlarm(number=1, kind="sos", at=there, seq=1)
    assert unpack(pack(alarm)).at == AT


@pytest.mark.parametrize(
    ("rate", "battery", "shown"),
    [(300, 150, (254, 100)), (-5, -5, (None, 0)), (0, 0, (None, 0)), (72.4, 55.6, (72, 56))],
)
def test_a_value_outside_its_byte_stands_as_the_nearest_there_is(rate, battery, shown):
    alarm = BeidouAlarm(number=1, kind="sos", at=AT, seq=1, heart_rate_bpm=rate, battery_pct=battery)
    again = unpack(pack(alarm))
    assert (again.heart_rate_bpm, again.battery_pct) == shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": -1},
        {"number": MOST_NUMBER + 1},
        {"seq": 256},
        {"seq": -1},
        {"kind": "earthquake"},
        {"at": datetime(1969, 1, 1, tzinfo=UTC)},
        {"at": datetime(2107, 1, 1, tzinfo=UTC)},
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001  that it is naive is the point
    ],
)
def test_what_does_not_fit_is_a_value_error(wrong):
    good = {"number": 1, "kind": "sos", "at": AT, "seq": 1}
    with pytest.raises(ValueError, match=r"\w"):
        pack(BeidouAlarm(**(good | wrong)))


@pytest.mark.parametrize("bad", [91.0, -90.1, float("nan"), float("inf")])
def test_what_cannot_be_true_stands_as_unknown_and_the_alarm_goes_out(bad):
    gauge = bad if bad != bad or bad > 100 else None  # noqa: PLR0124  nan
    alarm = BeidouAlarm(
        number=1, kind="sos", at=AT, seq=1, lat=bad, lon=0.0, heart_rate_bpm=gauge, battery_pct=gauge
    )
    again = unpack(pack(alarm))
    assert (again.lat, again.lon, again.heart_rate_bpm, again.battery_pct) == (None, None, None, None)
    assert again.name == alarm.name


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "0 bytes, not 20"),
        (b"\x02" + bytes(19), "version 2, not 1"),
        (bytes.fromhex("010000011f" + "00" * 15), "kind 31 is unknown"),
        (bytes.fromhex("01000001c0" + "00" * 15), "kind 192 is unknown"),
    ],
)
def test_a_body_that_is_none_of_ours_says_why(body, says):
    with pytest.raises(ValueError, match=says):
        unpack(body)


def test_an_alarm_with_a_position_off_the_earth_and_impossible_gauges_is_still_an_alarm():
    body = bytes.fromhex("0100000100000000007fffffff00000000ff6505")
    assert unpack(body) == BeidouAlarm(
        number=1, kind="sos", at=datetime.fromtimestamp(0, UTC), seq=5, lat=None, lon=None
    )
