"""States made under other settings are carried over: timers move, what rests on an old border is dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from gateway import plugins
from gateway.effects import ClearTimer, RaiseAlarm, SetTimer
from gateway.model import Battery, Envelope, FenceSuspension, FenceView, Fix, Steps, Uplink, WearerView, Worn
from gateway.rules.base import FIRST_AWAITED, Adopts, TimerDue
from gateway.rules.fence import FenceRule
from gateway.rules.inactivity import InactivityRule
from gateway.rules.removed import RemovedRule
from gateway.rules.silence import SilenceRule

START = datetime(2026, 3, 1, 2, tzinfo=UTC)  # 10:00 in China
LAT, LON = 31.155, 121.105
M = 1 / 110_860
HOME = FenceView(fence="home", name="家", centre=(LAT, LON), radius_m=100)
PARK = FenceView(fence="park", name="园", centre=(LAT, LON), radius_m=3000)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def frame(second: float, *readings) -> Envelope:
    uplink = Uplink(device="band", readings=readings, raw=b"")
    return Envelope(uplink=uplink, wire="test", device="band", wearer="wang", received_at=after(second))


def north(metres: float, accuracy_m: float | None = 5) -> Fix:
    return Fix(lat=LAT + metres * M, lon=LON, valid=True, accuracy_m=accuracy_m)


def fences(*views: FenceView, **settings) -> FenceRule:
    return FenceRule(WearerView(wearer="wang", name="王", fences=views), FenceRule.Settings(**settings))


def walk(rule, state, *steps):
    """Fixes at seconds; gives the state and the codes of what was raised."""
    codes = []
    for second, metres in steps:
        state, effects = rule.step(state, frame(second, north(metres)), after(second))
        codes += [one.alarm.why.code for one in effects if isinstance(one, RaiseAlarm)]
    return state, codes


def adopted(rule, state=None, second: float = 0):
    return rule.adopt(rule.initial() if state is None else state, after(second))


def test_every_rule_that_adopts_leaves_a_state_of_its_own_alone():
    view = WearerView(wearer="wang", name="王", fences=(HOME, PARK))
    for name, rule_type in plugins.load("rule").items():
        rule = rule_type(view, rule_type.Settings())
        if not isinstance(rule, Adopts):
            assert name not in {"fence", "silence", "removed", "inactivity"}
            continue
        state, _ = rule.adopt(rule.initial(), START)
        for second in range(0, 4000, 500):
            heard = frame(second, north(50), Worn(worn=second < 1000), Steps(steps=second))
            state, _ = rule.step(state, heard, after(second))
            assert rule.adopt(state, after(second)) == (state, ())
            assert rule.adopt(state, after(second))[0] is state, name
            body = msgspec.json.encode(state)
            stored = msgspec.json.decode(body, type=rule.State)
            assert rule.adopt(stored, after(second + 60))[0] == stored, f"{name}: a restart changes nothing"


# ------------------------------------------------------------------ fences


def test_a_state_of_before_fences_had_numbers_is_kept_and_numbered():
    rule = fences(HOME)
    state, _ = walk(rule, rule.initial(), (0, 20))
    numbered, effects = rule.adopt(state, after(1))
    assert (numbered.tracks, effects) == (state.tracks, ())
    assert set(numbered.drawn) == {"home"}


def test_the_number_of_a_fence_survives_fixes_timers_and_suspensions():
    rule = fences(HOME)
    state, _ = adopted(rule)
    drawn = state.drawn
    state, _ = walk(rule, state, (0, 0), (10, 300), (20, 300), (40, 0), (80, 0))
    order = FenceSuspension(until=after(900), by="x", given_at=after(90))
    state, _ = rule.suspend(state, order, after(90))
    state, _ = rule.resume(state, "", after(100))
    state, _ = rule.step(state, TimerDue(name="dwell:home", due_at=after(100)), after(100))
    assert state.drawn == drawn != {}


def test_a_fence_that_is_gone_takes_its_track_its_suspension_and_its_timers():
    old = fences(HOME, PARK)
    state, _ = walk(old, adopted(old)[0], (0, 0), (10, 300))
    assert state.tracks["home"].place == "leaving"
    order = FenceSuspension(fence="home", until=after(900), by="x", given_at=after(20))
    suspended, _ = old.suspend(state, order, after(20))
    new = fences(PARK)
    state, effects = new.adopt(state, after(30))
    assert (set(state.tracks), set(state.sightings), set(state.drawn)) == ({"park"}, set(), {"park"})
    assert effects == (ClearTimer(name="dwell:home"),)
    state, effects = new.adopt(suspended, after(30))
    assert (state.suspensions, effects) == ((), (ClearTimer(name="resume:home"),))


def test_a_suspension_of_all_fences_outlives_each_of_them():
    rule = fences(HOME)
    order = FenceSuspension(until=after(900), by="x", given_at=START)
    state, _ = rule.suspend(adopted(rule)[0], order, START)
    state, _ = fences(PARK).adopt(state, after(1))
    assert state.suspensions == (order,)


@pytest.mark.parametrize(
    "changes",
    [{"radius_m": 50}, {"dwell_s": 40}, {"exit_margin_m": 55}, {"keep": "out"}, {"escalate_m": (900.0,)}],
)
def test_inside_stays_inside_whatever_is_changed_and_the_next_fix_judges(changes):
    rule = fences(HOME)
    state, _ = walk(rule, adopted(rule)[0], (0, 60), (70, 60))
    new, effects = fences(msgspec.structs.replace(HOME, **changes)).adopt(state, after(80))
    assert (new.tracks, effects) == (state.tracks, ())
    assert new.drawn != state.drawn


def test_a_wearer_inside_the_old_border_alarms_at_the_next_fix_past_the_new_one():
    rule = fences(HOME, dwell_s=0)
    state, codes = walk(rule, adopted(rule)[0], (0, 80))
    closer = fences(msgspec.structs.replace(HOME, radius_m=30), dwell_s=0)
    state, _ = closer.adopt(state, after(5))
    state, codes = walk(closer, state, (10, 80))
    assert codes == ["fence_exit"]


def test_who_was_leaving_and_is_within_the_new_border_is_not_raised():
    rule = fences(HOME, dwell_s=60)
    state, _ = walk(rule, adopted(rule)[0], (0, 0), (10, 300))
    assert state.tracks["home"].place == "leaving"
    wider = fences(msgspec.structs.replace(HOME, radius_m=500), dwell_s=60)
    state, effects = wider.adopt(state, after(20))
    assert (state.tracks["home"].place, state.sightings) == ("unknown", {})
    assert effects == (ClearTimer(name="dwell:home"),)
    state, effects = wider.step(state, TimerDue(name="dwell:home", due_at=after(70)), after(70))
    assert effects == ()
    state, codes = walk(wider, state, (80, 300))
    assert (state.tracks["home"].place, codes) == ("inside", [])


def test_who_was_leaving_and_is_past_the_new_border_too_has_a_whole_new_dwell():
    """The band may fall silent outside: the durable timer goes on, for the new border's own dwell."""
    rule = fences(HOME, dwell_s=60)
    state, _ = walk(rule, adopted(rule)[0], (0, 0), (10, 300), (50, 310))
    wider = fences(msgspec.structs.replace(HOME, radius_m=200), dwell_s=60)
    state, effects = wider.adopt(state, after(60))
    assert effects == (SetTimer(name="dwell:home", due_at=after(120)),)
    assert state.tracks["home"].place == "leaving"
    old_timer = wider.step(state, TimerDue(name="dwell:home", due_at=after(70)), after(70))
    assert old_timer == (state, ())
    state, effects = wider.step(state, TimerDue(name="dwell:home", due_at=after(120)), after(120))
    (raised,) = [one.alarm for one in effects if isinstance(one, RaiseAlarm)]
    assert raised.why.value == pytest.approx(110, abs=1), "metres past the new border"


