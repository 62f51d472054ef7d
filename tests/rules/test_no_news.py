"""What is answered from memory is what looking would answer: every rule against itself without a memory."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import plugins
from gateway.effects import SetTimer
from gateway.model import (
    BandAlarm,
    Battery,
    BloodPressure,
    BodyTemp,
    Envelope,
    FenceSuspension,
    FenceView,
    Fix,
    HeartRate,
    SpO2,
    Steps,
    Uplink,
    WearerView,
    Worn,
)
from gateway.rules import baseline, fence, trend
from gateway.rules.base import TimerDue
from gateway.rules.fence_calm import NOWHERE
from gateway.rules.hearing import MOST_PLANS, Hearing
from gateway.rules.measurements import measurements

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LAT, LON = 31.15535, 121.10460
M = 1 / 110_860
"""A metre to the north, in degrees of latitude at 31 degrees north."""
M_EAST = M / math.cos(math.radians(LAT))


def envelope(heard_s, readings, **fields):
    uplink = Uplink(device="band", readings=tuple(readings), raw=b"", backlog=fields.pop("backlog", False))
    heard_at = START + timedelta(seconds=heard_s)
    return Envelope(uplink=uplink, wire="test", device="band", wearer="wang", received_at=heard_at, **fields)


def place(north_m, east_m):
    return LAT + north_m * M, LON + east_m * M_EAST


def ring(north_m, east_m, size_m, corners):
    turns = [2 * math.pi * k / corners for k in range(corners)]
    return tuple(place(north_m + size_m * math.cos(t), east_m + size_m * math.sin(t)) for t in turns)


# ------------------------------------------------------------------ fences


@st.composite
def fences(draw, name):
    at = draw(st.floats(-300, 300)), draw(st.floats(-300, 300))
    ground = draw(
        st.sampled_from(
            [
                {"centre": place(*at), "radius_m": draw(st.floats(30, 400))},
                {"polygon": ring(*at, draw(st.floats(30, 400)), draw(st.integers(3, 8)))},
                {"line": ring(*at, draw(st.floats(50, 300)), 4), "half_width_m": draw(st.floats(5, 80))},
            ]
        )
    )
    return FenceView(
        fence=name,
        name=name,
        keep=draw(st.sampled_from(["in", "in", "out"])),
        schedule=draw(st.sampled_from([(), (), ("daily 08:00-17:05",), ("daily 17:03-20:00",)])),
        approach_m=draw(st.sampled_from([0.0, 0.0, 30.0])),
        escalate_m=draw(st.sampled_from([(), (), (150.0, 300.0)])),
        **ground,
    )


@st.composite
def walks(draw):
    """Frames of a wearer who stays, walks or drives off; late, vague and invalid fixes among them."""
    heard_s, north_m, east_m = 0.0, draw(st.floats(-100, 100)), draw(st.floats(-100, 100))
    story = []
    for _ in range(draw(st.integers(5, 40))):
        heard_s += draw(st.sampled_from([5, 20, 20, 20, 61, 400]))
        fixes = []
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 0, 2]))):
            pace_m = draw(st.sampled_from([0, 3, 10, 10, 40, 200]))
            turn = draw(st.floats(0, 6.3))
            north_m, east_m = north_m + pace_m * math.cos(turn), east_m + pace_m * math.sin(turn)
            taken_s = heard_s + draw(st.sampled_from([0, 0, 0, -1, -3, -30, -700, 5]))
            lat, lon = place(north_m, east_m)
            fixes.append(
                Fix(
                    lat=lat,
                    lon=lon,
                    valid=draw(st.sampled_from([True] * 9 + [False])),
                    accuracy_m=draw(st.sampled_from([8.0, 8.0, None, 14.0, 60.0, 5000.0, 0.0, math.nan])),
                    source=draw(st.sampled_from(["gnss", "gnss", None, "wifi", "cell"])),
                    at=draw(st.sampled_from([START + timedelta(seconds=taken_s)] * 4 + [None])),
                )
            )
        backlog = draw(st.sampled_from([False] * 9 + [True]))
        story.append(envelope(heard_s, fixes, backlog=backlog))
        order = draw(st.sampled_from([None] * 12 + ["suspend", "resume"]))
        if order is not None:
            story.append((order, START + timedelta(seconds=heard_s + 1)))
    return story


def told(rule, story):
    """Every state and every effect of a story; timers ring at their time, orders come between the frames."""
    state, due, seen = rule.initial(), {}, []

    def took(answer):
        nonlocal state
        state, effects = answer
        for effect in effects:
            if isinstance(effect, SetTimer):
                due[effect.name] = effect.due_at
        seen.append((state, effects))

    for event in story:
        now = event.received_at if isinstance(event, Envelope) else event[1]
        for name, at in sorted(due.items(), key=lambda one: one[1]):
            if at <= now and due.get(name) == at:
                del due[name]
                took(rule.step(state, TimerDue(name=name, due_at=at), at))
        if isinstance(event, Envelope):
            took(rule.step(state, event, now))
        elif event[0] == "suspend":
            until = now + timedelta(seconds=90)
            took(rule.suspend(state, FenceSuspension(fence="", until=until, by="x", given_at=now), now))
        elif state.suspensions:
            took(rule.resume(state, "", now))
    return seen


@settings(max_examples=250, deadline=None)
@given(st.tuples(fences("a"), fences("b"), fences("c")), walks())
def test_a_fence_rule_that_remembers_calm_tells_what_one_tells_that_measures_everything(views, story):
    wearer = WearerView(wearer="wang", name="", fences=views)

    def rule():
        return fence.RULE(wearer, fence.RULE.Settings())

    with patch.object(fence, "calm_around", lambda *_: NOWHERE):
        measured = told(rule(), story)
    assert told(rule(), story) == measured


def test_a_wearer_who_stays_at_home_is_measured_once():
    """That the memory is used at all: of an hour at home one frame is measured."""
    views = (FenceView(fence="home", name="", centre=(LAT, LON), radius_m=120),)
    rule = fence.RULE(WearerView(wearer="wang", name="", fences=views), fence.RULE.Settings())
    frames = [
        envelope(20 * k, [Fix(lat=LAT + k % 7 * 3 * M, lon=LON, valid=True, accuracy_m=8.0)])
        for k in range(180)
    ]
    with patch.object(fence, "calm_around", wraps=fence.calm_around) as measured:
        told(rule, frames)
    assert measured.call_count == 1


def rule_of_home(**fields):
    home = FenceView(fence="home", name="", centre=(LAT, LON), radius_m=120, **fields)
    return fence.RULE(WearerView(wearer="wang", name="", fences=(home,)), fence.RULE.Settings())


def at_home(second, taken=None):
    at = START + timedelta(seconds=second if taken is None else taken)
    return envelope(second, [Fix(lat=LAT, lon=LON, valid=True, accuracy_m=8.0, at=at)])


def test_a_schedule_that_ends_is_seen_by_a_wearer_who_does_not_move():
    """17:00 in China at the start: the fence stops counting at 17:02."""
    story = told(rule_of_home(schedule=("daily 08:00-17:02",)), [at_home(20 * k) for k in range(9)])
    places = [state.tracks["home"].place for state, _ in story]
    assert places == ["inside"] * 6 + ["off"] * 3


def test_a_late_fix_after_a_suspension_hides_nothing_of_the_next():
    """It is ignored, and what stands then is that the fence is off still: the next fix must switch it on."""
    off, on = ("suspend", START + timedelta(seconds=1)), ("resume", START + timedelta(seconds=30))
    story = told(rule_of_home(), [at_home(0), off, at_home(20), on, at_home(40, taken=25), at_home(60)])
    places = [state.tracks["home"].place for state, _ in story]
    assert places == ["inside", "off", "off", "off", "off", "inside"]


def test_a_fix_too_vague_to_be_judged_is_not_remembered_either():
    """Else one that shows the wearer outside, taken before it and sent late, would be a late one."""
    home = FenceView(fence="home", name="", centre=(LAT, LON), radius_m=120, dwell_s=0.0)
    rule = fence.RULE(
        WearerView(wearer="wang", name="", fences=(home,)), fence.RULE.Settings(max_accuracy_m=10.0)
    )
    vague = Fix(lat=LAT, lon=LON, valid=True, accuracy_m=14.0)
    outside = Fix(lat=LAT + 300 * M, lon=LON, valid=True, accuracy_m=5.0, at=START + timedelta(seconds=80))
    frames = [at_home(0), at_home(20), envelope(100, [vague]), envelope(101, [outside])]
    story = told(rule, frames)
    assert story[2][0] is story[1][0]
    assert story[3][0].tracks["home"].place == "outside"


# ------------------------------------------------------------------ trends and habits


@st.composite
def pulses(draw):
    """Minutes or days of measurements: steady, jumping, walked through, taken off, late."""
    heard_s, story, steps, pulse_bpm = 0.0, [], 100, 70
    for _ in range(draw(st.integers(5, 60))):
        heard_s += draw(st.sampled_from([20, 20, 20, 60, 100, 100, 900, 3600, 86_400]))
        pulse_bpm = draw(st.sampled_from([pulse_bpm, pulse_bpm, 70, 71, 75, 118, 119, 30, 250, 251, 0]))
        at = START + timedelta(
            seconds=heard_s + draw(st.sampled_from([0, 0, 0, 0.0004, -0.7, -30, -3000, 9]))
        )
        readings = [HeartRate(heart_rate_bpm=pulse_bpm, at=at)]
        if draw(st.integers(0, 3)) == 0:
            pressure = draw(st.sampled_from([(130, 80), (131, 80), (175, 90), (90, 95)]))
            readings.append(BloodPressure(systolic_mmhg=pressure[0], diastolic_mmhg=pressure[1], at=at))
        if draw(st.integers(0, 3)) == 0:
            readings.append(SpO2(spo2_pct=draw(st.sampled_from([97, 96, 88])), at=at))
            readings.append(BodyTemp(body_temp_c=draw(st.sampled_from([36.4, 36.5, 39.0])), at=at))
        if draw(st.integers(0, 4)) == 0:
            steps += draw(st.sampled_from([0, 5, 400]))
            readings.insert(0, Steps(steps=steps, at=at))
        if draw(st.integers(0, 9)) == 0:
            readings.append(Worn(worn=draw(st.booleans()), at=at))
        story.append(envelope(heard_s, readings))
    return story


@settings(max_examples=150, deadline=None)
@given(story=pulses())
@pytest.mark.parametrize("room", [trend, baseline])
def test_a_rule_that_knows_what_is_no_news_tells_what_one_tells_that_judges_everything(room, story):
    wearer = WearerView(wearer="wang", name="", fences=())
    told_by = [room.RULE.Settings()] if room is trend else [room.RULE.Settings(least_readings=5)]
    with patch("gateway.rules.measurements.news", lambda values, *_: values):
        judged = told(room.RULE(wearer, told_by[0]), story)
    assert told(room.RULE(wearer, told_by[0]), story) == judged


def test_what_a_frame_measured_is_read_once_and_never_mixed_up_with_another_frame():
    one = envelope(0, [HeartRate(heart_rate_bpm=70.0), Fix(lat=1.0, lon=1.0, valid=True, speed_m_s=0.5)])
    same = envelope(0, [HeartRate(heart_rate_bpm=71.0), Fix(lat=1.0, lon=1.0, valid=True, speed_m_s=2.0)])
    assert measurements(one) is measurements(one)
    assert measurements(one) == ([one.uplink.readings[0]], [], [(START, "heart_rate", 70.0)])
    assert measurements(same) == (
        [same.uplink.readings[0]],
        [same.uplink.readings[1]],
        [(START, "heart_rate", 71.0)],
    )
    assert measurements(one)[2] == [(START, "heart_rate", 70.0)]


# ------------------------------------------------------------------ who hears a frame

KINDS = plugins.load("rule")
moments = st.sampled_from([None, -5, 0, 0, 0]).map(
    lambda s: None if s is None else START + timedelta(seconds=s)
)
readings = st.one_of(
    st.builds(
        Fix,
        lat=st.floats(LAT - 0.004, LAT + 0.004),
        lon=st.just(LON),
        valid=st.booleans(),
        speed_m_s=st.sampled_from([None, 0.3, 2.0]),
        at=moments,
    ),
    st.builds(HeartRate, heart_rate_bpm=st.sampled_from([70.0, 30.0, 150.0, 0.0]), at=moments),
    st.builds(BloodPressure, systolic_mmhg=st.floats(90, 200), diastolic_mmhg=st.just(80.0), at=moments),
    st.builds(SpO2, spo2_pct=st.sampled_from([97.0, 80.0]), at=moments),
    st.builds(BodyTemp, body_temp_c=st.sampled_from([36.5, 39.5]), at=moments),
    st.builds(Steps, steps=st.integers(0, 5000), at=moments),
    st.builds(Battery, battery_pct=st.sampled_from([5.0, 50.0]), at=moments),
    st.builds(Worn, worn=st.booleans(), at=moments),
    st.builds(BandAlarm, alarm=st.sampled_from(["sos", "fall", "cancel", "other"]), at=moments),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 900), st.lists(readings, max_size=4), st.booleans()), max_size=25),
    st.booleans(),
)
def test_a_rule_that_is_not_asked_would_have_done_nothing(frames, lives_alone):
    """All rules stepped on all frames, against only those that hear each frame."""
    views = (FenceView(fence="home", name="", centre=(LAT, LON), radius_m=150),)
    wearer = WearerView(wearer="wang", name="", fences=views if lives_alone else ())
    rules = {}
    for name, kind in KINDS.items():
        own = {"inactivity": {"by": "09:30", "still_after_s": 3600}, "removed": {"off_wrist_after_s": 0}}
        rules[name] = kind(wearer, kind.Settings(**(own.get(name, {}) if lives_alone else {})))
    hearing = Hearing("wang", rules)
    assert [owner for owner, _ in hearing.owned] == [f"{name}/wang" for name in rules]
    states = [rule.initial() for _, rule in hearing.owned]
    heard_s = 0
    for passed_s, some, backlog in frames:
        heard_s += passed_s
        event = envelope(heard_s, some, backlog=backlog)
        asked = hearing.places(event.uplink.readings)
        for number, (_, rule) in enumerate(hearing.owned):
            after, effects = rule.step(states[number], event, event.received_at)
            assert number in asked or (after is states[number] and effects == ())
            states[number] = after


def test_a_frame_of_a_position_alone_does_not_ask_about_the_charge():
    wearer = WearerView(wearer="wang", name="", fences=())
    hearing = Hearing("wang", {name: kind(wearer, kind.Settings()) for name, kind in KINDS.items()})
    asked = {hearing.owned[n][0] for n in hearing.places((Fix(lat=LAT, lon=LON, valid=True),))}
    assert "sos/wang" in asked
    assert not asked & {"battery/wang", "removed/wang", "inactivity/wang", "fence/wang"}


def test_a_band_that_sends_its_readings_in_ever_other_orders_fills_no_memory():
    hearing = Hearing("wang", {})
    for number in range(3 * MOST_PLANS):
        bits = [Steps(steps=0) if number >> k & 1 else Battery(battery_pct=1.0) for k in range(13)]
        hearing.places(tuple(bits))
    assert len(hearing._plans) <= MOST_PLANS
