"""The vitals rule: what counts, what is sustained, when it raises again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import (
    BloodPressure,
    BodyTemp,
    Envelope,
    Fix,
    HeartRate,
    SpO2,
    Steps,
    Uplink,
    WearerView,
    Worn,
)
from gateway.rules.vitals import RULE

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
CHEN = WearerView(wearer="chen", name="陈秀英")


def rule(**settings):
    return RULE(CHEN, RULE.Settings(**settings))


def frame(second: float, *readings, backlog: bool = False) -> Envelope:
    uplink = Uplink(device="band", readings=readings, raw=b"", backlog=backlog)
    heard_at = START + timedelta(seconds=second)
    return Envelope(uplink=uplink, wire="test", device="band", wearer="chen", received_at=heard_at)


def run(events, the_rule=None, state=None):
    the_rule = the_rule or rule()
    state = the_rule.initial() if state is None else state
    raised = []
    for event in events:
        state, effects = the_rule.step(state, event, event.received_at)
        raised += [effect.alarm for effect in effects]
    return state, raised


def pulse(*bpm: float, every_s: float = 30, start_s: float = 0):
    return [frame(start_s + every_s * k, HeartRate(heart_rate_bpm=value)) for k, value in enumerate(bpm)]


def pressure(*pairs: tuple[float, float], every_s: float = 600):
    return [
        frame(every_s * k, BloodPressure(systolic_mmhg=upper, diastolic_mmhg=lower))
        for k, (upper, lower) in enumerate(pairs)
    ]


def test_three_readings_in_a_row_raise_once():
    _, (alarm,) = run(pulse(130, 131, 132, 133, 134))
    assert (alarm.kind, alarm.severity) == ("vitals", "warning")
    assert (alarm.why.code, alarm.why.value, alarm.why.limit, alarm.why.unit) == (
        "heart_rate_high",
        132,
        125,
        "bpm",
    )
    assert alarm.at == START + timedelta(seconds=60)
    assert alarm.alarm_id == f"vitals.chen.heart_rate_high.{int(START.timestamp() * 1000)}"


def test_one_normal_reading_begins_the_count_anew():
    assert run(pulse(130, 131, 80, 131, 132))[1] == []


def test_two_readings_far_enough_apart_are_sustained():
    assert len(run(pulse(130, 130, every_s=120))[1]) == 1
    assert run(pulse(130, 130, every_s=119))[1] == []


def test_one_reading_is_never_sustained_unless_the_settings_say_so():
    assert run(pulse(200))[1] == []
    assert len(run(pulse(200), rule(sustained_s=0))[1]) == 1
    assert len(run(pulse(200), rule(sustained_readings=1))[1]) == 1


def test_readings_hours_apart_are_not_in_a_row():
    assert run(pulse(130, 130, 130, every_s=3601))[1] == []


@pytest.mark.parametrize(
    ("pairs", "codes"),
    [
        (((170, 80),) * 3, ["systolic_high"]),
        (((80, 55),) * 3, ["systolic_low"]),
        (((150, 105),) * 3, ["diastolic_high"]),
        (((120, 45),) * 3, ["diastolic_low"]),
        (((170, 105),) * 3, ["systolic_high", "diastolic_high"]),
        (((160, 100), (90, 50), (160, 50)), []),
    ],
)
def test_each_limit_of_the_pressure_has_its_own_code(pairs, codes):
    _, raised = run(pressure(*pairs))
    assert [alarm.why.code for alarm in raised] == codes
    assert {alarm.why.unit for alarm in raised} <= {"mmHg"}


def test_a_low_pulse_raises_and_no_pulse_does_not():
    assert [a.why.code for a in run(pulse(40, 40, 40))[1]] == ["heart_rate_low"]
    assert run(pulse(0, 0, 0, 0, 255, 255, 255, 255, 19, 251))[1] == []


@pytest.mark.parametrize("pair", [(0, 0), (255, 255), (300, 100), (90, 120), (170, 170), (170, 10)])
def test_an_implausible_pressure_never_counts(pair):
    assert run(pressure(pair, pair, pair, pair))[1] == []


def test_an_implausible_reading_between_does_not_break_the_count():
    assert len(run(pulse(130, 0, 130, 255, 130))[1]) == 1


def test_it_raises_again_only_after_hysteresis_and_cooldown():
    hovering = pulse(*[130] * 3, *[124, 130] * 20, every_s=60)
    assert len(run(hovering, rule(cooldown_s=0))[1]) == 1
    back = pulse(*[130] * 3, 118, *[130] * 3, every_s=60)
    assert len(run(back, rule(cooldown_s=0))[1]) == 2
    assert len(run(back)[1]) == 1
    long_after = pulse(*[130] * 3, 118, *[130] * 40, every_s=60)
    first, second = run(long_after)[1]
    assert second.at - first.at == timedelta(seconds=1800)
    assert first.alarm_id != second.alarm_id


def test_taking_the_band_off_begins_every_count_anew():
    off = frame(70, Worn(worn=False))
    assert run([*pulse(130, 130), off, *pulse(130, start_s=80)])[1] == []
    assert run([*pulse(130, 130), off])[0].runs == {}
    on = frame(70, Worn(worn=True))
    assert len(run([*pulse(130, 130), on, *pulse(130, start_s=80)])[1]) == 1


def test_a_wearer_still_unwell_after_taking_the_band_off_is_raised_again_after_the_cooldown():
    off = frame(100, Worn(worn=False))
    events = [*pulse(130, 130, 130), off, *pulse(130, 130, 130, start_s=2000)]
    assert len(run(events)[1]) == 2


def test_backlog_old_readings_and_duplicates_do_not_count():
    at = START
    assert run([frame(k, HeartRate(heart_rate_bpm=130), backlog=True) for k in range(9)])[1] == []
    old = [frame(700 + k, HeartRate(heart_rate_bpm=130, at=at + timedelta(seconds=k))) for k in range(9)]
    assert run(old)[1] == []
    assert run([frame(k, HeartRate(heart_rate_bpm=130, at=at)) for k in range(9)])[1] == []


def test_a_wearer_who_is_well_keeps_the_same_state_and_gets_it_back():
    the_rule = rule()
    well = the_rule.initial()
    state, _ = run([*pulse(70, 80, 45, 125), *pressure((120, 80), (160, 100))], the_rule, well)
    assert state is well
    state, _ = run(pulse(130, 70), the_rule)
    assert state == the_rule.initial()


def test_limits_that_leave_no_room_are_refused():
    with pytest.raises(msgspec.ValidationError, match="systolic_low_mmhg must be below"):
        msgspec.convert({"systolic_low_mmhg": 170}, RULE.Settings)


values = st.one_of(st.floats(0, 300), st.sampled_from([0.0, 255.0, 120.0, 125.0, 125.5, 119.9]))


@given(st.lists(st.floats(120.01, 140), max_size=40))
def test_noise_smaller_than_the_hysteresis_raises_at_most_once(bpm):
    assert len(run(pulse(*bpm), rule(cooldown_s=0))[1]) <= 1


@given(st.lists(values, max_size=40))
def test_what_is_raised_was_beyond_its_limit_and_never_sooner_than_the_cooldown(bpm):
    _, raised = run(pulse(*bpm, every_s=300))
    for alarm in raised:
        assert (alarm.why.value > 125) == (alarm.why.code == "heart_rate_high")
        assert (alarm.why.value < 45) == (alarm.why.code in {"heart_rate_low", "heart_rate_crisis_low"})
        assert alarm.why.value < 40 or alarm.severity == "warning"
    for code in ("heart_rate_low", "heart_rate_high", "heart_rate_crisis_low"):
        times = [alarm.at for alarm in raised if alarm.why.code == code]
        assert all(b - a >= timedelta(seconds=1800) for a, b in pairwise(times))


@given(st.lists(st.floats(20, 250), max_size=30))
def test_a_replay_raises_the_same_alarms_and_no_others(bpm):
    events = pulse(*bpm)
    state, first = run(events)
    assert run(events) == (state, first)
    assert {a.alarm_id for a in run(events, state=state)[1]} <= {a.alarm_id for a in first}


def test_our_clock_set_back_hides_no_racing_heart():
    state, _ = run(pulse(80, 190, start_s=86_400 * 365))
    assert [alarm.why.code for alarm in run(pulse(*[190] * 30), state=state)[1]] == ["heart_rate_high"]


# --------------------------------------------------------------------------- oxygen, temperature, crisis


def oxygen(*pct: float, every_s: float = 60):
    return [frame(every_s * k, SpO2(spo2_pct=value)) for k, value in enumerate(pct)]


def warmth(*celsius: float, every_s: float = 60):
    return [frame(every_s * k, BodyTemp(body_temp_c=value)) for k, value in enumerate(celsius)]


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (oxygen(88, 87, 88), "spo2_low"),
        (oxygen(90, 91, 90), None),
        (oxygen(0, 40, 101, 49), None),
        (warmth(38.1, 38.4, 38.6), "body_temp_high"),
        (warmth(31.0, 31.0, 30.0), None),
        (warmth(29.9, 45, 0), None),
    ],
)
def test_oxygen_and_temperature_have_limits_too(events, code):
    assert [alarm.why.code for alarm in run(events)[1]] == ([] if code is None else [code])


def test_a_pressure_crisis_is_confirmed_by_one_repeat_and_is_critical():
    _, (alarm,) = run(pressure((184, 96), (186, 95), (187, 97), (188, 99), every_s=60))
    assert (alarm.severity, alarm.why.code, alarm.why.limit) == ("critical", "systolic_crisis_high", 180)
    assert [reading.value for reading in alarm.why.readings] == [184, 186]
    assert (alarm.why.count, alarm.why.since) == (2, START)


def test_a_repeat_at_once_or_too_late_confirms_no_crisis():
    assert run(pressure((184, 96), (186, 95), every_s=29))[1] == []
    _, (alarm,) = run(pressure((184, 96), (186, 95), every_s=301))
    assert (alarm.severity, alarm.why.code) == ("warning", "systolic_high")


def test_a_crisis_after_the_plain_limit_is_a_second_and_critical_alarm():
    _, raised = run(pressure((165, 90), (166, 91), (168, 92), (185, 96), (186, 97), every_s=60))
    assert [(a.severity, a.why.code) for a in raised] == [
        ("warning", "systolic_high"),
        ("critical", "systolic_crisis_high"),
    ]


def test_a_very_slow_heart_is_critical_once_it_lasts_a_minute():
    _, (alarm,) = run(pulse(38, 37, 38, 37, 38, every_s=30))
    assert (alarm.severity, alarm.why.code, alarm.at) == (
        "critical",
        "heart_rate_crisis_low",
        START + timedelta(seconds=60),
    )


def test_a_crisis_lies_never_inside_what_a_doctor_allowed_and_can_be_turned_off():
    assert run(pulse(*[38] * 9), rule(heart_rate_low_bpm=36))[1] == []
    off = run(pressure((184, 96), (186, 95), (187, 97), every_s=60), rule(crisis=False))[1]
    assert [a.severity for a in off] == ["warning"]


# --------------------------------------------------------------------------- what is doubtful


def test_one_pressure_sent_with_every_frame_is_one_measurement():
    assert run(pressure(*[(170, 80)] * 20, every_s=10))[1] == []
    _, (alarm,) = run(pressure(*[(170, 80), (171, 82), (170, 80)], every_s=10))
    assert alarm.why.code == "systolic_high"


def test_a_walk_raises_no_heart_alarm_and_standing_still_does():
    walk = [
        frame(30 * k, Steps(steps=45 * k), HeartRate(heart_rate_bpm=80 if k < 6 else 140)) for k in range(20)
    ]
    assert run(walk)[1] == []
    still = [frame(600 + 30 * k, Steps(steps=900), HeartRate(heart_rate_bpm=140)) for k in range(20)]
    assert len(run([*walk, *still])[1]) == 1


def test_a_ride_is_no_walk():
    for speed, alarms in ((0.8, 1), (2.0, 0), (9.0, 1)):
        fix = Fix(lat=31.1, lon=121.1, valid=True, speed_m_s=speed)
        events = [frame(30 * k, HeartRate(heart_rate_bpm=140), fix) for k in range(6)]
        assert len(run(events)[1]) == alarms


def test_motion_neither_raises_nor_clears():
    running = Fix(lat=31.1, lon=121.1, valid=True, speed_m_s=2.5)
    raised = pulse(130, 130, 130)
    calm = [frame(100 + k * 10, running, HeartRate(heart_rate_bpm=80)) for k in range(5)]
    state, alarms = run([*raised, *calm], rule(cooldown_s=0))
    assert len(alarms) == 1
    assert not state.runs["heart_rate_high"].armed


def test_one_impossible_jump_back_does_not_break_a_row_and_two_do():
    assert len(run(pulse(150, 150, 70, 150))[1]) == 1
    assert run(pulse(150, 150, 70, 72, 150))[1] == []


def test_what_is_measured_just_after_taking_the_band_off_is_doubtful_until_it_is_worn_again():
    off, on = frame(0, Worn(worn=False)), frame(5, Worn(worn=True))
    assert run([off, *pulse(130, 130, 130, start_s=10, every_s=10)])[1] == []
    assert len(run([off, on, *pulse(130, 130, 130, start_s=10, every_s=10)])[1]) == 1
    assert len(run([off, *pulse(130, 130, 130, start_s=61)])[1]) == 1


@given(st.permutations(range(6)), st.lists(st.floats(20, 250), min_size=6, max_size=6))
def test_the_order_of_the_readings_in_a_frame_does_not_matter(order, bpm):
    all_of = [HeartRate(heart_rate_bpm=v, at=START + timedelta(seconds=60 * k)) for k, v in enumerate(bpm)]
    straight, mixed = frame(400, *all_of), frame(400, *(all_of[k] for k in order))
    assert run([mixed])[1] == run([straight])[1]
    assert run([mixed, straight, mixed])[1] == run([straight])[1]


@given(st.lists(st.floats(20, 250), max_size=30), st.integers(0, 29))
def test_a_doubtful_stretch_is_as_if_it_never_came(bpm, begin):
    running = Fix(lat=31.1, lon=121.1, valid=True, speed_m_s=2.5)
    events = pulse(*bpm, every_s=300)
    doubted = frame(begin * 300 + 150, running), frame(begin * 300 + 151, HeartRate(heart_rate_bpm=39))
    clean = [e for e in events if abs((e.received_at - doubted[0].received_at).total_seconds()) > 120]
    both = sorted([*events, *doubted], key=lambda event: event.received_at)
    assert run(both)[1] == run(clean)[1]


def test_the_state_of_an_older_gateway_is_read_and_goes_on():
    at = START.isoformat()
    old = msgspec.json.decode(
        msgspec.json.encode(
            {
                "runs": {
                    "heart_rate_high": {
                        "count": 2,
                        "since": at,
                        "last_at": at,
                        "raised_at": None,
                        "armed": True,
                    }
                }
            }
        ),
        type=RULE.State,
    )
    _, (alarm,) = run(pulse(131, start_s=60), state=old)
    assert (alarm.why.code, alarm.why.count) == ("heart_rate_high", 3)