def test_a_last_fix_without_an_accuracy_is_evidence_of_nothing_at_a_new_border():
    rule = fences(HOME, dwell_s=60)
    state = adopted(rule)[0]
    for second, metres in ((0, 0), (10, 300)):
        state, _ = rule.step(state, frame(second, north(metres, None)), after(second))
    assert state.tracks["home"].place == "leaving"
    state, _ = fences(msgspec.structs.replace(HOME, radius_m=90), dwell_s=60).adopt(state, after(20))
    assert state.tracks["home"].place == "unknown"


def test_a_fix_of_before_the_change_that_comes_again_moves_nothing():
    rule = fences(HOME, dwell_s=60)
    state, _ = walk(rule, adopted(rule)[0], (0, 0), (10, 300))
    wider = fences(msgspec.structs.replace(HOME, radius_m=500), dwell_s=60)
    state, _ = wider.adopt(state, after(20))
    assert walk(wider, state, (10, 900)) == (state, [])


def test_who_was_returning_is_outside_again_and_the_exit_stands():
    rule = fences(HOME)
    state, codes = walk(rule, adopted(rule)[0], (0, 0), (10, 300), (30, 300), (40, 0))
    assert (state.tracks["home"].place, codes) == ("returning", ["fence_exit"])
    closer = fences(msgspec.structs.replace(HOME, radius_m=60))
    state, effects = closer.adopt(state, after(45))
    assert (state.tracks["home"].place, effects) == ("outside", (ClearTimer(name="dwell:home"),))
    state, codes = walk(closer, state, (50, 0), (90, 0))
    assert codes == ["fence_return"]


