"""What every rule promises, whoever wrote it: found by folder, so a new rule is tested the day it appears."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import plugins
from gateway.effects import Effect, RaiseAlarm, SetTimer
from gateway.model import (
    BAND_ALARM_ORDER,
    BandAlarm,
    Battery,
    BloodPressure,
    BodyTemp,
    Envelope,
    FenceView,
    Fix,
    HeartRate,
    SpO2,
    Steps,
    Uplink,
    WearerView,
    Worn,
)
from gateway.rules.base import FIRST_AWAITED, TimerDue

RULES = plugins.load("rule")
DOCS = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
WEARER = WearerView(
    wearer="wang-deshun",
    name="王德顺",
    fences=(
        FenceView(fence="home", name="家", centre=(31.15535, 121.1046), radius_m=90),
        FenceView(
            fence="estate", name="苑", polygon=((31.1536, 121.1029), (31.1536, 121.1072), (31.1568, 121.1072))
        ),
    ),
)

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
numbers = st.one_of(
    st.floats(), st.floats(0, 300), st.sampled_from([0.0, 255.0, 5.0, 130.0, 40.0, 170.0, -1.0])
)
times = st.one_of(
    st.none(),
    st.integers(-4000, 4000).map(lambda second: START + timedelta(seconds=second)),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(),
)
readings = st.one_of(
    st.builds(
        Fix,
        lat=st.one_of(numbers, st.floats(31.14, 31.17)),
        lon=st.one_of(numbers, st.floats(121.09, 121.12)),
        valid=st.booleans(),
        accuracy_m=st.one_of(st.none(), numbers),
        at=times,
    ),
    st.builds(HeartRate, heart_rate_bpm=numbers, at=times),
    st.builds(BloodPressure, systolic_mmhg=numbers, diastolic_mmhg=numbers, at=times),
    st.builds(SpO2, spo2_pct=numbers, at=times),
    st.builds(BodyTemp, body_temp_c=numbers, at=times),
    st.builds(Steps, steps=st.integers(), at=times),
    st.builds(Battery, battery_pct=numbers, at=times),
    st.builds(Worn, worn=st.booleans(), at=times),
    st.builds(
        BandAlarm, alarm=st.sampled_from(BAND_ALARM_ORDER), press_id=st.one_of(st.none(), st.text()), at=times
    ),
)
envelopes = st.builds(
    lambda frame, second, wearer: Envelope(
        uplink=frame,
        wire="test",
        device="band",
        wearer=wearer,
        received_at=START + timedelta(seconds=second),
    ),
    st.builds(
        Uplink,
        device=st.just("band"),
        readings=st.lists(readings, max_size=5).map(tuple),
        raw=st.binary(max_size=8),
        backlog=st.booleans(),
    ),
    st.integers(0, 20_000),
    st.sampled_from(["wang-deshun", None]),
)
timers = st.builds(
    TimerDue,
    name=st.sampled_from(
        [
            "dwell:home",
            "dwell:estate",
            "dwell:gone",
            "resume:",
            "silent",
            "off_wrist",
            "by",
            "still",
            FIRST_AWAITED,
            "",
        ]
    ),
    due_at=st.integers(0, 25_000).map(lambda second: START + timedelta(seconds=second)),
)
stories = st.lists(st.one_of(envelopes, timers), max_size=12)


@pytest.fixture(scope="session", params=sorted(RULES), name="kind")
def _kind(request):
    return RULES[request.param]


def build(kind):
    return kind(WEARER, kind.Settings())


def when(event):
    return event.due_at if isinstance(event, TimerDue) else event.received_at


def play(kind, story):
    """Every (state, event, state after, effects) of a story, by a new rule."""
    rule = build(kind)
    state = rule.initial()
    seen = []
    for event in story:
        after, effects = rule.step(state, event, when(event))
        seen.append((state, event, after, effects))
        state = after
    return seen


def test_the_rules_of_the_house_are_found():
    assert {"fence", "vitals", "sos", "battery", "silence"} <= set(RULES)


@FEW
@given(story=stories)
def test_any_story_is_answered_with_effects_and_never_an_exception(kind, story):
    for _, _, state, effects in play(kind, story):
        assert isinstance(state, kind.State)
        assert isinstance(effects, tuple)
        for effect in effects:
            assert isinstance(effect, Effect)
            if isinstance(effect, RaiseAlarm):
                assert effect.alarm.wearer == WEARER.wearer
                assert effect.alarm.at.tzinfo is not None
                assert msgspec.json.decode(msgspec.json.encode(effect.alarm), type=type(effect.alarm))
            if isinstance(effect, SetTimer):
                assert effect.due_at.tzinfo is not None


@FEW
@given(story=stories)
def test_the_same_story_gives_the_same_and_the_state_given_is_left_as_it_was(kind, story):
    first = play(kind, story)
    written = [msgspec.json.encode(state) for _, _, state, _ in first]
    assert [(state, effects) for _, _, state, effects in play(kind, story)] == [
        (state, effects) for _, _, state, effects in first
    ]
    assert [msgspec.json.encode(state) for _, _, state, _ in first] == written


@FEW
@given(story=stories)
def test_a_state_is_read_back_as_it_was_written(kind, story):
    for _, _, state, _ in play(kind, story):
        for codec in (msgspec.json, msgspec.msgpack):
            assert codec.decode(codec.encode(state), type=kind.State) == state


@FEW
@given(story=stories)
def test_a_new_state_object_says_that_something_changed(kind, story):
    for before, event, after, effects in play(kind, story):
        if after is not before:
            to_and_fro = isinstance(event, Envelope) and len(event.uplink.readings) > 1
            assert after != before or to_and_fro
        elif not isinstance(effects, tuple) or any(isinstance(e, SetTimer) for e in effects):
            pytest.fail("a timer was ordered and nothing was remembered of it")


@FEW
@given(story=stories)
def test_backlog_raises_nothing_but_an_sos(kind, story):
    for _, event, _, effects in play(kind, story):
        if isinstance(event, Envelope) and event.uplink.backlog:
            assert {effect.alarm.kind for effect in effects if isinstance(effect, RaiseAlarm)} <= {"sos"}


def test_a_state_cannot_be_changed(kind):
    state = build(kind).initial()
    assert type(state) is kind.State
    assert not hasattr(state, "__dict__")
    fields = getattr(state, "__struct_fields__", None) or [one.name for one in dataclasses.fields(state)]
    with pytest.raises(AttributeError):  # FrozenInstanceError is one
        setattr(state, fields[0], None)


def test_settings_have_defaults_and_refuse_keys_they_do_not_know(kind):
    assert msgspec.convert({}, kind.Settings) == kind.Settings()
    with pytest.raises(msgspec.ValidationError, match="unknown field `not_a_key`"):
        msgspec.convert({"not_a_key": 1}, kind.Settings)


def test_every_setting_stands_in_the_docs_with_its_default(kind):
    section = re.search(rf"^## `\[rules\.{kind.name}\]`.*?(?=^## |\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/rules.md has no section for {kind.name}"
    for setting in msgspec.structs.fields(kind.Settings):
        assert f"| `{setting.name}` | {shown(setting.default)} |" in section.group()


def shown(default):
    """A default as the page shows it."""
    if default == ():
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, int | float) else f'`"{default}"`'
