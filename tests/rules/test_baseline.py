"""The rule of what is usual for one wearer: robust, by the hour, in bounded memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import BodyTemp, Envelope, Fix, HeartRate, SpO2, Uplink, WearerView
from gateway.rules.baseline import CELLS, DAYS, EMPTY, PER_SIGMA, RULE, usual_range

MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)
"""In China."""
CHEN = WearerView(wearer="chen", name="陈秀英")


def frame(hours, *readings, backlog=False):
    uplink = Uplink(device="band", readings=readings, raw=b"", backlog=backlog)
    at = MIDNIGHT + timedelta(hours=hours)
    return Envelope(uplink=uplink, wire="test", device="band", wearer="chen", received_at=at)


def usual_days(days, *, seed=1):
    """Every ten minutes: 58 at night, 76 by day, some noise."""
    dice = Random(seed)
    events = []
    for tick in range(days * 144):
        hours = tick / 6
        level = 58 if hours % 24 < 6 else 76
        events.append(frame(hours, HeartRate(heart_rate_bpm=round(dice.gauss(level, 3)))))
    return events


def run(events, state=None, **settings):
    rule = RULE(CHEN, RULE.Settings(**settings))
    state = rule.initial() if state is None else state
    raised, writes = [], 0
    for event in events:
        before = state
        state, effects = rule.step(state, event, event.received_at)
        writes += state is not before
        raised += [effect.alarm for effect in effects]
    return state, raised, writes


KNOWN = run(usual_days(12))


def night(bpm, *, day=12, begin=3.0, count=4):
    return [frame(day * 24 + begin + k / 6, HeartRate(heart_rate_bpm=bpm)) for k in range(count)]


def test_usual_days_are_never_noticed_and_cost_a_write_an_hour():
    _, raised, writes = KNOWN
    assert raised == []
    assert writes == 12 * 24


def test_what_is_usual_by_day_is_unusual_at_night():
    (alarm,) = run(night(92), KNOWN[0])[1]
    assert (alarm.kind, alarm.severity, alarm.why.code) == ("vitals", "notice", "heart_rate_unusual_high")
    assert 74 <= alarm.why.limit <= 82
    assert run(night(92, begin=12.0), KNOWN[0])[1] == []
    (low,) = run(night(50, begin=12.0), KNOWN[0])[1]
    assert low.why.code == "heart_rate_unusual_low"


def test_one_reading_is_not_unusual_and_neither_is_a_walk():
    assert run([*night(92, count=1), *night(58, begin=3.2)], KNOWN[0])[1] == []
    walking = Fix(lat=31.1, lon=121.1, valid=True, speed_m_s=1.8)
    walk = [frame(12 * 24 + 3 + k / 6, walking, HeartRate(heart_rate_bpm=95)) for k in range(6)]
    assert run(walk, KNOWN[0])[1] == []


def test_a_wearer_of_whom_little_is_known_is_never_unusual():
    few = run(usual_days(4))[0]
    assert run(night(110, day=4), few)[1] == []


def test_after_ten_days_away_nothing_is_usual_any_more():
    assert run(night(110, day=12 + DAYS + 1), KNOWN[0])[1] == []


def test_a_rise_of_the_temperature_above_ones_own_is_noticed():
    events = [frame(hours, BodyTemp(body_temp_c=36.2)) for hours in range(12 * 24)]
    warm = [frame(12 * 24 + 3 + k / 6, BodyTemp(body_temp_c=37.5)) for k in range(3)]
    (alarm,) = run([*events, *warm])[1]
    assert (alarm.why.code, alarm.why.limit, alarm.why.unit) == ("body_temp_unusual_high", 37.3, "°C")


def test_backlog_and_a_quantity_turned_off_are_not_learned():
    stored = [frame(hours, SpO2(spo2_pct=97), backlog=True) for hours in range(50)]
    assert run(stored)[0] == RULE.State()
    assert run(usual_days(1), heart_rate_bpm=0)[0] == RULE.State()


@pytest.mark.parametrize("bad", range(1, 7))
def test_some_bad_readings_move_what_is_usual_hardly(bad):
    cells = bytearray(EMPTY)
    cells[0:20] = bytes([70, 71, 72, 69, 68] * 4)
    clean = usual_range(bytes(cells), 0, 15, 4.0, 5.0)
    cells[0:bad] = bytes([200] * bad)
    dirty = usual_range(bytes(cells), 0, 15, 4.0, 5.0)
    assert abs(clean[0] - dirty[0]) < 8
    assert abs(clean[1] - dirty[1]) < 8


@given(st.lists(st.integers(1, 255), min_size=15, max_size=DAYS * 3), st.integers(0, 23))
def test_usual_is_the_median_give_or_take_the_deviation(values, hour):
    cells = bytearray(EMPTY)
    for place, value in enumerate(values):
        cells[(hour - 1 + place // DAYS) % 24 * DAYS + place % DAYS] = value
    middle = median(values)
    reach = max(4 * PER_SIGMA * median(abs(value - middle) for value in values), 5.0)
    assert usual_range(bytes(cells), hour, 15, 4.0, 5.0) == pytest.approx((middle - reach, middle + reach))


@given(st.lists(st.tuples(st.integers(0, 2000), st.floats(20, 250)), max_size=60))
def test_memory_is_bounded_and_read_back_whatever_comes(story):
    events = [frame(hours, HeartRate(heart_rate_bpm=bpm), SpO2(spo2_pct=97)) for hours, bpm in story]
    state, _, _ = run(events)
    assert all(len(cells) == CELLS for cells in state.cells.values())
    assert len(state.cells) <= 4
    written = msgspec.json.encode(state)
    assert len(written) < 4000
    assert msgspec.json.decode(written, type=RULE.State) == state


@given(st.permutations(range(24)), st.integers(0, 5))
def test_the_order_of_the_hours_and_duplicates_do_not_matter(order, twice):
    events = [frame(10 * 24 + hour, HeartRate(heart_rate_bpm=60 + hour)) for hour in range(24)]
    mixed = [events[k] for k in order]
    assert run([*mixed, *mixed[:twice]])[0].cells == run(events)[0].cells
