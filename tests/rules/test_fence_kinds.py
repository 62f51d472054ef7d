"""Fences to keep out of, hours, suspensions, approach and escalation, and what a vague fix may do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.effects import ClearTimer, RaiseAlarm, SetTimer
from gateway.model import Envelope, FenceSuspension, FenceView, Fix, Uplink, WearerView
from gateway.rules.base import TimerDue
from gateway.rules.fence import RULE, FenceState

START = datetime(2026, 3, 2, 1, tzinfo=UTC)  # a Monday, 09:00 in China
LAT, LON = 31.15535, 121.10460
M = 1 / 110_860
"""A metre to the north, in degrees of latitude at 31 degrees north."""
HOME = FenceView(fence="home", name="家", centre=(LAT, LON), radius_m=90)


def rule_of(*fences: FenceView, **settings):
    return RULE(WearerView(wearer="wang", name="王", fences=fences), RULE.Settings(**settings))


def fence(**fields):
    return msgspec.structs.replace(HOME, **fields)


def frame(second: float, *fixes: Fix, heard: float | None = None) -> Envelope:
    heard_at = START + timedelta(seconds=second if heard is None else heard)
    uplink = Uplink(device="band", readings=fixes, raw=b"")
    return Envelope(uplink=uplink, wire="test", device="band", wearer="wang", received_at=heard_at)


def north(metres: float, second: float, accuracy_m: float | None = 0.1, **extra) -> Fix:
    """So many metres north of the centre; the border is at 90."""
    at = START + timedelta(seconds=second)
    return Fix(lat=LAT + metres * M, lon=LON, valid=True, at=at, accuracy_m=accuracy_m, **extra)


def run(rule, events, state=None):
    """Every (code, seconds since the start) raised, and the state."""
    state = rule.initial() if state is None else state
    told = []
    for event in events:
        now = event.due_at if isinstance(event, TimerDue) else event.received_at
        state, effects = rule.step(state, event, now)
        told += [
            (effect.alarm.why.code, (effect.alarm.at - START).total_seconds())
            for effect in effects
            if isinstance(effect, RaiseAlarm)
        ]
    return told, state


def walk(*metres: float, every_s: float = 10, first_s: float = 0, **fix):
    return [
        frame(first_s + every_s * k, north(m, first_s + every_s * k, **fix)) for k, m in enumerate(metres)
    ]


def clock(text: str) -> float:
    """Seconds from the start to a time of that Monday in China."""
    hour, minute = map(int, text.split(":"))
    return (hour - 9) * 3600 + minute * 60


# ------------------------------------------------------------------ how sure a fix is


@pytest.mark.parametrize(
    ("source", "accuracy_m", "raised_from_m"),
    [
        (None, None, 20 + 10.9),
        ("gnss", None, 20 + 10.9),
        ("wifi", None, 20 + 43.6),
        ("cell", None, 20 + 544.8),
        ("cell", 50, 20 + 54.5),
        ("gnss", 2, 20 + 2.2),
    ],
)
def test_a_fix_raises_from_where_it_is_95_percent_sure(source, accuracy_m, raised_from_m):
    for beyond_m, raised in ((raised_from_m - 2, []), (raised_from_m + 2, ["fence_exit"])):
        fixes = {"accuracy_m": accuracy_m, "source": source}
        told, _ = run(rule_of(HOME), walk(0, 90 + beyond_m, 90 + beyond_m, **fixes))
        assert [code for code, _ in told] == raised


def test_a_vague_fix_inside_hides_no_exit():
    events = [*walk(0, 150), *walk(0, first_s=12, accuracy_m=400, source="cell"), *walk(150, first_s=20)]
    assert run(rule_of(HOME), events)[0] == [("fence_exit", 20.0)]


def test_a_cell_fix_far_away_is_not_thrown_away():
    assert run(rule_of(HOME), walk(0, 3000, 3000, accuracy_m=500, source="cell"))[0] == [("fence_exit", 20.0)]


# ------------------------------------------------------------------ keep out, approach, escalation


def test_a_place_to_keep_out_of_raises_when_entered_and_tells_when_it_is_left():
    pond = fence(name="池塘", keep="out", hysteresis_m=5)
    told, _ = run(rule_of(pond), walk(200, 80, 40, 30, 92, 96, 97, 98))
    assert told == [("fence_enter", 20.0), ("fence_clear", 60.0)]


def test_a_place_to_keep_out_of_warns_and_escalates_inwards():
    pond = fence(keep="out", approach_m=30, escalate_m=(50,))
    told, _ = run(rule_of(pond), walk(200, 115, 80, 80, 30))
    assert told == [("fence_approach", 10.0), ("fence_enter", 30.0), ("fence_deeper", 40.0)]


def test_an_exit_its_steps_and_the_return_are_alarms_of_their_own():
    told = []
    rule = rule_of(fence(escalate_m=(300, 1000), approach_m=20))
    state = rule.initial()
    for event in walk(0, 75, 130, 140, 500, 600, 1200, 0, 0):
        state, effects = rule.step(state, event, event.received_at)
        told += [effect.alarm for effect in effects if isinstance(effect, RaiseAlarm)]
    assert [(a.why.code, a.severity, a.why.limit) for a in told] == [
        ("fence_approach", "notice", 20),
        ("fence_exit", "critical", 20),
        ("fence_farther", "critical", 300),
        ("fence_farther", "critical", 1000),
        ("fence_return", "notice", 20),
    ]
    assert len({a.alarm_id for a in told}) == 5
    exit_alarm = told[1]
    assert [r.value for r in exit_alarm.why.readings] == pytest.approx([40, 50], abs=0.5)
    assert (exit_alarm.why.count, exit_alarm.why.since) == (2, START + timedelta(seconds=20))
    assert told[2].why.value == pytest.approx(410, abs=1)


def test_a_fence_has_its_own_hysteresis_and_dwell():
    slow = fence(dwell_s=60, hysteresis_m=50)
    told, _ = run(rule_of(slow), walk(0, 130, 130, 130, 130, 130, 130, 130, 80, 80, 55, 55, 55))
    assert told == [("fence_exit", 70.0)]


moves = st.lists(st.floats(-400, 400), max_size=25)


@settings(deadline=None)
@given(moves, st.sampled_from([0.1, 10.0, 40.0, None]))
def test_keep_out_mirrors_keep_in(breaches_m, accuracy_m):
    """The same metres past the border raise the same, whichever side they lie on (0.5 m off a limit)."""
    limits = {"exit_margin_m": 20.0, "hysteresis_m": 10.0, "approach_m": 30.0, "escalate_m": (100.0, 250.0)}
    ring = {"radius_m": 500.0, **limits}
    stay, away = rule_of(fence(**ring)), rule_of(fence(keep="out", **ring))
    stay_told, _ = run(stay, walk(*[500 + b for b in breaches_m], accuracy_m=accuracy_m))
    away_told, _ = run(away, walk(*[500 - b for b in breaches_m], accuracy_m=accuracy_m))
    pairs = {"fence_exit": "fence_enter", "fence_farther": "fence_deeper", "fence_return": "fence_clear"}
    mirrored = [(pairs.get(code, code), at) for code, at in stay_told]
    reach = 1.0896 * rule_of(HOME)._accuracy_of[None] if accuracy_m is None else 1.0896 * accuracy_m
    lines = [20, 10, -30, -40, 100, 250]
    if all(abs(abs(b - line) - r) > 0.5 for b in breaches_m for line in lines for r in (0, reach)):
        assert away_told == mirrored


# ------------------------------------------------------------------ order and duplicates


@settings(deadline=None)
@given(moves, st.integers(0, 2**32), st.integers(1, 6))
def test_the_order_of_the_fixes_of_a_frame_does_not_matter(metres, seed, size):
    fixes = [north(m, 10 * k) for k, m in enumerate(metres)]
    frames = [fixes[k : k + size] for k in range(0, len(fixes), size)]
    rng = Random(seed)
    shuffled = [rng.sample(part, len(part)) for part in frames]
    told = [
        run(rule_of(HOME), [frame(10 * size * (k + 1), *part) for k, part in enumerate(parts)])
        for parts in (frames, shuffled)
    ]
    assert told[0] == told[1]


@settings(deadline=None)
@given(moves, st.data())
def test_fixes_sent_again_late_and_in_any_order_raise_nothing_more(metres, data):
    plain = walk(*metres)
    noisy = []
    for k, event in enumerate(plain):
        noisy.append(event)
        again = data.draw(st.lists(st.integers(0, k), max_size=3))
        noisy += [frame(0, *plain[old].uplink.readings, heard=10 * k) for old in again]
    assert run(rule_of(HOME), noisy)[0] == run(rule_of(HOME), plain)[0]


# ------------------------------------------------------------------ hours

DAYTIME = fence(schedule=("daily 08:00-20:00",))
NIGHT = fence(schedule=("daily night",))


def test_outside_when_the_hours_begin_raises_after_the_dwell():
    seconds = [clock("21:59"), clock("22:00"), clock("22:00") + 5, clock("22:00") + 10]
    told, _ = run(rule_of(NIGHT), [frame(s, north(500, s)) for s in seconds])
    assert told == [("fence_exit", clock("22:00") + 10)]


def test_outside_when_the_hours_end_stays_as_it_is_and_is_not_raised_again():
    seconds = [clock("19:58"), clock("19:59"), clock("20:00"), clock("20:30"), clock("21:00")]
    told, _ = run(rule_of(DAYTIME), [frame(s, north(500, s)) for s in seconds])
    assert told == [("fence_exit", clock("19:59"))]


def test_back_after_the_hours_is_told_once():
    seconds = [clock("19:58"), clock("19:59"), clock("20:30"), clock("20:31"), clock("20:32")]
    where = [500, 500, 500, 0, 0]
    told, _ = run(rule_of(DAYTIME), [frame(s, north(m, s)) for s, m in zip(seconds, where, strict=True)])
    assert told == [("fence_exit", clock("19:59")), ("fence_return", clock("20:31"))]


def test_a_dwell_that_ends_after_the_hours_raises_nothing():
    rule, second = rule_of(DAYTIME), clock("20:00") - 5
    due = TimerDue(name="dwell:home", due_at=START + timedelta(seconds=second + 10))
    assert run(rule, [frame(second, north(500, second)), due])[0] == []


def test_a_holiday_is_another_day():
    workdays = fence(schedule=("mon-fri not holidays",))
    assert run(rule_of(workdays), walk(500, 500))[0] == [("fence_exit", 10.0)]
    assert run(rule_of(workdays, holidays=(date(2026, 3, 2),)), walk(500, 500))[0] == []


# ------------------------------------------------------------------ suspensions


def until(text: str, **fields) -> FenceSuspension:
    ends = START + timedelta(seconds=clock(text))
    return FenceSuspension(**{"until": ends, "by": "王芳", "given_at": START, **fields})


@pytest.mark.parametrize("which", ["", "home"])
def test_out_with_the_daughter_until_ten_raises_nothing_before_and_after_ten_if_still_out(which):
    rule = rule_of(HOME)
    state, effects = rule.suspend(rule.initial(), until("10:00", fence=which), START)
    assert effects == (SetTimer(name=f"resume:{which}", due_at=START + timedelta(hours=1)),)
    told, state = run(rule, walk(0, *[800] * 99, every_s=36), state)
    assert told == []
    ends = TimerDue(name=f"resume:{which}", due_at=START + timedelta(hours=1))
    told, state = run(rule, [ends, *walk(800, 800, 800, first_s=3610)], state)
    assert told == [("fence_exit", 3620.0)]
    assert state.suspensions == ()


def test_a_fix_taken_before_the_end_and_heard_after_it_raises_nothing():
    rule = rule_of(HOME)
    state, _ = rule.suspend(rule.initial(), until("10:00"), START)
    _, state = run(rule, walk(0, 800), state)
    ends = TimerDue(name="resume:", due_at=START + timedelta(hours=1))
    late = [frame(s, north(800, s), heard=s + 400) for s in (3300, 3400, 3500)]
    assert run(rule, [ends, *late], state)[0] == []


def test_a_suspension_that_begins_during_a_dwell_ends_it():
    rule = rule_of(HOME)
    _, state = run(rule, walk(0, 800))
    state, effects = rule.suspend(state, until("10:00"), START + timedelta(seconds=12))
    assert ClearTimer(name="dwell:home") in effects
    due = TimerDue(name="dwell:home", due_at=START + timedelta(seconds=20))
    assert run(rule, [due], state)[0] == []


def test_a_suspension_of_one_fence_leaves_the_others_alone():
    rule = rule_of(HOME, fence(fence="estate", name="苑"))
    state, _ = rule.suspend(rule.initial(), until("10:00", fence="home"), START)
    step = rule.step(state, frame(0, north(800, 0)), START)[0]
    _, effects = rule.step(step, frame(20, north(800, 20)), START)
    assert [e.alarm.why.place for e in effects if isinstance(e, RaiseAlarm)] == ["苑"]


def test_resumed_by_hand_the_next_fix_judges():
    rule = rule_of(HOME)
    state, _ = rule.suspend(rule.initial(), until("12:00"), START)
    _, state = run(rule, walk(0, 800), state)
    state, effects = rule.resume(state, "", START + timedelta(seconds=15))
    assert effects == (ClearTimer(name="resume:"),)
    told, _ = run(rule, walk(800, 800, first_s=20), state)
    assert told == [("fence_exit", 30.0)]


def test_the_last_order_for_the_same_fence_holds_and_its_timer_with_it():
    rule = rule_of(HOME)
    state, _ = rule.suspend(rule.initial(), until("10:00"), START)
    state, _ = rule.suspend(state, until("11:00"), START)
    old = TimerDue(name="resume:", due_at=START + timedelta(hours=1))
    _, state = run(rule, [old], state)
    assert [one.until for one in state.suspensions] == [START + timedelta(hours=2)]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (until("08:59"), "lies in the future"),
        (until("10:00", fence="gone"), "there is no fence gone; known: home"),
        (until("10:00", by=""), "needs the name"),
        (until("10:00", until=START + timedelta(days=8)), "at most 7 days"),
    ],
)
def test_a_suspension_that_cannot_be_is_refused_in_words(order, words):
    rule = rule_of(HOME)
    with pytest.raises(ValueError, match=words):
        rule.suspend(rule.initial(), order, START)


def test_resuming_what_is_not_suspended_is_refused_in_words():
    rule = rule_of(HOME)
    with pytest.raises(ValueError, match="nothing of this wearer's is suspended"):
        rule.resume(rule.initial(), "home", START)
    state, _ = rule.suspend(rule.initial(), until("10:00"), START)
    with pytest.raises(ValueError, match="resume them together"):
        rule.resume(state, "home", START)


# ------------------------------------------------------------------ states of before


def test_a_state_of_an_older_gateway_is_read_and_goes_on():
    old = (
        b'{"tracks":{"home":{"place":"leaving","since":"2026-03-02T01:00:00Z",'
        b'"last_at":"2026-03-02T01:00:00Z","due_at":"2026-03-02T01:00:10Z"}},'
        b'"sightings":{"home":{"lat":31.1571,"lon":121.1046,"distance_m":104.0}}}'
    )
    state = msgspec.json.decode(old, type=FenceState)
    due = TimerDue(name="dwell:home", due_at=START + timedelta(seconds=10))
    told, state = run(rule_of(HOME), [due], state)
    assert told == [("fence_exit", 10.0)]
    assert msgspec.json.decode(msgspec.json.encode(state), type=FenceState) == state


def test_steps_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="metres that rise"):
        rule_of(fence(escalate_m=(1000, 300)))
