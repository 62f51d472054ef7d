"""A drill goes the real way and says so; a real alarm comes before every drill."""

from __future__ import annotations

import msgspec
import pytest

from gateway.incident_rows import Stored
from gateway.journal.records import Record
from gateway.steps import Opening, decode
from gateway.told import PortalCommand
from sos.cascade import step
from sos.events import HangUp, LegReported, LegState, PlaceCall, SendText

SOS = 'band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]'
CANCEL = 'band-zhang [{"kind":"alarm","alarm":"cancel"}]'


def drill(house, wearer="zhang", kind=None):
    """Order a drill as the desk does; gives the reason when it is refused."""
    order = PortalCommand(number=0, command="c", name="drill", wearer=wearer, kind=kind)
    refusal = house.engine.ordered_here(order, lambda _: None)
    house.journal.commit()
    return refusal


def states(house):
    return [(change.incident.drill, change.incident.state) for change in house.events("incident")]


async def test_a_drill_texts_and_rings_and_every_word_says_that_it_is_one(house):
    assert drill(house) is None
    orders = [order for _, order, _ in house.carried_out]
    texts = [order for order in orders if isinstance(order, SendText)]
    (call,) = [order for order in orders if isinstance(order, PlaceCall)]
    assert {text.leg.contact for text in texts} == {"son", "daughter"}
    assert all("演练" in text.body for text in texts)
    assert "演练" in call.script
    (alarm,) = house.events("alarm")
    assert alarm.alarm.drill


@pytest.mark.parametrize(("wearer", "kind"), [("nobody", None), ("zhang", "low_battery")])
async def test_a_drill_of_nobody_or_of_a_kind_without_a_plan_is_refused(house, wearer, kind):
    assert drill(house, wearer, kind)
    assert house.carried_out == []
    assert house.journal.records == []


async def test_a_second_drill_of_the_same_kind_waits_for_the_first(house):
    assert drill(house) is None
    assert drill(house)
    assert drill(house, kind="fall") is None


async def test_a_real_press_never_joins_a_drill_but_ends_it(house, band):
    drill(house)
    house.hear(SOS, band)
    house.journal.commit()
    assert states(house) == [(True, "notifying"), (True, "resolved"), (False, "notifying")]
    kinds = [type(order) for _, order, _ in house.carried_out]
    assert kinds.index(HangUp) < len(kinds) - 1 - kinds[::-1].index(PlaceCall), "the line is freed first"


async def test_no_drill_begins_while_nobody_has_taken_a_real_alarm(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    assert drill(house)
    assert states(house) == [(False, "notifying")]
    incident = house.events("incident")[-1].incident.incident_id
    house.engine.ordered(
        PortalCommand(number=1, command="a", name="acknowledge", incident=incident, by="周敏")
    )
    house.journal.commit()
    assert drill(house, wearer="wang") is None


async def test_a_long_press_takes_the_alarm_back(house, band):
    house.hear(SOS, band)
    house.clock.advance(10)
    house.hear(CANCEL, band)
    house.journal.commit()
    assert states(house)[-1] == (False, "cancelled")
    assert len(house.incidents) == 0


async def test_every_incident_can_be_made_again_from_its_steps(house, band):
    house.hear(SOS, band)
    house.journal.commit()
    house.advance(31)
    house.hear(SOS.replace('"7"', '"8"'), band)
    house.advance(200)
    rows = [row for record in house.journal.records if record.has_rest for row in record.rest.incidents]
    steps = [row for record in house.journal.records if record.has_rest for row in record.rest.steps]
    assert [row.number for row in steps] == list(range(len(steps)))
    opening, *later = [decode(row.body) for row in steps]
    assert isinstance(opening, Opening)
    incident = opening.incident
    for one in later:
        incident, _ = step(incident, one.event, one.now)
    assert msgspec.json.encode(Stored(incident=incident, alarm=opening.alarm)) == rows[-1].body


async def test_steps_go_on_counting_after_a_restart(house, band, make_house):
    house.hear(SOS, band)
    house.journal.commit()
    (record,) = house.journal.records
    again = make_house(house.settings)
    incident = record.rest.incidents[-1]
    again.incidents.restore([incident.body], [], {incident.incident_id: len(record.rest.steps)})
    again.clock.advance(20)
    again.hear(SOS.replace('"7"', '"8"'), band)
    numbers = [row.number for one in again.journal.records if one.has_rest for row in one.rest.steps]
    assert numbers == [len(record.rest.steps)]


async def test_an_incident_of_a_version_without_steps_opens_its_steps_as_it_stands(house, band, make_house):
    house.hear(SOS, band)
    house.journal.commit()
    (record,) = house.journal.records
    again = make_house(house.settings)
    again.incidents.restore([record.rest.incidents[-1].body], [])
    again.clock.advance(20)
    again.hear(SOS.replace('"7"', '"8"'), band)
    bodies = [row.body for one in again.journal.records if one.has_rest for row in one.rest.steps]
    assert isinstance(decode(bodies[0]), Opening)
    assert len(bodies) == 2


async def test_a_text_that_fails_after_the_incident_is_over_is_sent_again(house, band):
    house.hear(SOS, band)
    house.clock.advance(10)
    house.hear(CANCEL, band)
    house.journal.commit()
    (told,) = [
        order.leg.leg_id
        for _, order, _ in house.carried_out
        if isinstance(order, SendText) and (order.leg.purpose, order.leg.contact) == ("cancelled", "son")
    ]
    house.carried_out.clear()
    failed = LegReported(leg_id=told, state=LegState.FAILED, at=house.clock.now())
    house.engine.leg_known(failed, Record(), lambda _: None)
    house.journal.commit()
    assert [order.leg.attempt for _, order, _ in house.carried_out] == [2]
    assert len(house.incidents) == 0
    house.hear(SOS.replace('"7"', '"9"'), band)
    house.journal.commit()
    assert len(house.incidents) == 1, "a new press opens a new incident meanwhile"


async def test_an_incident_is_forgotten_when_its_last_text_has_arrived(house, band):
    house.hear(SOS, band)
    house.clock.advance(10)
    house.hear(CANCEL, band)
    house.journal.commit()
    texts = [order.leg.leg_id for _, order, _ in house.carried_out if isinstance(order, SendText)]
    assert len(list(house.incidents)) == 1
    for leg_id in texts:
        arrived = LegReported(leg_id=leg_id, state=LegState.DELIVERED, at=house.clock.now())
        house.engine.leg_known(arrived, Record(), lambda _: None)
    assert list(house.incidents) == []
