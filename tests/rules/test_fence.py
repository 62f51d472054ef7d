"""The fence rule over envelopes and timers: what it raises, and what it must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.effects import ClearTimer, RaiseAlarm, SetTimer
from gateway.model import Envelope, FenceView, Fix, Uplink, WearerView
from gateway.rules.base import TimerDue
from gateway.rules.fence import RULE, shape_of

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LAT, LON = 31.15535, 121.10460
M = 1 / 110_860
"""A metre to the north, in degrees of latitude at 31 degrees north."""

HOME = FenceView(fence="home", name="5栋与中心花园", centre=(LAT, LON), radius_m=90)
ESTATE = FenceView(
    fence="estate",
    name="新河苑",
    polygon=((31.1536, 121.1029), (31.1536, 121.1072), (31.1568, 121.1072), (31.1568, 121.1029)),
    exit_margin_m=50,
)
WANG = WearerView(wearer="wang", name="王德顺", fences=(HOME, ESTATE))
RULE_OF_WANG = RULE(WANG, RULE.Settings())


def frame(second: float, *fixes: Fix, backlog: bool = False, heard: float | None = None) -> Envelope:
    uplink = Uplink(device="band", readings=fixes, raw=b"", backlog=backlog)
    heard_at = START + timedelta(seconds=second if heard is None else heard)
    return Envelope(uplink=uplink, wire="test", device="band", wearer="wang", received_at=heard_at)


def north(metres: float, second: float | None = None, **extra) -> Fix:
    at = None if second is None else START + timedelta(seconds=second)
    return Fix(lat=LAT + metres * M, lon=LON, at=at, **{"valid": True, **extra})


def run(events, rule=RULE_OF_WANG, state=None):
    state = rule.initial() if state is None else state
    effects = []
    for event in events:
        now = event.due_at if isinstance(event, TimerDue) else event.received_at
        state, more = rule.step(state, event, now)
        effects += more
    return state, effects


def alarms(effects):
    return [effect.alarm for effect in effects if isinstance(effect, RaiseAlarm)]


def test_leaving_both_fences_raises_each_once_with_its_own_margin():
    walked = [frame(10 * k, north(25 * k, 10 * k)) for k in range(20)]
    home, estate = alarms(run(walked)[1])
    assert (home.kind, home.severity, home.why.code, home.why.place) == (
        "fence",
        "critical",
        "fence_exit",
        "5栋与中心花园",
    )
    assert (home.why.limit, home.why.unit) == (20, "m")
    assert home.why.value == pytest.approx(150 - 90, abs=1)
    assert home.lat == pytest.approx(LAT + 150 * M)
    assert home.at == START + timedelta(seconds=60)
    assert home.alarm_id == f"fence.wang.home.{int(START.timestamp() * 1000) + 50_000}"
    assert (estate.why.place, estate.why.limit) == ("新河苑", 50)


def test_leaving_sets_a_timer_and_coming_back_clears_it():
    _, effects = run([frame(0, north(0, 0)), frame(5, north(150, 5)), frame(10, north(0, 10))])
    assert effects == [
        SetTimer(name="dwell:home", due_at=START + timedelta(seconds=15)),
        ClearTimer(name="dwell:home"),
    ]


def test_the_timer_raises_when_no_more_fixes_come_and_says_where_the_wearer_was_seen():
    events = [frame(0, north(0, 0)), frame(5, north(150, 5))]
    due = TimerDue(name="dwell:home", due_at=START + timedelta(seconds=15))
    (alarm,) = alarms(run([*events, due])[1])
    assert alarm.lat == pytest.approx(LAT + 150 * M)
    assert alarm.why.value == pytest.approx(60, abs=1)
    by_fix = [*events, frame(16, north(151, 16))]
    assert alarms(run(by_fix)[1])[0].alarm_id == alarm.alarm_id


def test_far_away_the_distance_told_is_still_exact():
    events = [frame(0, north(3000, 0)), frame(20, north(3000, 20))]
    home, estate = alarms(run(events)[1])
    assert home.why.value == pytest.approx(2910, abs=2)
    assert estate.why.value == pytest.approx(3000 - (31.1568 - LAT) / M, abs=2)


@pytest.mark.parametrize(
    "fix",
    [
        north(500, valid=False),
        north(500, accuracy_m=1001),
        north(500, accuracy_m=600),
        Fix(lat=0, lon=0, valid=True),
        Fix(lat=float("nan"), lon=LON, valid=True),
        Fix(lat=LAT, lon=float("inf"), valid=True),
        Fix(lat=91, lon=LON, valid=True),
    ],
)
def test_a_fix_that_is_no_position_moves_nothing(fix):
    state, _ = run([frame(0, north(0, 0))])
    for second in (10, 30, 50):
        after, effects = RULE_OF_WANG.step(state, frame(second, fix), START)
        assert after is state
        assert effects == ()


def test_backlog_and_old_fixes_move_nothing():
    state, _ = run([frame(0, north(0, 0))])
    late = [frame(k, north(500, k), backlog=True) for k in (10, 30, 50)]
    late += [frame(k, north(500, k), heard=k + 601) for k in (10, 30, 50)]
    after, effects = run(late, state=state)
    assert after is state
    assert effects == []


def test_a_slanted_border_is_judged_by_its_own_distance_and_not_by_its_box():
    corner = FenceView(fence="tri", name="三角", polygon=((31.15, 121.10), (31.15, 121.11), (31.16, 121.10)))
    rule = RULE(msgspec.structs.replace(WANG, fences=(corner,)), RULE.Settings(exit_margin_m=100, dwell_s=0))
    beside = [frame(0, Fix(lat=31.1580, lon=121.11003, valid=True, at=START))]
    (alarm,) = alarms(run(beside, rule)[1])
    assert alarm.why.value == pytest.approx(579.0, abs=10)
    far = [frame(0, Fix(lat=31.1599, lon=121.1250, valid=True, at=START))]
    (alarm,) = alarms(run(far, rule)[1])
    assert alarm.why.value > 1700


def test_a_fix_from_the_future_counts_as_now():
    ahead = [frame(k, north(500, k + 3600)) for k in (0, 20)]
    (home, _) = alarms(run(ahead)[1])
    assert home.at == START + timedelta(seconds=20)


def test_a_fence_that_is_no_shape_is_refused_when_the_rule_is_built():
    bad = msgspec.structs.replace(WANG, fences=(FenceView(fence="x", name="x"),))
    with pytest.raises(ValueError, match="a polygon, a centre and a radius_m"):
        RULE(bad, RULE.Settings())
    both = msgspec.structs.replace(HOME, polygon=ESTATE.polygon)
    with pytest.raises(ValueError, match="not both"):
        shape_of(both)


metres = st.floats(-400, 400)


@given(st.lists(st.tuples(metres, st.booleans(), st.booleans()), max_size=25))
def test_a_replay_on_top_of_what_it_left_raises_no_new_alarm(moves):
    events = [
        frame(5 * k, north(m, 5 * k, valid=valid), backlog=backlog)
        for k, (m, valid, backlog) in enumerate(moves)
    ]
    state, first = run(events)
    again, second = run(events)
    assert (state, first) == (again, second)
    _, on_top = run(events, state=state)
    assert {a.alarm_id for a in alarms(on_top)} <= {a.alarm_id for a in alarms(first)}


@given(st.lists(metres, max_size=25))
def test_every_frame_twice_is_as_every_frame_once(moves):
    once = [frame(5 * k, north(m, 5 * k)) for k, m in enumerate(moves)]
    twice = [event for event in once for _ in range(2)]
    assert run(twice) == run(once)


def test_our_clock_set_back_blinds_no_fence():
    ahead = 86_400 * 365
    state, effects = run([frame(ahead, north(0)), frame(ahead + 60, north(0))])
    assert alarms(effects) == []
    _, effects = run([frame(10 * k, north(900)) for k in range(60)], state=state)
    assert len(alarms(effects)) == 2
