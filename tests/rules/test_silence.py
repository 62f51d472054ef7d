"""The silence rule: one alarm a silence, few writes, and no flood after the gateway's own sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.effects import RaiseAlarm, SetTimer
from gateway.model import Envelope, Uplink, WearerView
from gateway.rules.base import FIRST_AWAITED, TimerDue
from gateway.rules.silence import RULE

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
RULE_OF_XU = RULE(WearerView(wearer="xu", name="徐文彬"), RULE.Settings(silent_after_s=1800))


def frame(second, *, backlog=False):
    uplink = Uplink(device="band", readings=(), raw=b"", backlog=backlog)
    heard_at = START + timedelta(seconds=second)
    return Envelope(uplink=uplink, wire="test", device="band", wearer="xu", received_at=heard_at)


def live(seconds, until_s):
    """Play frames at these seconds, with a timer service; gives the alarms and the count of writes."""
    state, timer, writes, found = RULE_OF_XU.initial(), None, 0, []
    moments = [*sorted(seconds), None]
    for second in moments:
        moment = START + timedelta(seconds=until_s if second is None else second)
        while timer is not None and timer <= moment:
            due = TimerDue(name="silent", due_at=timer)
            timer = None
            state, effects = RULE_OF_XU.step(state, due, due.due_at)
            timer, found = absorb(effects, timer, found)
        if second is not None:
            after, effects = RULE_OF_XU.step(state, frame(second), moment)
            writes += after is not state
            state = after
            timer, found = absorb(effects, timer, found)
    return found, writes


def absorb(effects, timer, found):
    for effect in effects:
        if isinstance(effect, SetTimer):
            timer = effect.due_at
        if isinstance(effect, RaiseAlarm):
            found = [*found, effect.alarm]
    return timer, found


def test_silence_is_raised_once_and_again_after_the_next_frame():
    found, _ = live([0, 60, 9000], 90_000)
    assert [alarm.at for alarm in found] == [
        START + timedelta(seconds=1980),
        START + timedelta(seconds=9000 + 1980),
    ]
    assert {(a.kind, a.severity, a.why.code, a.why.limit) for a in found} == {
        ("silence", "warning", "silent", 1800)
    }
    assert len({a.alarm_id for a in found}) == 2


def test_a_band_that_talks_costs_one_write_a_tenth_of_the_wait():
    found, writes = live(range(0, 36_000, 30), 36_000)
    assert found == []
    assert writes == 36_000 / 180


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=30))
def test_an_alarm_comes_for_every_long_gap_and_for_no_short_one(seconds):
    heard = sorted(set(seconds))
    found, _ = live(heard, heard[-1] + 10_000)
    gaps = [b - a for a, b in zip(heard, [*heard[1:], heard[-1] + 10_000], strict=True)]
    assert sum(gap > 1980 for gap in gaps) <= len(found) <= sum(gap >= 1800 for gap in gaps)
    for alarm in found:
        last = max(s for s in heard if START + timedelta(seconds=s) < alarm.at)
        assert 1800 <= (alarm.at - START).total_seconds() - last <= 1980


def test_stored_frames_are_a_sign_of_life_too():
    state, _ = RULE_OF_XU.step(RULE_OF_XU.initial(), frame(0, backlog=True), START)
    assert state.heard_at == START


def test_after_the_gateway_slept_every_wearer_gets_a_whole_new_wait():
    state, (timer,) = RULE_OF_XU.step(RULE_OF_XU.initial(), frame(0), START)
    woke = timer.due_at + timedelta(hours=2)
    state, effects = RULE_OF_XU.step(state, TimerDue(name="silent", due_at=timer.due_at), woke)
    assert effects == (SetTimer(name="silent", due_at=woke + timedelta(seconds=1980)),)
    state, (raised,) = RULE_OF_XU.step(state, TimerDue(name="silent", due_at=state.due_at), state.due_at)
    assert isinstance(raised, RaiseAlarm)


def test_a_timer_that_was_moved_or_belongs_to_nothing_is_ignored():
    state, (timer,) = RULE_OF_XU.step(RULE_OF_XU.initial(), frame(0), START)
    state, _ = RULE_OF_XU.step(state, frame(200), START)
    for name, due_at in (("silent", timer.due_at), ("other", state.due_at)):
        assert RULE_OF_XU.step(state, TimerDue(name=name, due_at=due_at), due_at) == (state, ())
    fresh = RULE_OF_XU.initial()
    assert RULE_OF_XU.step(fresh, TimerDue(name="silent", due_at=START), START) == (fresh, ())


def test_our_clock_set_back_waits_from_now_on_and_not_from_the_wrong_time():
    state, _ = RULE_OF_XU.step(RULE_OF_XU.initial(), frame(86_400 * 365), START)
    state, effects = RULE_OF_XU.step(state, frame(0), START)
    assert effects == (SetTimer(name="silent", due_at=START + timedelta(seconds=1980)),)


def test_a_wearer_never_heard_of_is_waited_for_a_day_and_the_first_frame_ends_it():
    first = TimerDue(name=FIRST_AWAITED, due_at=START)
    state, effects = RULE_OF_XU.step(RULE_OF_XU.initial(), first, START)
    assert effects == (SetTimer(name="silent", due_at=START + timedelta(days=1)),)
    assert RULE_OF_XU.step(state, first, START) == (state, ())
    told, (raised,) = RULE_OF_XU.step(state, TimerDue(name="silent", due_at=state.due_at), state.due_at)
    assert (raised.alarm.why.code, raised.alarm.severity, raised.alarm.why.value) == (
        "never_heard",
        "notice",
        86_400,
    )
    assert told != RULE_OF_XU.initial()
    heard, (timer,) = RULE_OF_XU.step(state, frame(60), START)
    assert heard.heard_at == START + timedelta(seconds=60)
    assert timer.due_at == heard.due_at


def test_the_state_of_an_older_gateway_is_read():
    old = msgspec.json.decode(b'{"heard_at": "2026-03-01T09:00:00Z", "due_at": null}', type=RULE.State)
    assert old.heard_at == START
