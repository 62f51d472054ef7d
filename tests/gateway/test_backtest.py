"""Tried before it goes live: the same rule over what was heard, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import history
from gateway.backtest import (
    Suspended,
    compare,
    fence_of,
    out_s,
    positions,
    raised_by,
    replay,
    try_rule,
)
from gateway.config import load
from gateway.journal.reader import JournalReader
from gateway.journal.records import from_ms
from gateway.journal.writer import JournalWriter
from gateway.model import (
    Alarm,
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
    Why,
    Worn,
    rings_nobody,
)
from gateway.rules.fence import FenceRule
from gateway.rules.vitals import VitalsRule
from gateway.told import FencesSuspended, PortalCommand, SyncPayload, Telemetry
from gateway.transports.base import Link

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOME = FenceView(fence="home", name="花园", centre=(31.155, 121.105), radius_m=100)
WANG = WearerView(wearer="wang", name="王德顺", fences=(HOME,))
A_DEGREE_M = 110_860
"""Metres a degree of latitude at 31 degrees north."""


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def frame(second: float, north_m: float, *, backlog: bool = False, accuracy_m: float = 5) -> Envelope:
    """A fix so many metres north of the middle of the fence, whose border is at 100 m."""
    fix = Fix(
        lat=31.155 + north_m / A_DEGREE_M, lon=121.105, valid=True, accuracy_m=accuracy_m, at=at(second)
    )
    return heard(second, fix, backlog=backlog)


def heard(second: float, *readings, backlog: bool = False) -> Envelope:
    uplink = Uplink(device="b", readings=readings, raw=b"", backlog=backlog)
    return Envelope(uplink=uplink, wire="tcp", device="4700186508", wearer="wang", received_at=at(second))


def rule(**changes) -> FenceRule:
    return FenceRule(WANG, FenceRule.Settings(**changes))


def alarm(second: float, *, code: str = "fence_exit", place: str = "花园", name: str = "") -> Alarm:
    name = name or f"fence.wang.home.{second}"
    why = Why(code=code, place=place)
    return Alarm(alarm_id=name, wearer="wang", kind="fence", severity="critical", why=why, at=at(second))


WALK = [frame(0, 0), frame(60, 200), frame(120, 210), frame(180, 220), frame(600, 0), frame(700, 0)]


def test_what_would_have_alarmed_is_what_the_rule_raises() -> None:
    (found,) = replay(rule(dwell_s=0), WALK)
    assert found.at == at(60)
    assert found.why.place == "花园"


def test_a_wider_margin_would_have_raised_nothing() -> None:
    assert list(replay(rule(exit_margin_m=150), WALK)) == []


def test_a_band_that_fell_silent_outside_is_raised_by_its_timer_before_the_next_frame() -> None:
    story = [frame(0, 0), frame(60, 200), frame(86_400, 0)]
    (found,) = replay(rule(dwell_s=10), story)
    assert found.at == at(70)


def test_a_timer_still_running_at_the_end_rings_when_its_time_has_come() -> None:
    story = [frame(0, 0), frame(60, 200)]
    assert list(replay(rule(dwell_s=10), story)) == []
    assert list(replay(rule(dwell_s=10), story, until=at(69))) == []
    assert [found.at for found in replay(rule(dwell_s=10), story, until=at(70))] == [at(70)]


def test_a_timer_that_was_taken_back_rings_no_more() -> None:
    story = [frame(0, 0), frame(60, 200), frame(65, 0)]
    assert list(replay(rule(dwell_s=10), story, until=at(9_000))) == []


def test_vital_signs_are_tried_the_same_way() -> None:
    story = [heard(second, HeartRate(heart_rate_bpm=130, at=at(second))) for second in (0, 30, 60)]
    vitals = VitalsRule(WANG, VitalsRule.Settings(heart_rate_high_bpm=125))
    assert [found.why.code for found in replay(vitals, story)] == ["heart_rate_high"]
    assert list(replay(VitalsRule(WANG, VitalsRule.Settings(heart_rate_high_bpm=140)), story)) == []


def test_how_long_somebody_was_out_ends_with_the_first_fix_that_is_not() -> None:
    (found,) = replay(rule(dwell_s=0), WALK)
    track = tuple(positions(WALK))

    def beyond(fix: Fix) -> float:
        return (fix.lat - 31.155) * A_DEGREE_M - 100

    assert out_s(found, track, beyond) == 540
    assert out_s(found, track[:4], beyond) is None


def test_stored_positions_and_those_that_are_none_are_no_track() -> None:
    nowhere = heard(5, Fix(lat=0, lon=0, valid=True), Fix(lat=31.1, lon=121.1, valid=False))
    story = [frame(0, 0), frame(1, 500, backlog=True), nowhere]
    assert [place.at for place in positions(story)] == [at(0)]


def test_an_alarm_knows_its_fence_though_one_id_begins_like_another() -> None:
    fences = (HOME, FenceView(fence="home.garden", name="园", centre=(31.1, 121.1), radius_m=5))
    assert fence_of(alarm(0, name="fence.wang.home.garden.123"), fences) is fences[1]
    assert fence_of(alarm(0, name="fence.wang.home.123"), fences) is fences[0]
    assert fence_of(alarm(0, name="fence.wang.gone.123"), fences) is None


def test_would_be_alarms_are_paired_with_those_raised_by_id_then_by_cause_and_time() -> None:
    would = [alarm(0), alarm(1_000), alarm(9_000)]
    was = [alarm(0), alarm(1_300, name="other"), alarm(20_000), alarm(9_000, place="湖", name="lake")]
    found = compare(would, was)
    assert [(one.at, other.at) for one, other in found.both] == [(at(0), at(0)), (at(1_000), at(1_300))]
    assert found.only_would == (would[2],)
    assert found.only_raised == (was[2], was[3])


def test_where_other_fences_are_tried_the_place_does_not_matter() -> None:
    found = compare([alarm(0, place="新围栏", name="new")], [alarm(60)], other_fences=True)
    assert [(one.at, was.at) for one, was in found.both] == [(at(0), at(60))]
    assert compare([alarm(0, place="新围栏", name="new")], [alarm(60)]).both == ()


# --------------------------------------------------------------------------- against the gateway itself


WATCH = Link(wire="tcp", protocol="watch", peer="127.0.0.1:2", device="4700186508")
ORDERS = (
    ("suspend_fences", "", 300),
    ("suspend_fences", "home", 900),
    ("resume_fences", "", 1),
    ("resume_fences", "home", 1),
)
walks = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.sampled_from([0, 95, 105, 115, 125, 300]),
        st.sampled_from([None, 5, 80]),
        st.sampled_from([None, None, None, *ORDERS]),
    ),
    max_size=25,
)


async def lived(house, walk) -> None:
    """The gateway hears a walk, and an hour more of nothing."""
    for number, (pause_s, north_m, accuracy_m, order) in enumerate(walk):
        house.advance(pause_s)
        if order:
            name, fence, lasting_s = order
            until = house.clock.now() + timedelta(seconds=lasting_s)
            about = {"wearer": "wang", "fence": fence, "until": until, "by": "周敏"}
            command = PortalCommand(number=0, command=f"c{number}", name=name, **about)
            house.engine.ordered_here(command, lambda _: None)
        fix = Fix(lat=31.155 + north_m / A_DEGREE_M, lon=121.105, valid=True, accuracy_m=accuracy_m)
        house.hear("- " + msgspec.json.encode([fix]).decode(), WATCH)
        house.journal.commit()
    house.advance(3_600)


def in_order(house):
    """What the journal of the house would give back, as `gateway.history.heard` does."""
    for record in house.journal.records:
        for row in record.events:
            told = msgspec.json.decode(row.payload, type=SyncPayload)
            if isinstance(told, FencesSuspended):
                yield Suspended(at=from_ms(row.received_ms), suspensions=told.suspensions)
            elif isinstance(told, Telemetry):
                uplink = Uplink(device="b", readings=told.readings, raw=b"", backlog=told.backlog)
                yield Envelope(
                    uplink=uplink,
                    wire="tcp",
                    device=told.device,
                    wearer=told.wearer,
                    received_at=told.received_at,
                )


@given(walks)
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_gateway_itself_raises_the_same(make_house, small_config, walk) -> None:
    house = make_house(load(small_config()))
    asyncio.run(lived(house, walk))
    live = [
        one.alarm.alarm_id
        for one in house.events("alarm")
        if one.alarm.kind == "fence" and not rings_nobody(one.alarm)
    ]
    heard = list(in_order(house))
    tried = FenceRule(house.people.wearers["wang"], house.settings.wearer_rules["wang", "fence"])
    assert [one.alarm_id for one in replay(tried, heard, until=house.clock.now())] == live


OWN_LIMITS = """
[wearers.rules.vitals]
sustained_readings = 2
cooldown_s = 600
[wearers.rules.trend]
cooldown_s = 600
[wearers.rules.baseline]
least_readings = 5
[wearers.rules.silence]
silent_after_s = 1200
[wearers.rules.removed]
off_wrist_after_s = 900
charging_s = 1800
[wearers.rules.inactivity]
still_after_s = 3600
by = "09:30"
[wearers.rules.vitals_missing]
expect_every_s = 600
"""
TRIED = ("vitals", "trend", "baseline", "battery", "silence", "removed", "inactivity", "vitals_missing")
A_READING = st.one_of(
    st.sampled_from([38, 44, 70, 75, 90, 131, 140]).map(lambda rate: HeartRate(heart_rate_bpm=rate)),
    st.sampled_from([(185, 95), (165, 90), (120, 80), (88, 49)]).map(
        lambda pair: BloodPressure(systolic_mmhg=pair[0], diastolic_mmhg=pair[1])
    ),
    st.sampled_from([97, 92, 88]).map(lambda share: SpO2(spo2_pct=share)),
    st.sampled_from([36.5, 38.4]).map(lambda degrees: BodyTemp(body_temp_c=degrees)),
    st.sampled_from([80, 30, 14, 9]).map(lambda charge: Battery(battery_pct=charge)),
    st.booleans().map(lambda worn: Worn(worn=worn)),
    st.integers(0, 400).map(lambda steps: Steps(steps=steps)),
    st.sampled_from([1.0, 2.5]).map(lambda speed: Fix(lat=31.155, lon=121.105, valid=True, speed_m_s=speed)),
)
lives = st.lists(
    st.tuples(st.sampled_from([20, 30, 60, 240, 900, 3_000]), st.lists(A_READING, min_size=1, max_size=3)),
    min_size=1,
    max_size=40,
)


@given(lives)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_trial_of_the_settings_in_force_raises_what_the_gateway_raised(make_house, small_config, life):
    house = make_house(load(small_config(more=OWN_LIMITS)))
    began = house.clock.now()

    async def live() -> None:
        for pause_s, readings in [*life, (7_200, [])]:
            for _ in range(pause_s // 20):
                house.advance(20)  # timers ring in time, as they do at home
            if readings:
                house.hear("- " + msgspec.json.encode(readings).decode(), WATCH)
                house.journal.commit()

    asyncio.run(live())
    alarms, heard = [one.alarm for one in house.events("alarm")], list(in_order(house))
    for name in TRIED:
        today = house.settings.wearer_rules["wang", name]
        found = try_rule(
            house.people.wearers["wang"],
            name,
            heard,
            alarms,
            today=today,
            tried=today,
            since=began,
            until=house.clock.now(),
        )
        was = [one.alarm_id for one in alarms if raised_by(name, one)]
        assert [one.alarm.alarm_id for one in found.found] == was, name
        assert all(one.was and one.in_force for one in found.found)
        assert (found.gone, found.raised, found.in_force) == ((), len(was), len(was))


def test_a_random_life_does_raise_alarms_of_most_rules(make_house, small_config) -> None:
    """What the test above compares is not always nothing."""
    house = make_house(load(small_config(more=OWN_LIMITS)))
    story = [(60, [HeartRate(heart_rate_bpm=72)])] * 30
    story += [(60, [HeartRate(heart_rate_bpm=140)])] * 4 + [(60, [Battery(battery_pct=10)])]
    story += [(60, [Worn(worn=False)]), (3_000, [Steps(steps=3)]), (60, [Steps(steps=4)])]

    async def live() -> None:
        for pause_s, readings in story:
            for _ in range(pause_s // 20):
                house.advance(20)
            house.hear("- " + msgspec.json.encode(readings).decode(), WATCH)
            house.journal.commit()

    asyncio.run(live())
    alarms = [one.alarm for one in house.events("alarm")]
    raised = {name for name in TRIED if any(raised_by(name, one) for one in alarms)}
    assert {"vitals", "trend", "battery", "silence", "removed"} <= raised


def test_a_rule_that_is_not_tried_is_refused() -> None:
    about = {"today": None, "tried": None, "since": START, "until": at(60)}
    for name in ("fence", "sos", "nothing"):
        with pytest.raises(KeyError, match=name):
            try_rule(WANG, name, [], [], **about)


WALKED = [(300, north_m, 5, None) for north_m in (0, 300, 300, 0, 0, 130, 130, 0)]


@pytest.fixture
def journal(make_house, small_config, tmp_path):
    """A journal of an hour: out twice, once for real."""
    house = make_house(load(small_config()))
    began = house.clock.now()
    asyncio.run(lived(house, [*WALKED, (300, 0, 5, ("suspend_fences", "", 300))]))

    async def write() -> None:
        writer = JournalWriter(tmp_path / "j.db")
        writer.start()
        for record in house.journal.records:
            record.committed = None
            await writer.commit(record)
        await writer.stop()

    asyncio.run(write())
    reader = JournalReader(tmp_path / "j.db")
    yield house, reader, began, house.clock.now()
    reader.close()


def test_the_journal_gives_back_what_was_heard_and_what_was_raised(journal) -> None:
    house, reader, began, ended = journal
    frames = list(history.heard(reader, "wang", since=began, until=ended))
    was = history.raised(reader, wearer="wang", since=began, until=ended)
    (suspended,) = [one for one in frames if isinstance(one, Suspended)]
    assert [(one.fence, one.by) for one in suspended.suspensions] == [("", "周敏")]
    assert len(frames) == 9 + 1
    tried = FenceRule(house.people.wearers["wang"], house.settings.wearer_rules["wang", "fence"])
    assert list(replay(tried, frames, until=ended)) == was
    assert len(was) == 2


def test_nobody_elses_frames_and_no_other_days_are_read(journal) -> None:
    _, reader, began, ended = journal
    assert list(history.heard(reader, "zhang", since=began, until=ended)) == []
    frames = list(history.heard(reader, "wang", since=began + timedelta(seconds=300), until=ended))
    assert len(frames) == 9 + 1
    later = list(history.heard(reader, "wang", since=began + timedelta(seconds=301), until=ended))
    assert len(later) == 8 + 1
