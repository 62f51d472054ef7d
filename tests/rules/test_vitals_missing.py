"""The rule of measurements that stop while the band goes on talking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Envelope, Fix, HeartRate, SpO2, Uplink, WearerView, Worn
from gateway.rules.vitals_missing import LONGEST_GAP_S, RULE

START = datetime(2026, 3, 1, 0, tzinfo=UTC)
XU = WearerView(wearer="xu", name="徐文彬")
FIX = Fix(lat=31.1, lon=121.1, valid=True)
BEAT = HeartRate(heart_rate_bpm=70)


def frame(minute, *readings, backlog=False, replayed=False):
    uplink = Uplink(device="band", readings=readings, raw=b"", backlog=backlog)
    at = START + timedelta(minutes=minute)
    return Envelope(uplink=uplink, wire="test", device="band", wearer="xu", received_at=at, replayed=replayed)


def run(events, **settings):
    rule = RULE(XU, RULE.Settings(**settings))
    state, found, writes = rule.initial(), [], 0
    for event in events:
        before = state
        state, effects = rule.step(state, event, event.received_at)
        writes += state is not before
        found += [((effect.alarm.at - START).total_seconds() / 60, effect.alarm) for effect in effects]
    return state, found, writes


def usual(until_min, every_min=10):
    return [frame(minute, BEAT, FIX) for minute in range(0, until_min, every_min)]


def walks(begin_min, end_min, *readings):
    return [frame(minute, FIX, *readings) for minute in range(begin_min, end_min, 5)]


def test_measurements_that_stop_are_noticed_once():
    _, ((minute, alarm),), _ = run([*usual(600), *walks(600, 1200)])
    assert (alarm.kind, alarm.severity, alarm.why.code) == ("vitals", "notice", "vitals_missing")
    assert 590 + 80 <= minute <= 590 + 90
    assert alarm.why.since == START + timedelta(minutes=590)


def test_a_band_that_is_silent_too_is_not_this_rules_matter():
    assert run([*usual(600), frame(3000, FIX), frame(3001, BEAT)])[1] == []


def test_a_wearer_of_whom_little_is_known_is_not_waited_for():
    assert run([*usual(200), *walks(200, 2000)])[1] == []


def test_what_is_configured_needs_no_learning():
    _, ((minute, alarm),), _ = run([frame(0, SpO2(spo2_pct=97)), *walks(1, 200)], expect_every_s=600)
    assert 33 + 10 <= minute <= 33 + 20
    assert alarm.why.limit == 1980


def test_long_gaps_are_learned_and_then_no_longer_noticed():
    days = []
    for day in range(5):
        days += [frame(day * 1440 + minute, BEAT, FIX) for minute in range(0, 960, 10)]
        days += walks(day * 1440 + 960, (day + 1) * 1440)
    assert [minute // 1440 for minute, _ in run(days)[1]] == [0]


def test_off_the_wrist_nothing_is_waited_for_and_put_on_the_wait_begins():
    off, on = frame(600, FIX, Worn(worn=False)), frame(1000, FIX, Worn(worn=True))
    assert run([*usual(600), off, *walks(605, 1000)])[1] == []
    ((minute, _),) = run([*usual(600), off, *walks(605, 1000), on, *walks(1001, 1300)])[1]
    assert 1000 + 80 <= minute <= 1000 + 90


def test_backlog_and_frames_out_of_the_quarantine_ask_nothing():
    late = [frame(600 + k, FIX, backlog=k % 2 == 0, replayed=k % 2 == 1) for k in range(500)]
    assert run([*usual(600), *late])[1] == []


def test_a_band_that_measures_every_minute_costs_a_write_every_ten():
    assert run([frame(minute, BEAT) for minute in range(1000)])[2] == 100


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from([BEAT, FIX, Worn(worn=False)])), max_size=60)
)
def test_what_is_learned_stays_within_its_bounds_and_nothing_is_told_twice(frames):
    events = [frame(minute, reading) for minute, reading in sorted(frames, key=lambda one: one[0])]
    state, found, _ = run(events, expect_every_s=600)
    assert 0 <= state.usual_s <= LONGEST_GAP_S
    assert len({alarm.alarm_id for _, alarm in found}) == len(found)
