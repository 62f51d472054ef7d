"""Which frames are one press, and that no press is ever lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.effects import CancelAlarm
from gateway.model import BAND_ALARM_ORDER, BandAlarm, Battery, Envelope, Fix, Uplink, WearerView
from gateway.rules.sos import MEANING, REMEMBERED_PRESSES, RULE

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
CHEN = WearerView(wearer="chen", name="陈秀英")
RULE_OF_CHEN = RULE(CHEN, RULE.Settings())


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def frame(second, *readings, backlog=False, raw=b"SOS", device="band") -> Envelope:
    uplink = Uplink(device=device, readings=readings, raw=raw, backlog=backlog)
    return Envelope(uplink=uplink, wire="test", device=device, wearer="chen", received_at=at(second))


def sos(*, press: str | None = None, second: float | None = None) -> BandAlarm:
    return BandAlarm(alarm="sos", press_id=press, at=None if second is None else at(second))


def run(events, state=None):
    state = RULE_OF_CHEN.initial() if state is None else state
    raised = []
    for event in events:
        state, effects = RULE_OF_CHEN.step(state, event, event.received_at)
        raised += [effect.alarm for effect in effects]
    return state, raised


def ids(events) -> list[str]:
    return [alarm.alarm_id for alarm in run(events)[1]]


def test_a_press_raises_a_critical_sos_where_the_frame_says():
    fix = Fix(lat=31.1, lon=121.1, valid=True)
    _, (alarm,) = run([frame(2, fix, sos(press="7", second=0))])
    assert (alarm.kind, alarm.severity, alarm.why.code, alarm.late) == (
        "sos",
        "critical",
        "sos_pressed",
        False,
    )
    assert (alarm.lat, alarm.lon, alarm.at, alarm.wearer) == (31.1, 121.1, START, "chen")


def test_without_a_position_the_last_known_valid_one_is_given():
    _, (alarm,) = run(
        [
            frame(0, Fix(lat=31.1, lon=121.1, valid=True)),
            frame(5, Fix(lat=31.2, lon=121.2, valid=False)),
            frame(6, Fix(lat=31.3, lon=121.3, valid=True, at=at(-5)), backlog=True),
            frame(9, Fix(lat=0, lon=0, valid=True), sos()),
        ]
    )
    assert (alarm.lat, alarm.lon) == (31.1, 121.1)
    assert (run([frame(9, sos())])[1][0].lat) is None


def test_the_same_press_number_is_one_press_and_another_is_another():
    first, again, other = ids(
        [frame(0, sos(press="1")), frame(90, sos(press="1")), frame(91, sos(press="2"))]
    )
    assert first == again != other


def test_a_band_that_counts_from_one_again_is_not_ignored():
    assert len(set(ids([frame(0, sos(press="1")), frame(601, sos(press="1"))]))) == 2
    same = [frame(0, sos(press="1", second=0)), frame(9000, sos(press="1", second=0))]
    assert len(set(ids(same))) == 1


def test_the_same_device_time_is_one_press_and_another_is_another():
    events = [frame(1, sos(second=0)), frame(30, sos(second=0)), frame(31, sos(second=29))]
    first, again, other = ids(events)
    assert first == again != other


def test_a_clock_that_stands_still_does_not_hide_a_second_press():
    events = [frame(1, sos(second=0)), frame(3000, sos(second=0)), frame(3001, sos(second=0))]
    first, second, repeat = ids(events)
    assert first != second == repeat


def test_a_press_sent_until_it_is_acknowledged_stays_one_press():
    assert len(set(ids([frame(30 * k, sos(second=0)) for k in range(200)]))) == 1


def test_a_stored_frame_of_a_known_press_is_that_press_however_late():
    first, late = ids([frame(1, sos(second=0)), frame(90_000, sos(second=0), backlog=True)])
    assert first == late


@pytest.mark.parametrize("never_set", [datetime(1980, 1, 6, tzinfo=UTC), START + timedelta(days=1)])
def test_a_clock_that_was_never_set_is_no_identity(never_set):
    press = BandAlarm(alarm="sos", at=never_set)
    events = [frame(0, press), frame(20, press), frame(45, press)]
    raised = run(events)[1]
    first, repeat, second = (alarm.alarm_id for alarm in raised)
    assert first == repeat != second
    assert [alarm.at for alarm in raised] == [START, START, at(45)]
    assert not any(alarm.late for alarm in raised)


def test_with_neither_only_the_same_bytes_within_half_a_minute_are_the_same():
    events = [
        frame(0, sos()),
        frame(30, sos()),
        frame(31, sos()),
        frame(32, sos(), raw=b"other"),
        frame(33, sos(), device="second"),
    ]
    first, repeat, later, other, second = ids(events)
    assert first == repeat
    assert len({first, later, other, second}) == 4


def test_a_late_press_is_raised_and_marked_late():
    _, (stored,) = run([frame(0, sos(), backlog=True)])
    _, (old,) = run([frame(601, sos(second=0))])
    _, (fresh,) = run([frame(600, sos(second=0))])
    assert (stored.late, old.late, fresh.late) == (True, True, False)
    assert old.at == START


@pytest.mark.parametrize(
    ("alarm", "kind", "severity"),
    [
        ("fall", "fall", "critical"),
        ("removed", "removed", "warning"),
        ("low_battery", "low_battery", "notice"),
        ("geofence_exit", "band", "warning"),
        ("geofence_enter", "band", "warning"),
        ("power_cut", "band", "warning"),
        ("general", "band", "warning"),
        ("other", "band", "warning"),
    ],
)
def test_the_other_band_alarms_have_their_kind_and_not_from_the_store(alarm, kind, severity):
    reading = BandAlarm(alarm=alarm, at=START)
    _, (raised,) = run([frame(0, reading)])
    assert (raised.kind, raised.severity) == (kind, severity)
    assert run([frame(0, reading, backlog=True)])[1] == []
    if alarm not in {"fall", "general"}:
        assert run([frame(601, reading)])[1] == []


def test_a_fall_heard_live_is_raised_late_under_a_clock_that_is_hours_slow():
    fall = BandAlarm(alarm="fall", at=START)
    _, (first, again) = run([frame(28_800, fall), frame(28_830, fall)])
    assert (first.kind, first.late) == ("fall", True)
    assert first.alarm_id == again.alarm_id


def test_an_alarm_nobody_can_name_may_be_an_sos_and_is_raised_under_a_slow_clock_too():
    _, (raised,) = run([frame(28_800, BandAlarm(alarm="general", at=START))])
    assert (raised.why.code, raised.late) == ("band_general", True)


def test_a_press_under_a_clock_that_stands_still_is_new_even_when_the_first_is_forgotten():
    others = [frame(1000 * k, sos(press=str(k))) for k in range(1, REMEMBERED_PRESSES + 2)]
    still = [frame(1, sos(second=0)), *others, frame(90_000, sos(second=0))]
    found = ids(still)
    assert len(set(found)) == len(found)


def test_every_band_alarm_has_a_meaning_of_its_own():
    assert set(MEANING) | {"cancel"} == set(BAND_ALARM_ORDER)
    assert len({code for _, _, code in MEANING.values()}) == len(MEANING)


def test_all_alarms_of_a_frame_are_raised():
    readings = tuple(BandAlarm(alarm=alarm) for alarm in ("sos", "fall", "low_battery"))
    assert [a.kind for a in run([frame(0, *readings)])[1]] == ["sos", "fall", "low_battery"]
    assert len(set(ids([frame(0, *readings)]))) == 3


def test_a_latched_band_alarm_is_raised_once_an_hour_and_a_press_every_time():
    latched = BandAlarm(alarm="low_battery")
    kinds = [a.kind for a in run([frame(600 * k, latched, sos()) for k in range(7)])[1]]
    assert kinds.count("low_battery") == 2
    assert kinds.count("sos") == 7


def test_a_wearer_who_sits_still_keeps_the_same_state():
    state, _ = run([frame(0, Fix(lat=31.1, lon=121.1, valid=True))])
    quiet = [
        frame(k, Fix(lat=31.10001, lon=121.1, valid=True), Battery(battery_pct=5)) for k in range(1, 500)
    ]
    assert run(quiet, state)[0] is state


presses = st.lists(
    st.tuples(
        st.sampled_from([None, "1", "2"]),
        st.one_of(st.none(), st.integers(-2000, 5000)),
        st.integers(0, 400),
        st.booleans(),
        st.sampled_from([b"a", b"b"]),
    ),
    max_size=15,
)


@given(presses)
def test_no_press_is_lost_and_a_replay_is_the_same_presses(drawn):
    second, events = 0, []
    for press, pressed, gap, backlog, raw in drawn:
        second += gap
        events.append(frame(second, sos(press=press, second=pressed), backlog=backlog, raw=raw))
    state, raised = run(events)
    assert len(raised) == len(events)
    assert len(state.presses) <= REMEMBERED_PRESSES
    assert run(events) == (state, raised)


def test_a_repeat_that_tells_nothing_new_is_raised_again_and_keeps_the_state():
    state, first = run([frame(0, sos(press="1"))])
    after, again = run([frame(0, sos(press="1"))], state)
    assert after is state
    assert again == first


def test_only_the_last_presses_are_remembered():
    state, raised = run([frame(20 * k, sos(press=str(k))) for k in range(3 * REMEMBERED_PRESSES)])
    assert len(state.presses) == REMEMBERED_PRESSES
    assert state.presses[-1].alarm_id == raised[-1].alarm_id


def test_an_older_position_never_replaces_a_newer_one():
    new = Fix(lat=31.1, lon=121.1, valid=True, at=at(100))
    old = Fix(lat=31.2, lon=121.2, valid=True, at=at(50))
    _, (alarm,) = run([frame(100, new), frame(101, old), frame(102, sos())])
    assert (alarm.lat, alarm.lon) == (31.1, 121.1)


def test_our_clock_set_back_silences_no_alarm_and_keeps_no_old_position():
    there, here = Fix(lat=31.1, lon=121.1, valid=True), Fix(lat=31.2, lon=121.2, valid=True)
    ahead = 86_400 * 365
    _, raised = run(
        [
            frame(ahead, there, BandAlarm(alarm="removed")),
            frame(0, here, BandAlarm(alarm="removed")),
            frame(60, sos()),
        ]
    )
    assert [alarm.kind for alarm in raised] == ["removed", "removed", "sos"]
    assert (raised[2].lat, raised[2].lon) == (31.2, 121.2)


def test_a_long_press_asks_to_cancel_and_raises_nothing():
    cancel = BandAlarm(alarm="cancel", at=at(3))
    _, effects = RULE_OF_CHEN.step(RULE_OF_CHEN.initial(), frame(4, cancel), at(4))
    assert effects == (CancelAlarm(at=at(3)),)
