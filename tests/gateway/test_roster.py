"""Who is watched, with which bands: the portal and the plans follow the list of bands."""

from __future__ import annotations

import msgspec

from gateway.bands.registry import Device
from gateway.clock import ManualClock
from gateway.config import load
from gateway.roster import People, announcement
from gateway.told import Roster

WATCH = Device(device="w2", protocol="watch", wearer="zhang")


def devices(people) -> dict[str, tuple[str, ...]]:
    return {view.wearer: view.devices for view in people.roster.wearers}


def test_the_roster_has_the_bands_of_now(small_config):
    people = People(load(small_config()))
    assert devices(people) == {"zhang": ("band-zhang",), "wang": ("4700186508",)}
    gone = people.take([*people.configured[:1], WATCH])
    assert (gone, devices(people)) == (("4700186508",), {"zhang": ("band-zhang", "w2"), "wang": ()})
    assert people.wearers["zhang"].devices == ("band-zhang", "w2")


def test_a_plan_offers_a_call_back_while_a_band_of_the_wearer_can_ring_back(small_config):
    people = People(load(small_config(more="[sos.plans.sos]\ncall_back = true\n")))
    assert [people.plan(who, "sos").call_back for who in ("zhang", "wang")] == [False, True]
    people.take([*people.configured, WATCH])
    assert people.plan("zhang", "sos").call_back
    people.take([])
    assert [people.plan(who, "sos").call_back for who in ("zhang", "wang")] == [False, False]
    assert people.plan("zhang", "sos").family, "nothing else of the plan is another"


def test_a_roster_is_told_again_only_when_it_is_another(small_config):
    people = People(load(small_config()))
    now = ManualClock().now()
    first, record = announcement(people.roster, now)
    people.take(people.configured)
    assert announcement(people.roster, now)[0] == first
    people.take([])
    assert announcement(people.roster, now)[0] != first
    (row,) = record.events
    assert record.rest.marks == {"roster_digest": first}
    assert devices_of(row.payload) == {"zhang": ("band-zhang",), "wang": ("4700186508",)}


def devices_of(payload: bytes) -> dict[str, tuple[str, ...]]:
    roster = msgspec.json.decode(payload, type=Roster)
    return {view.wearer: view.devices for view in roster.wearers}


async def test_a_stranger_is_quarantined_under_the_id_it_claims(house, watch):
    house.hear("4700000009 []", watch)
    house.hear("- []", watch)
    rows = [row for record in house.journal.records for row in record.rest.quarantine]
    assert [(row.device, row.reason) for row in rows] == [
        ("4700000009", "unknown device"),
        (None, "no device id"),
    ]


async def test_an_incident_goes_on_while_the_list_of_bands_changes(house, band):
    house.hear('band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]', band)
    house.journal.commit()
    before = list(house.incidents)
    house.people.take([WATCH])
    assert list(house.incidents) == before != []
    house.hear('band-zhang [{"kind":"alarm","alarm":"sos","press_id":"8"}]', band)
    quarantined = [row.reason for row in house.journal.records[-1].rest.quarantine]
    assert quarantined == ["unknown device"]
