"""The portal's duty calendar in the gateway: judged whole, kept, told, and never a reason to ring nobody."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.config import load
from gateway.duty import DutyBook
from gateway.journal.records import Record
from gateway.told import PortalCommand
from gateway.told_orders import DutySpan

SOS = 'band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]'
HOUR = timedelta(hours=1)
STAFF = """
[[staff]]
id = "desk"
name = "周敏"
phone = "+8613800138090"
"""


@pytest.fixture
def house(make_house, small_config):
    house = make_house(load(small_config(more=STAFF)))
    house.duty = DutyBook(configured=lambda: house.people.staff, journal=house.journal, now=house.clock.now)
    house.people.duty = house.duty
    house.errands._others = {"set_duty": house.duty.order}
    return house


def span(house, contact="lin", begins_h=-1.0, ends_h=7.0, **fields):
    now = house.clock.now()
    given = {"name": "林静", "phone": "+8613800138093"} | fields
    return DutySpan(contact=contact, starts_at=now + begins_h * HOUR, ends_at=now + ends_h * HOUR, **given)


def give(house, *spans, version=1, number=1):
    """Order a calendar; gives what the portal is told."""
    command = PortalCommand(
        number=number, command=f"c{number}", name="set_duty", version=version, duty=spans, by="周敏"
    )
    house.engine.ordered(command)
    house.journal.commit()
    (answer,) = [one for one in house.events("command") if one.command == f"c{number}"]
    return answer.done, answer.reason


def look(house):
    """What the calendar's own task does every half minute."""
    record = Record()
    house.duty.tell(record, house.clock.now())
    house.journal.append(record)
    house.journal.commit()


def plan(house):
    return [one.contact for one in house.people.plan("zhang", "sos", house.clock.now()).staff]


def kept(house):
    states = {}
    for record in house.journal.records[: house.journal.committed]:
        states |= record.states
    return states


async def test_a_calendar_holds_from_the_next_alarm_on_and_is_told(house):
    assert give(house, span(house)) == (True, "")
    (told,) = house.events("duty")
    assert (told.version, [(one.contact, one.source) for one in told.on_duty]) == (1, [("lin", "portal")])
    assert told.until == house.clock.now() + 7 * HOUR
    assert plan(house) == ["desk", "duty-lin"]


async def test_a_running_incident_keeps_the_turns_it_began_with(house, band):
    give(house, span(house))
    house.hear(SOS, band)
    house.journal.commit()
    give(house, span(house, "gao", name="高远", phone="+8613800138094"), version=2, number=2)
    (incident,) = house.incidents
    assert [one.contact for one in incident.plan.staff] == ["desk", "duty-lin"]
    assert plan(house) == ["desk", "duty-gao"]


async def test_an_older_calendar_or_the_same_again_changes_nothing(house):
    give(house, span(house), version=5)
    assert give(house, version=5, number=2) == (False, "version 5 is in force")
    assert give(house, version=4, number=3) == (False, "version 5 is in force")
    assert plan(house) == ["desk", "duty-lin"]
    assert give(house, version=6, number=4) == (True, "")
    assert plan(house) == ["desk"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"phone": "110"}, "telephone number"),
        ({"name": " "}, "no name"),
        ({"contact": "a b"}, "no id"),
        ({"begins_h": 2, "ends_h": 2}, "ends before it begins"),
    ],
)
async def test_one_turn_that_cannot_be_refuses_the_whole_calendar(house, fields, words):
    done, reason = give(house, span(house), span(house, **fields))
    assert not done
    assert words in reason
    assert plan(house) == ["desk"]
    assert house.duty.calendar.version == 0


async def test_a_person_with_two_telephones_in_one_calendar_is_refused(house):
    done, reason = give(house, span(house), span(house, phone="+8613800138099"))
    assert (done, reason) == (False, "lin has two telephones")


async def test_who_is_configured_and_in_the_calendar_stands_there_once(house):
    give(house, span(house, "z9", phone="+8613800138090"), span(house, "desk", 9, 12, phone="+8613800138090"))
    assert plan(house) == ["desk"]
    assert [(one.contact, one.source) for one in house.events("duty")[-1].on_duty] == [("desk", "portal")]


async def test_the_calendar_survives_a_restart_and_a_broken_one_leaves_the_staff(house, make_house):
    give(house, span(house))
    states = kept(house)
    after = DutyBook(configured=lambda: house.people.staff, journal=house.journal, now=house.clock.now)
    after.restore(states)
    assert after.calendar == house.duty.calendar
    after.restore({"duty": b"{"})
    assert after.calendar.version == 1
    assert msgspec.json.decode(states["duty"])["version"] == 1


async def test_the_turn_of_a_shift_is_told_once(house):
    give(house, span(house, ends_h=1), span(house, "gao", 1, 2, name="高远", phone="+8613800138094"))
    look(house)
    assert len(house.events("duty")) == 1
    for hours, who in ((1, "gao"), (1, "desk")):
        house.advance(hours * 3600)
        look(house)
        look(house)
        assert [one.contact for one in house.events("duty")[-1].on_duty] == [who]
    assert len(house.events("duty")) == 3


async def test_a_calendar_of_the_past_or_of_next_week_leaves_the_configured_staff(house):
    assert give(house, span(house, begins_h=-9, ends_h=-1), span(house, begins_h=100, ends_h=101))[0]
    assert plan(house) == ["desk"]
    assert [one.source for one in house.events("duty")[-1].on_duty] == ["file"]


async def test_who_is_only_in_the_calendar_can_be_rung_for_a_test(house):
    give(house, span(house))
    person, about = house.people.person("", "lin")
    assert (person.phone, about) == ("+8613800138093", "新河苑")
    assert house.people.person("", "nobody") is None
