"""Plain texts the portal orders: behind every alarm, once, and their words gone when they have ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.errands.bounds import Allowance, ErrandsTable
from gateway.journal.records import Record
from gateway.told import PortalCommand
from sos.events import OUTSIDE, LegReported, LegState

SOS = 'band-zhang [{"kind":"alarm","alarm":"sos","press_id":"7"}]'
NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
PHONE = "+8613800138777"
CODE = "您的登录码是 482913，5 分钟内有效。"


@pytest.fixture
def send(house):
    """Order a text as the portal does; gives what the portal was told of it by then."""

    def order(number=1, *, wait_s=300, commit=True, **fields):
        fields = {"phone": PHONE, "text": CODE, "purpose": "code"} | fields
        until = house.clock.now() + timedelta(seconds=wait_s)
        name = f"c{number}"
        house.engine.ordered(
            PortalCommand(number=number, command=name, name="send_text", until=until, **fields)
        )
        if commit:
            house.journal.commit()
        return told(house, name)

    return order


def told(house, command="c1"):
    return [(one.done, one.reason) for one in house.events("command") if one.command == command]


def pump(house):
    """What the errands' own task does every second; gives the texts begun."""
    house.errands.texts.pump()
    house.journal.commit()
    return house.begun


def report(house, state, leg=None):
    """What the dispatcher reports of the newest leg."""
    leg_id = leg or house.begun[-1].leg.leg_id
    house.engine.leg_known(
        LegReported(leg_id=leg_id, state=state, at=house.clock.now()), Record(), lambda _: None
    )
    house.journal.commit()


def press(house, band):
    house.hear(SOS, band)
    house.journal.commit()


def kept(house):
    """Every state of a text that is kept, as the reader would give it."""
    states = {}
    for record in house.journal.records[: house.journal.committed]:
        states |= record.states
        for owner in record.rest.forgotten:
            states.pop(owner, None)
    return {owner: body for owner, body in states.items() if owner.startswith("errand/text/")}


async def test_a_text_is_begun_after_its_commit_and_answered_when_a_carrier_has_it(house, send):
    assert send() == []
    house.errands.texts.pump()
    assert house.begun == []  # that it is under way is not on the disk yet
    (order,) = pump(house)
    assert (order.body, order.leg.phone, order.leg.role) == (CODE, PHONE, OUTSIDE)
    assert told(house) == []
    report(house, LegState.PLACED)
    report(house, LegState.DELIVERED)
    assert told(house) == [(True, "")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"phone": "110"}, "bad_number"),
        ({"phone": "13800138000"}, "bad_number"),
        ({"phone": None}, "bad_number"),
        ({"text": " "}, "bad_text"),
        ({"text": "长" * 501}, "bad_text"),
        ({"wait_s": 0}, "expired"),
    ],
)
async def test_what_cannot_be_sent_is_refused_at_once_in_one_word(house, send, fields, reason):
    assert send(**fields) == [(False, reason)]
    assert pump(house) == []


async def test_one_text_at_a_time_and_codes_before_everything(house, send):
    send(1, purpose="notice")
    send(2, purpose="invitation")
    send(3)
    for _ in range(3):
        pump(house)
    assert [order.leg.purpose for order in house.begun] == ["code"]
    report(house, LegState.PLACED)
    pump(house)
    assert [order.leg.purpose for order in house.begun] == ["code", "notice"]


async def test_while_somebody_calls_for_help_a_single_line_takes_no_text(house, band, send):
    house.narrow = True
    press(house, band)
    send()
    assert pump(house) == []
    (incident,) = (one.incident_id for one in house.incidents)
    house.engine.ordered(
        PortalCommand(number=9, command="a", name="acknowledge", incident=incident, by="周敏")
    )
    house.journal.commit()
    assert len(pump(house)) == 1


async def test_a_text_held_by_an_alarm_until_its_time_is_over_was_too_busy(house, band, send):
    house.narrow = True
    press(house, band)
    send(wait_s=60)
    pump(house)
    house.advance(61)
    assert told(house) == [(False, "busy")]
    assert (house.begun, kept(house)) == ([], {})


async def test_a_text_whose_turn_never_came_has_expired(house, send):
    send(1, wait_s=30)
    house.advance(31)
    assert told(house) == [(False, "expired")]


@pytest.mark.parametrize("purpose", ["invitation", "notice"])
async def test_a_notice_is_never_sent_again_after_an_unclear_outcome(house, send, purpose):
    send(purpose=purpose)
    pump(house)
    report(house, LegState.AMBIGUOUS)
    assert told(house) == []
    report(house, LegState.ABSENT)
    assert told(house) == [(False, "unclear")]
    assert len(pump(house)) == 1


