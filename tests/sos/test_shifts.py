"""Weekly shifts in the time of China."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sos.shifts import CHINA, DAYS, Shift, on_duty, parse_shift

MONDAY = datetime(2026, 3, 2, tzinfo=CHINA)


def at(day, hour, minute=0):
    return MONDAY + timedelta(days=DAYS.index(day), hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("mon-fri 08:00-20:00", Shift(days=(0, 1, 2, 3, 4), begin_min=480, end_min=1200)),
        ("sat,sun 9:00-18:00", Shift(days=(5, 6), begin_min=540, end_min=1080)),
        ("fri-mon 00:00-24:00", Shift(days=(0, 4, 5, 6), begin_min=0, end_min=1440)),
        (" Daily 20:00-08:00 ", Shift(days=tuple(range(7)), begin_min=1200, end_min=480)),
        ("mon,wed-thu 08:30-12:15", Shift(days=(0, 2, 3), begin_min=510, end_min=735)),
    ],
)
def test_a_shift_is_read_as_an_installer_writes_it(text, shift):
    assert parse_shift(text) == shift


@pytest.mark.parametrize(
    "text",
    ["", "mon", "8:00-20:00", "mon 8-20", "monday 08:00-20:00", "mon 24:00-08:00", "mon 08:00-24:01",
     "mon 08:60-20:00", "mon 08:00-20:61", "mon- 08:00-20:00", "-mon 08:00-20:00", "daily,mon 08:00-20:00"],
)  # fmt: skip
def test_anything_else_says_what_was_expected(text):
    with pytest.raises(ValueError, match="such as"):
        parse_shift(text)


@pytest.mark.parametrize(
    ("text", "when", "there"),
    [
        ("mon-fri 08:00-20:00", at("mon", 8), True),
        ("mon-fri 08:00-20:00", at("mon", 7, 59), False),
        ("mon-fri 08:00-20:00", at("fri", 19, 59), True),
        ("mon-fri 08:00-20:00", at("fri", 20), False),
        ("mon-fri 08:00-20:00", at("sat", 12), False),
        ("fri 20:00-08:00", at("sat", 7, 59), True),
        ("fri 20:00-08:00", at("fri", 7, 59), False),
        ("sun 20:00-08:00", at("mon", 3), True),
        ("mon 00:00-24:00", at("mon", 23, 59), True),
        ("mon 00:00-24:00", at("tue", 0), False),
        ("mon 08:00-08:00", at("tue", 7, 59), True),
    ],
)
def test_a_night_shift_belongs_to_the_day_on_which_it_began(text, when, there):
    assert parse_shift(text).covers(when) is there
    assert parse_shift(text).covers(when.astimezone(UTC)) is there


def test_no_shifts_at_all_means_always():
    assert on_duty((), MONDAY)
    assert not on_duty((parse_shift("tue 08:00-20:00"),), MONDAY)
    assert on_duty((parse_shift("tue 08:00-20:00"), parse_shift("daily 00:00-01:00")), MONDAY)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.integers(0, 1439), st.integers(0, 1439))  # noqa: DTZ001 - made aware below
def test_a_shift_and_the_rest_of_the_day_make_the_whole_day(when, begin, end):
    """Somebody is on duty at every moment, and only one of the two, where they change over daily."""
    when = when.replace(tzinfo=UTC)
    every = tuple(range(7))
    one = Shift(days=every, begin_min=begin, end_min=end)
    other = Shift(days=every, begin_min=end, end_min=begin)
    if begin != end:
        assert one.covers(when) != other.covers(when)
    else:
        assert one.covers(when)
