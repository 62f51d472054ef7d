"""The rule of those who live alone: are they up, and do they move? Hours are those of China."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.effects import RaiseAlarm, SetTimer
from gateway.model import BandAlarm, Battery, Envelope, Fix, HeartRate, Steps, Uplink, WearerView, Worn
from gateway.rules.base import TimerDue
from gateway.rules.inactivity import RULE
from sos.shifts import CHINA

MIDNIGHT = datetime(2026, 3, 2, tzinfo=CHINA)
XU = WearerView(wearer="xu", name="徐文彬")
BY = {"by": "09:30"}
STILL = {"still_after_s": 4 * 3600}
HOME = Fix(lat=31.1, lon=121.1, valid=True, accuracy_m=8)


def clock(text, day=0):
    hour, minute = map(int, text.split(":"))
    return MIDNIGHT + timedelta(days=day, hours=hour, minutes=minute)


def live(frames, *, until, **settings):
    """Play (moment, readings) with a timer service; gives "code hh:mm" of what was raised, China time."""
    rule = RULE(XU, RULE.Settings(**settings))
    state, timers, found = rule.initial(), {}, []

    def absorb(effects):
        for effect in effects:
            if isinstance(effect, SetTimer):
                timers[effect.name] = effect.due_at
            if isinstance(effect, RaiseAlarm):
                found.append(f"{effect.alarm.why.code} {effect.alarm.at.astimezone(CHINA):%H:%M}")

    for moment, *readings in [*frames, (until,)]:
        while timers and min(timers.values()) <= moment:
            name = min(timers, key=timers.__getitem__)
            due = TimerDue(name=name, due_at=timers.pop(name))
            state, effects = rule.step(state, due, due.due_at)
            absorb(effects)
        if readings:
            uplink = Uplink(device="band", readings=tuple(readings), raw=b"")
            at = moment.astimezone(UTC)
            event = Envelope(uplink=uplink, wire="test", device="band", wearer="xu", received_at=at)
            state, effects = rule.step(state, event, at)
            absorb(effects)
    return found


def quiet(begin, end, *readings, every_min=10):
    """Frames of somebody who does not move."""
    count = int((end - begin) / timedelta(minutes=every_min))
    return [(begin + timedelta(minutes=every_min * k), HOME, Steps(steps=0), *readings) for k in range(count)]


EVENING = [(clock("20:00", -1), HOME, Steps(steps=3000))]
NIGHT = quiet(clock("00:00"), clock("12:00"))


def test_nobody_up_by_half_past_nine_is_raised_then():
    bathroom = [(clock("03:10"), HOME, Steps(steps=25))]
    story = sorted([*EVENING, *NIGHT, *bathroom], key=lambda one: one[0])
    assert live(story, until=clock("12:00"), **BY) == ["not_up 09:30"]


@pytest.mark.parametrize(
    "sign",
    [
        Steps(steps=30),
        Fix(lat=31.102, lon=121.1, valid=True, accuracy_m=8),
        BandAlarm(alarm="sos"),
        Worn(worn=False),
    ],
)
def test_any_sign_of_movement_in_the_morning_is_enough(sign):
    story = sorted([*EVENING, *NIGHT, (clock("09:29"), sign)], key=lambda one: one[0])
    assert live(story, until=clock("12:00"), **BY) == []


@pytest.mark.parametrize(
    "no_sign",
    [
        Steps(steps=9),
        Fix(lat=31.102, lon=121.1, valid=True, accuracy_m=80),
        Fix(lat=31.102, lon=121.1, valid=True, source="cell"),
        Fix(lat=31.102, lon=121.1, valid=False),
        Steps(steps=-5),
        HeartRate(heart_rate_bpm=64),
        Worn(worn=True),
    ],
)
def test_a_wandering_fix_a_count_that_begins_anew_or_a_heart_beat_is_no_movement(no_sign):
    story = sorted([*EVENING, *NIGHT, (clock("09:29"), no_sign)], key=lambda one: one[0])
    assert live(story, until=clock("12:00"), **BY) == ["not_up 09:30"]


def test_a_band_on_the_table_on_its_charger_or_silent_says_nothing_of_its_wearer():
    off = [(clock("22:00", -1), Worn(worn=False))]
    assert live([*EVENING, *off, *NIGHT], until=clock("12:00"), **BY) == []
    charger = [(clock("22:00", -1), Battery(battery_pct=20)), (clock("23:00", -1), Battery(battery_pct=40))]
    assert live([*EVENING, *charger, *NIGHT], until=clock("12:00"), **BY) == []
    assert live([*EVENING, *quiet(clock("00:00"), clock("06:00"))], until=clock("12:00"), **BY) == []


def test_it_asks_again_every_day():
    story = [*EVENING, *quiet(clock("00:00"), clock("12:00", 2))]
    assert live(story, until=clock("12:00", 2), **BY) == ["not_up 09:30"] * 3


def test_four_hours_without_a_movement_by_day_are_raised_once_until_the_next():
    walk = [(clock("08:00"), Steps(steps=400)), (clock("14:00"), Steps(steps=800))]
    still = [one for one in quiet(clock("08:00"), clock("20:00")) if one[0] not in {w[0] for w in walk}]
    still = [(at, fix) for at, fix, _ in still]
    story = sorted([(clock("07:50"), Steps(steps=100)), *walk, *still], key=lambda one: one[0])
    assert live(story, until=clock("20:00"), **STILL) == ["still 12:10", "still 18:10"]


def test_the_night_does_not_count():
    story = [(clock("19:00", -1), Steps(steps=400)), *quiet(clock("19:10", -1), clock("10:00"))]
    assert live(story, until=clock("10:00"), **STILL) == ["still 09:10"]
    up = sorted([*story, (clock("06:00"), Steps(steps=40))], key=lambda one: one[0])
    assert live(up, until=clock("10:00"), **STILL) == []


def test_after_the_gateway_slept_it_looks_again_instead_of_raising():
    rule = RULE(XU, RULE.Settings(**BY))
    uplink = Uplink(device="band", readings=(HOME,), raw=b"")
    event = Envelope(uplink=uplink, wire="test", device="band", wearer="xu", received_at=clock("20:00", -1))
    state, (timer,) = rule.step(rule.initial(), event, event.received_at)
    woke = clock("11:00")
    _, effects = rule.step(state, TimerDue(name="by", due_at=timer.due_at), woke)
    assert effects == (SetTimer(name="by", due_at=woke + timedelta(minutes=30)),)


def test_off_by_default_it_keeps_nothing():
    rule = RULE(XU, RULE.Settings())
    uplink = Uplink(device="band", readings=(HOME, Steps(steps=9)), raw=b"")
    event = Envelope(uplink=uplink, wire="test", device="band", wearer="xu", received_at=MIDNIGHT)
    state = rule.initial()
    assert rule.step(state, event, MIDNIGHT) == (state, ())


@pytest.mark.parametrize(
    "table", [{"by": "9:30"}, {"by": "25:00"}, {"day_from": "21:00"}, {"by": "04:00"}, {"day_to": ""}]
)
def test_hours_that_cannot_be_are_refused(table):
    with pytest.raises(msgspec.ValidationError, match="must"):
        msgspec.convert(table, RULE.Settings)


readings = st.one_of(
    st.builds(Steps, steps=st.integers()),
    st.builds(Fix, lat=st.floats(), lon=st.floats(), valid=st.booleans(), accuracy_m=st.floats()),
    st.builds(Battery, battery_pct=st.floats()),
    st.builds(Worn, worn=st.booleans()),
)


@given(st.lists(st.tuples(st.integers(0, 5000), readings), max_size=30))
def test_any_readings_are_answered_and_the_state_is_read_back_as_written(frames):
    rule = RULE(XU, RULE.Settings(**BY, **STILL))
    state = rule.initial()
    for minute, reading in sorted(frames, key=lambda one: one[0]):
        at = MIDNIGHT.astimezone(UTC) + timedelta(minutes=minute)
        uplink = Uplink(device="band", readings=(reading,), raw=b"")
        event = Envelope(uplink=uplink, wire="test", device="band", wearer="xu", received_at=at)
        for step in (event, TimerDue(name="by", due_at=at), TimerDue(name="still", due_at=at)):
            before = state
            state, effects = rule.step(state, step, at)
            assert state is before or state != before
            assert not (effects and state is before)
        assert msgspec.json.decode(msgspec.json.encode(state), type=RULE.State) == state


@pytest.mark.parametrize(
    ("by", "answered", "asked"),
    [
        ("09:30", (0, "09:50"), (0, "10:20")),
        ("09:30", (1, "08:00"), (1, "09:30")),
        ("09:30", (1, "10:00"), (1, "10:30")),
        ("09:30", (0, "23:40"), (1, "09:30")),
        ("23:50", (0, "23:58"), (1, "23:50")),
        ("23:50", (1, "00:20"), (1, "23:50")),
    ],
)
def test_a_question_that_comes_late_is_asked_on_the_day_and_after_the_hour_it_is_about(by, answered, asked):
    rule = RULE(XU, RULE.Settings(by=by, day_to="23:59"))
    seen = clock("09:00")
    uplink = Uplink(device="band", readings=(HOME, Steps(steps=9)), raw=b"")
    event = Envelope(uplink=uplink, wire="test", device="band", wearer="xu", received_at=seen.astimezone(UTC))
    state, _ = rule.step(rule.initial(), event, event.received_at)
    now = clock(answered[1], answered[0])
    _, effects = rule.step(state, TimerDue(name="by", due_at=clock(by)), now.astimezone(UTC))
    assert effects == (SetTimer(name="by", due_at=clock(asked[1], asked[0]).astimezone(UTC)),)