def test_a_name_or_hours_alone_leave_a_dwell_running():
    rule = fences(HOME, dwell_s=60)
    state, _ = walk(rule, adopted(rule)[0], (0, 0), (10, 300))
    renamed = msgspec.structs.replace(HOME, name="家门口", schedule=("daily 00:00-23:59",))
    assert fences(renamed, dwell_s=60).adopt(state, after(20)) == (state, ())


def test_the_communitys_own_margin_counts_as_a_change_of_the_border():
    rule = fences(HOME, dwell_s=60)
    state, _ = walk(rule, adopted(rule)[0], (0, 0), (10, 140))
    assert state.tracks["home"].place == "leaving"
    state, _ = fences(HOME, dwell_s=60, exit_margin_m=200).adopt(state, after(20))
    assert state.tracks["home"].place == "unknown"


def test_thresholds_passed_are_no_more_than_there_are():
    far = msgspec.structs.replace(HOME, escalate_m=(100.0, 200.0))
    rule = fences(far, dwell_s=0)
    state, _ = walk(rule, adopted(rule)[0], (0, 0), (10, 400), (20, 420))
    assert state.tracks["home"].steps == 2
    one = fences(msgspec.structs.replace(HOME, escalate_m=(250.0,)), dwell_s=0)
    state, _ = one.adopt(state, after(30))
    assert state.tracks["home"].steps == 1


def stepped(*steps, **changes):
    return fences(msgspec.structs.replace(HOME, escalate_m=steps, **changes), dwell_s=0)


def test_a_step_that_was_moved_away_is_told_by_whoever_comes_past_it_there():
    state, codes = walk(stepped(100, 900), adopted(stepped(100, 900))[0], (0, 0), (10, 150), (20, 250))
    assert codes == ["fence_exit", "fence_farther"]
    farther = stepped(500, 900)
    state, _ = farther.adopt(state, after(30))
    _, codes = walk(farther, state, (40, 260), (50, 750))
    assert codes == ["fence_farther"]


def test_a_step_that_stays_is_not_told_again_when_the_margin_changes():
    state, _ = walk(stepped(100, 900), adopted(stepped(100, 900))[0], (0, 0), (10, 150), (20, 250))
    wider = stepped(100, 900, exit_margin_m=40)
    state, _ = wider.adopt(state, after(30))
    _, codes = walk(wider, state, (40, 260), (50, 1200))
    assert codes == ["fence_farther"], "of 900 m alone"


# ------------------------------------------------------------------ silence


def silence(**settings) -> SilenceRule:
    return SilenceRule(WearerView(wearer="wang", name="王"), SilenceRule.Settings(**settings))


def heard(rule, second: float = 0):
    return rule.step(rule.initial(), frame(second), after(second))[0]


def test_a_longer_silence_is_waited_for_from_the_last_frame():
    state = heard(silence(silent_after_s=600))
    state, effects = silence(silent_after_s=3600).adopt(state, after(300))
    assert effects == (SetTimer(name="silent", due_at=after(3960)),)
    assert state.due_at == after(3960)


