"""The rule of the band that lies about: long off the wrist, and not on its charger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.effects import ClearTimer, RaiseAlarm, SetTimer
from gateway.model import Battery, Envelope, HeartRate, Uplink, WearerView, Worn
from gateway.rules.base import TimerDue
from gateway.rules.removed import RULE

START = datetime(2026, 3, 1, 13, tzinfo=UTC)
RULE_OF_LIU = RULE(WearerView(wearer="liu", name="刘素珍"), RULE.Settings())
OFF, ON = Worn(worn=False), Worn(worn=True)


def live(frames, *, until_min, rule=RULE_OF_LIU):
    """Play (minute, reading) with a timer service; gives (minute, alarm) of what was raised."""
    state, due_at, found = rule.initial(), None, []
    for minute, reading in [*frames, (until_min, None)]:
        moment = START + timedelta(minutes=minute)
        while due_at is not None and due_at <= moment:
            due, due_at = TimerDue(name="off_wrist", due_at=due_at), None
            state, effects = rule.step(state, due, due.due_at)
            due_at, found = absorb(effects, due_at, found)
        if reading is not None:
            uplink = Uplink(device="band", readings=(reading,), raw=b"")
            event = Envelope(uplink=uplink, wire="test", device="band", wearer="liu", received_at=moment)
            state, effects = rule.step(state, event, moment)
            due_at, found = absorb(effects, due_at, found)
    return found


def absorb(effects, due_at, found):
    for effect in effects:
        if isinstance(effect, SetTimer):
            due_at = effect.due_at
        elif isinstance(effect, ClearTimer):
            due_at = None
        elif isinstance(effect, RaiseAlarm):
            found = [*found, ((effect.alarm.at - START).total_seconds() / 60, effect.alarm)]
    return due_at, found


def test_two_hours_off_the_wrist_warn_once():
    ((minute, alarm),) = live([(0, OFF), (1, OFF), (90, OFF), (300, OFF)], until_min=900)
    assert minute == 120
    assert (alarm.kind, alarm.severity, alarm.why.code, alarm.why.value) == (
        "removed",
        "warning",
        "off_wrist",
        7200,
    )


@pytest.mark.parametrize("worn", [ON, HeartRate(heart_rate_bpm=70)])
def test_put_on_again_in_time_it_warns_of_nothing(worn):
    assert live([(0, OFF), (100, worn)], until_min=900) == []


def test_a_heart_beat_in_the_frame_that_says_off_is_no_wrist():
    assert len(live([(0, OFF), (0.5, HeartRate(heart_rate_bpm=70))], until_min=900)) == 1


def test_charging_gives_it_four_hours():
    charging = [(0, OFF), (1, Battery(battery_pct=20)), (30, Battery(battery_pct=31))]
    assert live([*charging, (200, ON)], until_min=900) == []
    assert [minute for minute, _ in live(charging, until_min=900)] == [240]
    falling = [(0, OFF), (1, Battery(battery_pct=31)), (30, Battery(battery_pct=30))]
    assert [minute for minute, _ in live(falling, until_min=900)] == [120]


def test_after_the_gateway_slept_it_looks_again_instead_of_warning():
    uplink = Uplink(device="band", readings=(OFF,), raw=b"")
    event = Envelope(uplink=uplink, wire="test", device="band", wearer="liu", received_at=START)
    state, (timer,) = RULE_OF_LIU.step(RULE_OF_LIU.initial(), event, START)
    woke = timer.due_at + timedelta(hours=2)
    _, effects = RULE_OF_LIU.step(state, TimerDue(name="off_wrist", due_at=timer.due_at), woke)
    assert effects == (SetTimer(name="off_wrist", due_at=woke + timedelta(minutes=10)),)


def test_it_can_be_turned_off():
    rule = RULE(WearerView(wearer="liu", name="刘素珍"), RULE.Settings(off_wrist_after_s=0))
    assert live([(0, OFF)], until_min=900, rule=rule) == []


readings = st.one_of(
    st.builds(Worn, worn=st.booleans()),
    st.builds(Battery, battery_pct=st.floats()),
    st.builds(HeartRate, heart_rate_bpm=st.floats(40, 90)),
)


@given(st.lists(st.tuples(st.integers(0, 2000), readings), max_size=20))
def test_each_time_off_warns_at_most_once_and_never_before_two_hours(frames):
    frames = sorted(frames, key=lambda frame: frame[0])
    found = live(frames, until_min=3000)
    assert len({alarm.alarm_id for _, alarm in found}) == len(found)
    for minute, alarm in found:
        began = (alarm.why.since - START).total_seconds() / 60
        assert minute - began >= 120
        assert not any(began < at < minute and reading == ON for at, reading in frames)
