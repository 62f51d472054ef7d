"""A profile changed while the engine runs: one record, nothing forgotten, and what cannot be is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.config import load
from gateway.model import Fix
from gateway.profiles.judging import profile_of, raw_of
from gateway.told import PortalCommand
from sos.events import PlaceCall, SendText

M = 1 / 110_860
SOS = 'band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]'


def raw(house, wearer="wang", **changes):
    """The profile in force as plain data, changed."""
    return raw_of(house.book.in_force[wearer].profile) | changes


def home(radius_m, **changes):
    return [{"id": "home", "name": "花园", "centre": [31.155, 121.105], "radius_m": radius_m} | changes]


def order(house, name="set_profile", *, number=0, **fields):
    """Order it on the box (or, with a number, from the portal); gives the reason when it is refused."""
    fields = {"wearer": "wang", "by": "王芳"} | fields
    command = PortalCommand(number=number, command=f"c{number}", name=name, **fields)
    if number:
        house.engine.ordered(command)
        house.journal.commit()
        return house.events("command")[-1].reason or None
    refusal = house.engine.ordered_here(command, lambda _: None)
    house.journal.commit()
    return refusal


def at(house, watch, north_m, *, after_s=60):
    house.advance(after_s)
    fix = Fix(lat=31.155 + north_m * M, lon=121.105, valid=True, accuracy_m=5)
    house.hear("4700186508 " + msgspec.json.encode([fix]).decode(), watch)
    house.journal.commit()


def raised(house):
    return [told.alarm.why.code for told in house.events("alarm")]


@pytest.fixture
async def house(small_config, make_house):
    """A house after its start: version 1 of everybody is written."""
    made = make_house(load(small_config()))
    made.start()
    return made


async def test_a_fence_drawn_closer_judges_the_next_fix_and_inside_stays_inside(house, watch):
    at(house, watch, 80)
    place = house.engine._states["fence/wang"].tracks["home"]
    assert order(house, base_version=1, profile=raw(house, fences=home(30, dwell_s=0))) is None
    assert house.engine._states["fence/wang"].tracks["home"] == place
    assert place.place == "inside"
    at(house, watch, 81, after_s=1)
    assert raised(house) == ["fence_exit"]


async def test_a_dwell_that_runs_is_dropped_with_the_border_it_ran_for(house, watch):
    at(house, watch, 0)
    at(house, watch, 150)
    assert ("fence/wang", "dwell:home") in house.timers._at
    assert order(house, base_version=1, profile=raw(house, fences=home(400))) is None
    assert ("fence/wang", "dwell:home") not in house.timers._at
    (record,) = [one for one in house.journal.records if one.rest.profiles][-1:]
    assert record.timers == {("fence/wang", "dwell:home"): None}
    house.advance(60)
    assert raised(house) == []
    at(house, watch, 150)
    assert house.engine._states["fence/wang"].tracks["home"].place == "inside"


async def test_everything_a_portals_order_changes_is_one_record(house):
    before = len(house.journal.records)
    order(house, number=5, base_version=1, profile=raw(house, name="王老", fences=home(30)))
    (record,) = house.journal.records[before:]
    assert [row.kind for row in record.events] == ["roster", "profile", "command"]
    (row,) = record.rest.profiles
    assert (row.wearer, row.version, row.source, row.ordered_by) == ("wang", 2, "portal", "王芳")
    assert record.rest.marks["command_number"] == 5
    assert "fence/wang" in record.states
    assert record.urgent
    told = house.events("profile")[-1]
    assert (told.version, told.source, told.profile.name) == (2, "portal", "王老")
    assert house.events("roster")[-1].wearers[1].name == "王老"
    assert house.events("command")[-1].done


async def test_a_wearers_limits_hold_at_once(house, band):
    beats = 'band-zhang [{"kind":"heart_rate","heart_rate_bpm":110}]'
    rules = {"vitals": {"heart_rate_high_bpm": 100}}
    assert order(house, wearer="zhang", base_version=1, profile=raw(house, "zhang", rules=rules)) is None
    for _ in range(3):
        house.advance(60)
        house.hear(beats, band)
        house.journal.commit()
    assert raised(house) == ["heart_rate_high"]


async def test_one_made_from_another_version_is_refused_and_names_both(house):
    assert order(house, base_version=1, profile=raw(house, name="一")) is None
    assert order(house, base_version=1, profile=raw(house, name="二")) == (
        "version 2 is in force, this was made from version 1"
    )
    assert house.people.wearers["wang"].name == "一"
    assert order(house, wearer="nobody", base_version=3, profile=raw(house)) == (
        "nobody is called nobody here, this was made from version 3"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"by": ""}, "needs the name"),
        ({"by": "守望"}, "needs the name"),
        ({"wearer": None}, "needs its wearer"),
        ({"base_version": None}, "which version it was made from"),
        ({"profile": None}, "profile = None: expected a table"),
        ({"name": "restore_profile", "version": 1}, "version 1 is in force already"),
        ({"name": "restore_profile", "version": 7}, "no version 7 of wang any more; kept: 1"),
        ({"name": "restore_profile", "version": None}, "no version None"),
        ({"name": "restore_profile", "wearer": "nobody", "version": 1}, "nobody is called nobody"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written_or_changed(house, fields, words):
    written, settings = len(house.journal.records), house.book.settings
    rules = house.engine._rules["wang"]
    refusal = order(house, **{"base_version": 1, "profile": raw(house)} | fields)
    assert words in refusal
    assert (len(house.journal.records), house.book.settings) == (written, settings)
    assert house.engine._rules["wang"] is rules


async def test_a_refusal_names_everything_that_is_wrong(house):
    bad = raw(house, fences=home(-5), contacts=[{"id": "a", "name": "a", "phone": "119"}], shoes=37)
    refusal = order(house, number=1, base_version=1, profile=bad)
    assert [line.partition(" = ")[0] for line in refusal.splitlines()] == [
        "profile.shoes",
        "profile.contacts.a.phone",
        "profile.fences.home",
    ]


async def test_an_older_version_is_restored_as_a_new_one_and_judged_again(house, watch):
    at(house, watch, 80)
    order(house, base_version=1, profile=raw(house, fences=home(30, dwell_s=0)))
    order(house, base_version=2, profile=raw(house, fences=home(500)))
    assert order(house, "restore_profile", number=1, version=2) is None
    told = house.events("profile")[-1]
    assert (told.version, told.source, told.restores, told.by) == (4, "rollback", 2, "王芳")
    assert told.profile.fences[0].radius_m == 30
    at(house, watch, 81)
    assert raised(house) == ["fence_exit"]
    assert not house.book.in_force["wang"].follows_file
    assert order(house, "restore_profile", version=1) is None
    assert house.book.in_force["wang"].follows_file


async def test_one_that_no_longer_fits_is_not_restored(house):
    order(house, base_version=1, profile=raw(house, beidou_number=7))
    order(house, base_version=2, profile=raw(house, beidou_number=None))
    order(house, wearer="zhang", base_version=1, profile=raw(house, "zhang", beidou_number=7))
    refusal = order(house, "restore_profile", version=2)
    assert refusal == "profile.beidou_number = 7: expected a number no other wearer has"
    assert house.book.version("wang") == 3


async def test_somebody_new_is_watched_rung_for_and_told_of(house):
    new = raw(house) | {"name": "周玉兰"}
    assert order(house, wearer="zhou", base_version=0, profile=new) is None
    assert house.book.version("zhou") == 1
    assert [one.id for one in house.admitted[-1].wearers] == ["zhang", "wang", "zhou"]
    assert [one.wearer for one in house.events("roster")[-1].wearers] == ["zhang", "wang", "zhou"]
    drill = PortalCommand(number=0, command="d", name="drill", wearer="zhou")
    assert house.engine.ordered_here(drill, lambda _: None) is None
    house.journal.commit()
    assert any(isinstance(one, PlaceCall) for _, one, _ in house.carried_out)
    assert ("silence/zhou", "silent") in house.timers._at, "a first frame is waited for"
    assert order(house, wearer="a b", base_version=0, profile=new).startswith("wearer = 'a b'")


async def test_an_open_incident_keeps_the_people_it_began_with(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    family = [{"id": "grandson", "name": "李小", "phone": "+8613800138009"}]
    assert order(house, wearer="zhang", base_version=1, profile=raw(house, "zhang", contacts=family)) is None
    (incident,) = house.incidents
    assert [one.contact for one in incident.plan.family] == ["son", "daughter"]
    assert [one.contact for one in house.people.plan("zhang", "sos").family] == ["grandson"]
    texts = [one.leg.contact for _, one, _ in house.carried_out if isinstance(one, SendText)]
    assert "grandson" not in texts


async def test_a_suspension_goes_with_its_fence_and_the_portal_hears_of_it(house):
    until = house.clock.now() + timedelta(hours=1)
    assert order(house, "suspend_fences", fence="home", until=until) is None
    assert len(house.events("suspensions")[-1].suspensions) == 1
    assert order(house, base_version=1, profile=raw(house, fences=[])) is None
    assert house.events("suspensions")[-1].suspensions == ()


async def test_after_a_kill_the_version_that_was_acknowledged_is_in_force(house, make_house, watch):
    at(house, watch, 80)
    order(house, base_version=1, profile=raw(house, fences=home(30, dwell_s=0)))
    states, timers = {}, {}
    for record in house.journal.records:
        states |= record.states
        timers |= record.timers
    after = make_house(house.settings, house.journal)
    after.clock.advance((house.clock.now() - after.clock.now()).total_seconds())
    after.engine.restore(states)
    after.timers.restore(
        (*key, datetime.fromtimestamp(due_ms / 1000, UTC)) for key, due_ms in timers.items() if due_ms
    )
    written = len(after.journal.records)
    after.start()
    assert after.journal.records[written:] == [], "a state of these very settings is not written again"
    assert after.book.version("wang") == 2
    at(after, watch, 81, after_s=1)
    assert raised(after) == ["fence_exit"]


async def test_a_file_changed_over_a_restart_adopts_the_states_too(house, make_house, small_config, watch):
    at(house, watch, 0)
    at(house, watch, 150)
    assert house.engine._states["fence/wang"].tracks["home"].place == "leaving"
    states = {name: body for record in house.journal.records for name, body in record.states.items()}
    after = make_house(load(small_config(("radius_m = 100", "radius_m = 400"))), house.journal)
    after.engine.restore(states)
    after.start()
    assert after.book.version("wang") == 2
    assert after.engine._states["fence/wang"].tracks["home"].place == "unknown"


async def test_the_portals_profile_is_the_files_again_only_when_it_is_restored(house):
    file = raw_of(profile_of(house.settings.wearers[1]))
    assert order(house, base_version=1, profile=file) is None
    assert not house.book.in_force["wang"].follows_file