def test_a_shorter_silence_ends_a_whole_wait_from_now_at_the_latest():
    state = heard(silence(silent_after_s=36_000))
    rule = silence(silent_after_s=600)
    state, effects = rule.adopt(state, after(7200))
    assert effects == (SetTimer(name="silent", due_at=after(7860)),)
    assert rule.adopt(state, after(7500)) == (state, ()), "and is not put off by another change"
    _, effects = rule.step(state, TimerDue(name="silent", due_at=after(7860)), after(7860))
    assert [type(one) for one in effects] == [RaiseAlarm]


def test_a_wait_begun_anew_because_the_gateway_was_down_is_not_cut_short_by_a_restart():
    rule = silence(silent_after_s=600)
    state = heard(rule)
    state, _ = rule.step(state, TimerDue(name="silent", due_at=after(660)), after(9000))
    assert state.due_at == after(9660)
    assert rule.adopt(state, after(9100)) == (state, ())


def test_a_first_frame_is_waited_for_as_long_as_it_says_now():
    rule = silence(never_heard_after_s=600)
    state, _ = rule.step(rule.initial(), TimerDue(name=FIRST_AWAITED, due_at=START), START)
    assert silence(never_heard_after_s=900).adopt(state, after(60))[1] == (
        SetTimer(name="silent", due_at=after(900)),
    )
    assert silence(never_heard_after_s=30).adopt(state, after(60))[1] == (
        SetTimer(name="silent", due_at=after(60)),
    )
    state, effects = silence(never_heard_after_s=0).adopt(state, after(60))
    assert (state, effects) == (rule.initial(), (ClearTimer(name="silent"),))


# ------------------------------------------------------------------ removed


def removed(**settings) -> RemovedRule:
    return RemovedRule(WearerView(wearer="wang", name="王"), RemovedRule.Settings(**settings))


def taken_off(rule):
    state, (timer,) = rule.step(rule.initial(), frame(0, Worn(worn=False)), START)
    assert isinstance(timer, SetTimer)
    return state


def test_a_longer_time_off_the_wrist_moves_the_timer_and_none_clears_it():
    state = taken_off(removed(off_wrist_after_s=600))
    assert removed(off_wrist_after_s=3600).adopt(state, after(60))[1] == (
        SetTimer(name="off_wrist", due_at=after(3600)),
    )
    state, effects = removed(off_wrist_after_s=0).adopt(state, after(60))
    assert (state.off_at, effects) == (None, (ClearTimer(name="off_wrist"),))


def test_a_shorter_time_that_has_passed_gets_a_second_look_first():
    state = taken_off(removed(off_wrist_after_s=7200))
    rule = removed(off_wrist_after_s=600)
    state, effects = rule.adopt(state, after(3600))
    assert effects == (SetTimer(name="off_wrist", due_at=after(4200)),)
    assert rule.adopt(state, after(3700)) == (state, ())
    _, effects = rule.step(state, TimerDue(name="off_wrist", due_at=after(4200)), after(4200))
    assert [type(one) for one in effects] == [RaiseAlarm]


def test_a_band_being_charged_keeps_its_longer_time():
    rule = removed(off_wrist_after_s=600, charging_s=7200)
    state = taken_off(rule)
    for second, charge in ((60, 40), (120, 45)):
        state, _ = rule.step(state, frame(second, Battery(battery_pct=charge)), after(second))
    state, _ = rule.step(state, TimerDue(name="off_wrist", due_at=after(600)), after(600))
    assert state.due_at == after(7200)
    assert rule.adopt(state, after(700)) == (state, ())
    assert removed(off_wrist_after_s=600, charging_s=3600).adopt(state, after(700))[1] == (
        SetTimer(name="off_wrist", due_at=after(3600)),
    )


# ------------------------------------------------------------------ inactivity


def inactivity(**settings) -> InactivityRule:
    return InactivityRule(WearerView(wearer="wang", name="王"), InactivityRule.Settings(**settings))


def moved(rule):
    state, _ = rule.adopt(rule.initial(), START)
    return rule.step(state, frame(0, Steps(steps=1)), START)[0]


def test_other_hours_set_the_timers_anew_and_the_same_hours_leave_them():
    old = inactivity(by="11:00", still_after_s=7200)
    state = moved(old)
    assert old.adopt(state, after(60)) == (state, ())
    state, effects = inactivity(by="12:00", still_after_s=3600).adopt(state, after(60))
    assert effects == (
        SetTimer(name="by", due_at=START + timedelta(hours=2)),
        SetTimer(name="still", due_at=after(3600 + 600)),
    )
    _, old_timer = old.step(state, TimerDue(name="by", due_at=START + timedelta(hours=1)), after(3600))
    assert old_timer == ()


