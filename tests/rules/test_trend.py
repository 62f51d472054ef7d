"""The rule of fast changes: repeated, on good readings, against the middle of the last minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model import BloodPressure, Envelope, Fix, HeartRate, SpO2, Uplink, WearerView
from gateway.rules.trend import RULE, SAMPLES

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
CHEN = WearerView(wearer="chen", name="陈秀英")


def frame(second, *readings, backlog=False):
    uplink = Uplink(device="band", readings=readings, raw=b"", backlog=backlog)
    heard_at = START + timedelta(seconds=second)
    return Envelope(uplink=uplink, wire="test", device="band", wearer="chen", received_at=heard_at)


def run(events, state=None, **settings):
    rule = RULE(CHEN, RULE.Settings(**settings))
    state = rule.initial() if state is None else state
    raised = []
    for event in events:
        state, effects = rule.step(state, event, event.received_at)
        raised += [effect.alarm for effect in effects]
    return state, raised


def pulse(*bpm, every_s=60, start_s=0):
    return [frame(start_s + every_s * k, HeartRate(heart_rate_bpm=value)) for k, value in enumerate(bpm)]


def test_a_heart_that_races_off_within_minutes_is_noticed_once():
    _, (alarm,) = run(pulse(*[72] * 10, 118, *[119] * 30))
    assert (alarm.kind, alarm.severity, alarm.why.code) == ("vitals", "notice", "heart_rate_rise")
    assert (alarm.why.value, alarm.why.limit) == (119, 112)


@pytest.mark.parametrize(
    ("bpm", "codes"),
    [
        ([110] * 10 + [65] * 5, ["heart_rate_fall"]),
        ([72] * 10 + [118] + [72] * 10, []),
        ([72 + k for k in range(60)], []),
        ([72] * 10 + [112] * 10, []),
        ([72, 118, 118, 118], []),
    ],
)
def test_one_reading_a_slow_rise_and_a_little_one_are_no_change(bpm, codes):
    assert [alarm.why.code for alarm in run(pulse(*bpm))[1]] == codes


def test_oxygen_matters_only_when_it_falls_and_pressure_both_ways():
    oxygen = [97] * 10 + [90] * 3 + [97] * 10
    events = [frame(60 * k, SpO2(spo2_pct=value)) for k, value in enumerate(oxygen)]
    assert [alarm.why.code for alarm in run(events)[1]] == ["spo2_fall"]
    upper = [130] * 10 + [85] * 3
    events = [frame(60 * k, BloodPressure(systolic_mmhg=v, diastolic_mmhg=60)) for k, v in enumerate(upper)]
    assert [alarm.why.code for alarm in run(events)[1]] == ["systolic_fall"]


def test_a_walk_is_no_fast_change():
    walking = Fix(lat=31.1, lon=121.1, valid=True, speed_m_s=1.8)
    walk = [frame(600 + 60 * k, walking, HeartRate(heart_rate_bpm=125)) for k in range(10)]
    assert run([*pulse(*[72] * 10), *walk])[1] == []


def test_backlog_and_quantities_turned_off_raise_nothing():
    fast = [*[72] * 10, *[130] * 10]
    stored = [frame(60 * k, HeartRate(heart_rate_bpm=v), backlog=True) for k, v in enumerate(fast)]
    assert run(stored) == (RULE.State(), [])
    assert run(pulse(*fast), heart_rate_bpm=0) == (RULE.State(), [])


def test_our_clock_set_back_blinds_nobody():
    state, _ = run(pulse(*[72] * 10, start_s=86_400 * 365))
    assert len(run(pulse(*[72] * 10, *[125] * 5), state)[1]) == 1


@given(st.lists(st.floats(60, 99.9), max_size=60))
def test_noise_smaller_than_the_change_is_never_noticed(bpm):
    state, raised = run(pulse(*bpm, every_s=20))
    assert raised == []
    assert len(state.samples.get("heart_rate", ())) <= SAMPLES


@given(st.lists(st.floats(20, 250), max_size=60))
@example([20.0] * 9 + [61.0] + [20.0] * 5 + [61.0] + [20.0] * 6)
def test_a_replay_notices_nothing_new_and_duplicates_change_nothing(bpm):
    events = pulse(*bpm, every_s=40)
    state, first = run(events)
    assert run([twice for event in events for twice in (event, event)]) == (state, first)
    assert {a.alarm_id for a in run(events, state)[1]} <= {a.alarm_id for a in first}