async def test_a_code_is_sent_once_more_when_the_carrier_never_had_it(house, send):
    send()
    pump(house)
    report(house, LegState.AMBIGUOUS)
    report(house, LegState.ABSENT)
    first, second = pump(house)
    assert (first.leg.attempt, second.leg.attempt) == (1, 2)
    report(house, LegState.AMBIGUOUS)
    report(house, LegState.ABSENT)
    assert told(house) == [(False, "unclear")]


async def test_an_unclear_text_that_is_found_after_all_was_sent(house, send):
    send(purpose="notice")
    pump(house)
    report(house, LegState.AMBIGUOUS)
    report(house, LegState.PLACED)
    assert told(house) == [(True, "")]


async def test_while_one_text_is_being_settled_the_next_one_goes(house, send):
    send(1)
    pump(house)
    report(house, LegState.AMBIGUOUS)
    send(2)
    assert [order.leg.incident for order in pump(house)] == [order.leg.incident for order in house.begun]
    assert len(house.begun) == 2


async def test_a_text_that_could_not_leave_the_house_is_tried_until_its_time_is_over(house, send):
    send(wait_s=50)
    pump(house)
    report(house, LegState.UNREACHED)
    assert len(pump(house)) == 1  # not at once
    house.advance(21)
    assert len(pump(house)) == 2
    report(house, LegState.UNREACHED)
    house.advance(30)
    assert told(house) == [(False, "no_carrier")]


async def test_a_text_of_which_nothing_is_heard_holds_the_others_five_minutes_at_most(house, send):
    send(1, wait_s=3600)
    send(2, wait_s=3600)
    pump(house)
    house.advance(301)
    assert told(house) == [(False, "unclear")]
    assert len(pump(house)) == 2


async def test_words_and_number_are_gone_once_it_has_ended(house, send, caplog):
    caplog.set_level("DEBUG")
    send()
    assert len(kept(house)) == 1
    (order,) = pump(house)
    report(house, LegState.PLACED)
    assert kept(house) == {}
    wiped = [wipe.incident for record in house.journal.records for wipe in record.rest.wiped]
    assert wiped == [order.leg.incident]
    assert "482913" not in caplog.text
    assert PHONE not in caplog.text


async def test_the_same_order_again_is_no_second_text(house, send):
    send(1, commit=False)
    send(1)
    pump(house)
    report(house, LegState.PLACED)
    pump(house)
    assert len(house.begun) == 1


async def test_after_a_restart_a_text_goes_on_where_it_was(house, send, make_house):
    send(1)
    send(2, purpose="notice")
    pump(house)
    after = make_house(house.settings)
    after.errands.restore(kept(house))
    after.errands.resume(lambda _leg: False)
    assert [order.leg.leg_id for order in after.begun] == [house.begun[0].leg.leg_id]
    later = make_house(house.settings)
    later.errands.restore(kept(house))
    later.errands.resume(lambda _leg: True)  # its intent is on the disk: the dispatcher settles it
    assert later.begun == []
    report(later, LegState.PLACED, house.begun[0].leg.leg_id)
    assert told(later) == [(True, "")]


async def test_texts_are_bounded_for_a_number_and_for_all(house, send):
    for number in range(1, 11):
        assert send(number) == []
    assert send(11) == [(False, "too_many")]
    assert send(12, phone="+8613800138778") == []
    house.advance(3601)
    assert send(13) == []


def test_the_allowance_forgets_what_is_a_day_old_and_never_counts_the_future():
    bounds = ErrandsTable(texts_a_day=2, texts_an_hour=2, texts_an_hour_a_number=2)
    first = Allowance().after(PHONE, NOW, bounds)
    second = first.after(PHONE, NOW + timedelta(hours=2), bounds)
    assert second.after(PHONE, NOW + timedelta(hours=4), bounds) is None
    assert second.after(PHONE, NOW + timedelta(hours=25), bounds) is not None
    assert second.after(PHONE, NOW - timedelta(hours=1), bounds) is not None  # the clock was set back
    assert msgspec.json.decode(msgspec.json.encode(second), type=Allowance) == second


async def test_an_order_on_the_box_is_taken_like_the_portals(house):
    order = PortalCommand(
        number=0, command="here", name="send_text", phone=PHONE, text="好", purpose="notice"
    )
    assert house.engine.ordered_here(order, lambda _: None) is None
    house.journal.commit()
    assert len(pump(house)) == 1
