"""Weekly hours with holidays and nights, in the time of China."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofence.schedule import CHINA, DAYS, Line, counts, parse_line, parse_weekly

NATIONAL_DAY = date(2026, 10, 1)  # a Thursday
HOLIDAYS = frozenset({NATIONAL_DAY, date(2026, 10, 2)})


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


@pytest.mark.parametrize(
    ("line", "when", "counted"),
    [
        ("mon-fri 08:00-20:00", "2026-09-30T08:00", True),
        ("mon-fri 08:00-20:00", "2026-09-30T20:00", False),
        ("mon-fri 08:00-20:00", "2026-10-01T12:00", True),
        ("mon-fri not holidays 08:00-20:00", "2026-10-01T12:00", False),
        ("mon-fri not holidays 08:00-20:00", "2026-09-30T12:00", True),
        ("holidays", "2026-10-01T00:00", True),
        ("holidays", "2026-10-03T00:00", False),
        ("not holidays 08:00-18:00", "2026-10-03T08:00", True),
        ("daily 22:00-06:00", "2026-09-30T05:59", True),
        ("daily night", "2026-09-30T06:00", False),
        ("daily day", "2026-09-30T06:00", True),
        ("fri night", "2026-10-03T05:00", True),
        ("fri night", "2026-10-02T05:00", False),
        ("holidays night", "2026-10-01T05:00", False),
        ("holidays night", "2026-10-03T05:00", True),
        ("not holidays night", "2026-10-01T05:00", True),
        ("  SAT,sun ", "2026-10-03T23:59", True),
    ],
)
def test_a_line_counts_at(line, when, counted):
    assert parse_line(line).covers(local(when), HOLIDAYS) is counted
    assert parse_line(line).covers(local(when).astimezone(UTC), HOLIDAYS) is counted


@pytest.mark.parametrize(
    "text",
    ["", "night", "not", "mon-fri8:00-9:00", "daily nigh", "holidays not holidays", "mondaily night",
     "daily 25:00-26:00", "daily 08:60-09:00", "notholidays", "mon-xyz", "holidays mon", "daily 08:00"],
)  # fmt: skip
def test_a_line_that_is_none_is_refused_with_examples(text):
    with pytest.raises(ValueError, match='such as "mon-fri'):
        parse_line(text)


def test_no_line_is_always_and_one_that_fits_is_enough():
    at = local("2026-10-01T12:00")
    assert counts((), at)
    assert not counts((parse_line("tue 08:00-09:00"),), at, HOLIDAYS)
    assert counts((parse_line("tue 08:00-09:00"), parse_line("holidays")), at, HOLIDAYS)


minutes = st.integers(0, 24 * 60 - 1)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.sampled_from(DAYS), minutes, minutes, moments)
def test_a_line_without_holidays_is_the_weekly_span_shifts_are_written_in(day, begin, end, at):
    text = f"{day} {begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    assert parse_line(text) == Line(span=parse_weekly(text))
    assert parse_line(text).covers(at, HOLIDAYS) is parse_weekly(text).covers(at)


@given(moments, st.frozensets(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=50), minutes, minutes)
def test_every_moment_of_a_line_is_on_a_holiday_or_on_another_day(at, holidays, begin, end):
    hours = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    every, on, other = (parse_line(f"{d} {hours}") for d in ("daily", "holidays", "not holidays"))
    assert (on.covers(at, holidays) or other.covers(at, holidays)) is every.covers(at, holidays)
    assert not (on.covers(at, holidays) and other.covers(at, holidays))


@given(moments)
def test_day_and_night_are_a_whole_day(at):
    day, night = parse_line("daily day"), parse_line("daily night")
    assert day.covers(at) is not night.covers(at)
    assert day.covers(at) is day.covers(at + timedelta(days=7))