def test_switched_off_it_clears_its_timers_and_switched_on_it_waits_for_the_next_hour():
    on = inactivity(by="11:00", still_after_s=7200)
    state, effects = inactivity().adopt(moved(on), after(60))
    assert effects == (ClearTimer(name="by"), ClearTimer(name="still"))
    assert (state.by_due, state.still_due) == (None, None)
    state, effects = on.adopt(state, after(120))
    assert effects[0] == SetTimer(name="by", due_at=START + timedelta(hours=1))


def test_who_has_been_still_for_too_long_by_now_gets_ten_more_minutes_by_day():
    state = moved(inactivity(still_after_s=36_000))
    short = inactivity(still_after_s=3600)
    _, effects = short.adopt(state, after(7200))
    assert effects[1] == SetTimer(name="still", due_at=after(7200 + 600))
    at_night = START + timedelta(hours=13)  # 23:00 in China
    _, effects = short.adopt(state, at_night)
    assert effects[1].due_at.astimezone(UTC).hour == 22, "06:10 in China: five, an hour, ten minutes"


def test_a_wearer_never_heard_of_is_waited_for_by_nobody():
    rule = inactivity(by="11:00", still_after_s=7200)
    state, effects = rule.adopt(rule.initial(), START)
    assert replace(state, timed="") == rule.initial()
    assert all(isinstance(one, ClearTimer) for one in effects)


def china(hour: int, minute: int) -> datetime:
    return (START + timedelta(hours=hour - 10, minutes=minute)).astimezone(UTC)


def test_turned_on_again_nobody_is_still_since_it_was_turned_off():
    on, off = inactivity(still_after_s=3600), inactivity()
    state, _ = off.adopt(moved(on), after(60))
    week = timedelta(days=7)
    state, effects = on.adopt(state, START + week)
    assert effects[1] == SetTimer(name="still", due_at=START + week + timedelta(seconds=3600 + 600))
    state, _ = on.step(state, frame(week.total_seconds() + 30), START + week)
    for name, due_at in (("still", START + week + timedelta(seconds=600)), ("by", START + week)):
        assert on.step(state, TimerDue(name=name, due_at=due_at), due_at)[1] == ()


def test_turned_on_by_a_file_of_before_hours_were_written_nobody_is_still_since_then():
    state = replace(moved(inactivity(still_after_s=3600)), timed="", still_due=None)
    _, effects = inactivity(still_after_s=3600).adopt(state, after(864_000))
    assert effects[1] == SetTimer(name="still", due_at=after(864_000 + 4200))


@pytest.mark.parametrize("timed", ["", "11:00 0.0 05:00 21:00"])
def test_an_hour_of_today_that_passed_unasked_is_asked_soon(timed):
    """The gateway was updated, or the hour made an earlier one, while the question of today was waiting."""
    state = replace(moved(inactivity(by="11:00")), timed=timed, active_at=china(-2, 0), by_due=china(11, 0))
    rule, now = inactivity(by="10:30", still_after_s=3600), china(11, 5)
    state, effects = rule.adopt(state, now)
    assert effects[0] == SetTimer(name="by", due_at=china(11, 35))
    state, _ = rule.step(state, frame(3600 + 1800), china(11, 30))
    _, effects = rule.step(state, TimerDue(name="by", due_at=china(11, 35)), china(11, 35))
    assert [one.alarm.why.code for one in effects if isinstance(one, RaiseAlarm)] == ["not_up"]


def test_an_hour_that_was_asked_today_is_asked_tomorrow():
    asked = replace(moved(inactivity(by="09:00")), by_due=china(24 + 9, 0))
    _, effects = inactivity(by="10:00").adopt(asked, china(11, 0))
    assert effects[0] == SetTimer(name="by", due_at=china(24 + 10, 0))


def test_an_hour_that_passed_unasked_is_not_asked_in_the_next_day():
    unasked = replace(moved(inactivity(by="20:59", day_to="23:59")), by_due=china(23, 50))
    _, effects = inactivity(by="20:00").adopt(unasked, china(23, 40))
    assert effects[0] == SetTimer(name="by", due_at=china(24 + 20, 0))
