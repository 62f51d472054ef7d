"""Test calls: one person is rung and nobody else, and a real alarm comes before them."""

from __future__ import annotations

import pytest

from gateway.config import load
from gateway.downlink.rows import Pending
from gateway.journal.records import Record
from gateway.told import PortalCommand
from sos.events import OUTSIDE, HangUp, KeyPressed, LegReported, LegState, PlaceCall, SendText, SoundSiren

SOS = 'band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]'


@pytest.fixture
def test(house):
    """Order a test call as the portal does; gives what its `CommandDone` says."""

    def order(contact="son", *, number=1, wearer="zhang", **fields):
        house.engine.ordered(
            PortalCommand(
                number=number,
                command=f"t{number}",
                name="test_call",
                wearer=wearer or None,
                contact=contact,
                by="周敏",
                **fields,
            )
        )
        house.journal.commit()
        (answer,) = [one for one in house.events("command") if one.command == f"t{number}"]
        return answer.done, answer.reason

    return order


def orders(house, kind):
    return [order for _, order, _ in house.carried_out if isinstance(order, kind)]


def hears(house, event):
    house.engine.leg_known(event, Record(), lambda _: None)
    house.journal.commit()


def report(house, state, channel="call"):
    hears(house, LegReported(leg_id=leg(house, channel).leg_id, state=LegState(state), at=house.clock.now()))


def leg(house, channel="call"):
    kind = PlaceCall if channel == "call" else SendText
    return orders(house, kind)[-1].leg


def story(house):
    return [(one.call, one.text, one.final) for one in house.events("test_call")]


async def test_a_test_rings_one_person_and_says_what_it_is(house, test):
    assert test() == (True, "")
    (call,) = orders(house, PlaceCall)
    assert (call.leg.contact, call.leg.role) == ("son", OUTSIDE)
    assert "测试" in call.script
    assert "张桂兰" in call.script
    assert "按1" in call.script
    assert "求救" not in call.script.replace("没有人求救", "")
    assert orders(house, SendText) == []
    assert len(house.incidents) == 0
    assert story(house) == [("waiting", "none", False)]


async def test_its_story_is_told_from_ringing_to_the_key(house, test):
    test()
    for state in ("placed", "ringing", "ringing", "answered"):
        report(house, state)
    hears(house, KeyPressed(leg_id=leg(house).leg_id, digit="1", at=house.clock.now()))
    report(house, "no_key")  # what comes behind its end changes nothing
    assert story(house) == [
        ("waiting", "none", False),
        ("ringing", "none", False),
        ("answered", "none", False),
        ("confirmed", "none", True),
    ]
    assert house.events("test_call")[-1].digit == "1"


@pytest.mark.parametrize(
    ("state", "call"),
    [("no_answer", "no_answer"), ("busy", "busy"), ("voicemail", "voicemail"), ("unreached", "failed")],
)
async def test_nobody_else_is_rung_whatever_comes_of_it(house, test, state, call):
    test()
    report(house, state)
    house.advance(3600)
    assert story(house)[-1] == (call, "none", True)
    assert len(orders(house, PlaceCall)) == 1
    assert orders(house, SoundSiren) == []
    assert house.events("incident") == []


async def test_a_text_goes_along_where_it_was_ordered(house, test):
    test(with_text=True)
    (text,) = orders(house, SendText)
    assert text.leg.contact == "son"
    assert "测试" in text.body
    report(house, "no_answer")
    assert not house.events("test_call")[-1].final
    report(house, "placed", "text")
    assert story(house)[-1] == ("no_answer", "sent", True)


async def test_a_key_that_the_portal_passes_on_counts(house, test):
    test()
    key = PortalCommand(number=2, command="k", name="key_pressed", leg=leg(house).leg_id, digit="1")
    house.engine.ordered(key)
    house.engine.ordered(PortalCommand(number=3, command="k2", name="key_pressed", leg=key.leg, digit="1"))
    house.journal.commit()
    assert [(one.command, one.done) for one in house.events("command")] == [
        ("t1", True),
        ("k", True),
        ("k2", False),
    ]
    assert story(house)[-1] == ("confirmed", "none", True)


async def test_a_real_alarm_ends_a_test_at_once(house, band, test):
    test(with_text=True)
    report(house, "ringing")
    house.hear(SOS, band)
    house.journal.commit()
    (hang_up,) = orders(house, HangUp)
    assert hang_up.leg_id.startswith("errand-")
    assert story(house)[-1] == ("cancelled", "failed", True)
    assert len(house.incidents) == 1


async def test_while_somebody_calls_for_help_nothing_is_tested(house, band, test):
    house.hear(SOS, band)
    house.journal.commit()
    assert test() == (False, "alarm")
    assert house.events("test_call") == []


async def test_one_test_at_a_time_and_only_of_people_who_are_known(house, test):
    assert test("nobody") == (False, "no_contact")
    assert test(number=2, wearer="nobody") == (False, "no_contact")
    assert test(number=3) == (True, "")
    assert test("daughter", number=4) == (False, "busy")


async def test_a_person_of_the_staff_is_tested_without_a_wearer(make_house, small_config):
    staff = """
    [[staff]]
    id = "duty"
    name = "周敏"
    phone = "+8613800138090"
    """
    house = make_house(load(small_config(more=staff)))
    order = PortalCommand(number=1, command="t1", name="test_call", contact="duty", by="林静")
    house.engine.ordered(order)
    house.journal.commit()
    assert leg(house).phone == "+8613800138090"
    assert "新河苑" in orders(house, PlaceCall)[0].script
    assert [(one.name, one.wearer) for one in house.events("test_call")] == [("周敏", "")]


async def test_a_test_nobody_reports_of_ends_by_itself(house, test):
    test(with_text=True)
    house.advance(301)
    assert story(house)[-1] == ("failed", "failed", True)
    assert len(orders(house, HangUp)) == 1


async def test_a_restart_carries_a_test_on_and_forgets_one_that_ended(house, test, make_house):
    test()
    states = {}
    for record in house.journal.records:
        states |= record.states
    after = make_house(house.settings)
    after.errands.restore(states)
    call = leg(house)
    assert after.errands.wants(call)
    event = LegReported(leg_id=call.leg_id, state=LegState.BUSY, at=after.clock.now())
    after.engine.leg_known(event, Record(), lambda _: None)
    after.journal.commit()
    assert story(after) == [("busy", "none", True)]
    assert not after.errands.wants(call)
    after.errands.make_room(Record(), Pending(), after.clock.now())
    assert story(after) == [("busy", "none", True)]
