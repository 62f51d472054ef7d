"""When no telephone helps: the siren on the spot, the BeiDou stations, and the line that comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zlib import crc32

import pytest

from sos.beidou import unpack
from sos.events import (
    Acknowledged,
    CancelPressed,
    Channel,
    HangUp,
    LegState,
    Moved,
    PlaceCall,
    Resolved,
    SendBeidou,
    SendText,
    SoundSiren,
)
from sos.last_resort import beidou_body
from sos.plan import Contact, Plan, problems
from sos.recovery import owed
from sos.subject import Subject

STATION = Contact(contact="office", name="居委会", phone="1234567", role="station")
SUBJECT = Subject(
    name="张桂兰", kind="sos", where="3栋东门附近", beidou_number=7, heart_rate_bpm=88.0, battery_pct=41.0
)


def sirens(story):
    return [order.leg.leg_id for order in story.orders if isinstance(order, SoundSiren)]


def messages(story):
    return [order for order in story.orders if isinstance(order, SendBeidou)]


def silenced(story):
    return [leg_id for leg_id in story.hung_up() if ".siren." in leg_id]


def exhaust(story):
    while story.phase == "notifying":
        story.call_ends()
    return story


# --------------------------------------------------------------------------- the siren


def test_the_siren_sounds_when_everybody_was_rung_in_vain_and_says_where_to_go(story):
    exhaust(story)
    order = next(order for order in story.orders if isinstance(order, SoundSiren))
    assert (order.leg.contact, order.leg.name, order.leg.role) == ("siren", "警报器", "site")
    assert (order.leg.channel, order.leg.phone) == (Channel.SIREN, "")
    assert order.script == "张桂兰求救，在3栋东门附近，请立即前往。"


def test_it_stays_on_through_the_repeats_until_the_first_takes_it(story):
    exhaust(story).wait(301)
    exhaust(story)
    assert len(sirens(story)) == 1
    assert silenced(story) == []
    story.tell(Acknowledged(by="周敏", at=story.now))
    assert silenced(story) == sirens(story)


@pytest.mark.parametrize("ending", [Resolved, Acknowledged])
def test_closing_it_silences_the_siren(story, ending):
    exhaust(story)
    story.tell(ending(by="周敏", at=story.now))
    assert silenced(story) == sirens(story) != []


def test_a_cancel_silences_it_too(make_story):
    story = exhaust(make_story(rounds=1, cancel_window_s=3600).opened())
    story.tell(CancelPressed(at=story.now))
    assert silenced(story) == sirens(story) != []


@pytest.mark.parametrize("given", [{"siren": False}, {"drill": True}])
def test_it_stays_silent_where_there_is_none_and_in_a_drill(make_story, given):
    story = make_story(**given).opened()
    story.report(story.incident.calling, LegState.UNREACHED)
    assert sirens(exhaust(story)) == []


@pytest.mark.parametrize("leg", ["i1.1.son.text.1", "i1.1.son.call.1"])
def test_it_sounds_as_soon_as_anything_could_not_leave_the_house(story, leg):
    story.report(leg, LegState.UNREACHED)
    assert sirens(story) == ["i1.1.siren.siren.1"]
    story.report("i1.1.daughter.text.1", LegState.UNREACHED)
    assert len(sirens(story)) == 1


@pytest.mark.parametrize("end", [LegState.FAILED, LegState.UNREACHED, LegState.ABSENT])
def test_a_siren_that_failed_is_tried_again_when_the_cycle_is_through_and_at_each_repeat(make_story, end):
    story = make_story(rounds=1).opened()
    story.report(story.incident.calling, LegState.UNREACHED)
    story.report(sirens(story)[-1], end)
    story.report("i1.1.son.text.1", LegState.UNREACHED)
    assert len(sirens(story)) == 1, "not over and over"
    exhaust(story)
    assert len(sirens(story)) == 2
    story.report(sirens(story)[-1], end).wait(301)
    assert len(sirens(story)) == 3
    assert len(set(sirens(story))) == 3


def test_a_siren_that_comes_to_life_after_it_was_taken_is_silenced_again(story):
    exhaust(story)
    leg = sirens(story)[0]
    story.report(leg, LegState.AMBIGUOUS).press("i1.1.son.call.1").report(leg, LegState.PLACED)
    assert silenced(story) == [leg, leg]


def test_with_one_of_two_takers_it_is_silent_though_others_are_still_rung(make_story):
    story = make_story(acks_wanted=2).opened()
    story.report(story.incident.calling, LegState.UNREACHED)
    story.press("i1.1.son.text.1", via="text").report(story.incident.calling, LegState.UNREACHED)
    assert story.phase == "notifying"
    assert (len(sirens(story)), silenced(story)) == (1, sirens(story))


def test_a_plan_without_calls_sounds_it_when_nobody_answered_the_texts(make_story):
    story = make_story(calls=False).opened().wait(301)
    assert len(sirens(story)) == 1
    story.report(sirens(story)[0], LegState.FAILED).wait(301)
    assert len(sirens(story)) == 2


# --------------------------------------------------------------------------- the stations


def dead_story(make_story, **more):
    story = make_story(stations=(STATION,), subject=SUBJECT, **more).opened()
    return story.report(story.incident.calling, LegState.UNREACHED)


def test_a_station_is_told_in_twenty_bytes_when_a_leg_could_not_leave_the_house(make_story):
    (order,) = messages(dead_story(make_story))
    assert (order.leg.contact, order.leg.role, order.leg.phone) == ("office", "station", "1234567")
    alarm = unpack(bytes.fromhex(order.body))
    assert (alarm.number, alarm.kind, alarm.heart_rate_bpm, alarm.battery_pct) == (7, "sos", 88, 41)
    assert (alarm.lat, alarm.lon, alarm.drill) == (31.1553, 121.105, False)
    assert alarm.seq == crc32(b"i1") & 0xFF


def test_a_drill_says_so_to_the_station(make_story):
    (order,) = messages(dead_story(make_story, drill=True))
    assert unpack(bytes.fromhex(order.body)).drill


def test_it_is_told_again_with_the_newest_place_until_it_answers(make_story):
    story = dead_story(make_story)
    story.report(messages(story)[0].leg.leg_id, LegState.PLACED)
    story.tell(Moved(at=story.now, lat=31.2, lon=121.2))
    for _ in range(60):
        story.wait(10)
        if story.incident.calling:
            story.report(story.incident.calling, LegState.UNREACHED)
    first, second, *rest = messages(story)
    assert second.leg.attempt == 2
    assert unpack(bytes.fromhex(second.body)).lat == 31.2
    assert unpack(bytes.fromhex(first.body)).name == unpack(bytes.fromhex(second.body)).name
    story.report(messages(story)[-1].leg.leg_id, LegState.DELIVERED)
    count = len(messages(story))
    for _ in range(60):
        story.wait(10)
        if story.incident.calling:
            story.report(story.incident.calling, LegState.UNREACHED)
    assert len(messages(story)) == count
    assert len(rest) <= 1


def test_with_a_telephone_that_works_again_it_is_left_alone(make_story):
    story = dead_story(make_story)
    story.report(messages(story)[0].leg.leg_id, LegState.PLACED)
    story.wait(1).report("i1.1.son.text.1", LegState.DELIVERED).wait(2000)
    assert len(messages(story)) == 1


def test_a_message_that_still_waits_for_its_turn_is_not_doubled(make_story):
    story = dead_story(make_story).wait(310)
    assert len(messages(story)) == 1


def test_the_station_may_take_it(make_story):
    story = dead_story(make_story)
    story.press(messages(story)[0].leg.leg_id, via="beidou")
    assert (story.phase, story.incident.acknowledged_by) == ("acknowledged", "居委会")
    assert story.incident.acknowledged_via == "beidou"
    assert story.texts("taken") == ["son", "daughter"]
    assert "beidou" not in story.timers


@pytest.mark.parametrize("number", [None, -1, 2**24])
def test_without_a_number_that_fits_no_message_is_sent(make_story, number):
    story = make_story(stations=(STATION,), subject=replace(SUBJECT, beidou_number=number)).opened()
    story.report(story.incident.calling, LegState.UNREACHED)
    assert messages(story) == []


@pytest.mark.parametrize(
    ("lat", "lon"), [(None, None), (float("nan"), 1.0), (float("inf"), 1.0), (500.0, 1.0)]
)
def test_the_cascade_never_stumbles_over_a_position(make_story, lat, lon):
    story = make_story(stations=(STATION,), subject=SUBJECT, lat=lat, lon=lon)
    story = story.opened() if lat is None else story
    if lat is None:
        story.report(story.incident.calling, LegState.UNREACHED)
        assert unpack(bytes.fromhex(messages(story)[0].body)).lat is None
    else:
        body = beidou_body(story.incident)
        assert body is not None
        assert unpack(bytes.fromhex(body)).lat is None


def test_a_refused_call_is_no_reason_to_tell_the_stations(make_story):
    story = make_story(stations=(STATION,), subject=SUBJECT).opened()
    story.report(story.incident.calling, LegState.FAILED)
    assert (messages(story), sirens(story)) == ([], [])


def test_a_station_needs_a_card_number_of_digits():
    plan = Plan(family=(), stations=(STATION, replace(STATION, phone="+8613800138000")))
    assert len(problems(plan)) == 2


# --------------------------------------------------------------------------- nothing leaves the house


def test_an_unreached_call_rings_the_next_at_once(story):
    story.report(story.incident.calling, LegState.UNREACHED)
    assert story.ringing == "daughter"


def test_when_nothing_at_all_was_reached_it_begins_again_within_a_minute(make_story):
    story = make_story(rounds=1).opened()
    while story.phase == "notifying":
        story.report(story.incident.calling, LegState.UNREACHED)
    story.wait(61)
    assert story.phase == "notifying"


def test_an_unreached_text_is_sent_again_for_as_long_as_it_takes(make_story):
    story = make_story(calls=False).opened()
    for _ in range(120):
        story.report(story.text_leg("son"), LegState.UNREACHED).wait(30)
    attempts = story.texts().count("son")
    assert attempts > 50
    story.report(story.text_leg("son"), LegState.DELIVERED).wait(5000)
    assert story.texts().count("son") == attempts


def test_a_newer_call_for_help_stands_for_the_older_one(make_story):
    """An hour without a line must not end in a dozen texts to each."""
    story = make_story(rounds=1).opened()
    for _ in range(400):
        for facts in story.incident.legs:
            if facts.leg.channel in {Channel.TEXT, Channel.CALL} and facts.is_open:
                story.report(facts.leg.leg_id, LegState.UNREACHED)
        story.wait(5)
    orders = len(story.orders)
    story.wait(130)
    new = [
        order.leg.contact
        for order in story.orders[orders:]
        if isinstance(order, SendText) and order.leg.contact == "son"
    ]
    assert 1 <= len(new) <= 3


# --------------------------------------------------------------------------- after a restart


def kinds(orders):
    return sorted({type(order) for order in orders}, key=lambda kind: kind.__name__)


def test_a_restarted_gateway_owes_what_was_ordered_and_never_intended(make_story):
    story = dead_story(make_story)
    orders = owed(story.incident, frozenset(), story.now)
    assert kinds(orders) == [PlaceCall, SendBeidou, SendText, SoundSiren]
    assert {order.leg.leg_id for order in orders} == {
        facts.leg.leg_id for facts in story.incident.legs if facts.state is LegState.ORDERED
    }
    made = [order for order in orders if isinstance(order, SendBeidou | SoundSiren)]
    assert all(order in story.orders for order in made)


def test_what_is_on_record_is_not_ordered_again(make_story):
    story = dead_story(make_story)
    intended = frozenset(facts.leg.leg_id for facts in story.incident.legs)
    assert owed(story.incident, intended, story.now) == ()


def test_when_somebody_has_it_neither_siren_nor_station_is_owed_but_the_silence_is(make_story):
    story = dead_story(make_story, acks_wanted=2)
    siren = sirens(story)[0]
    story.report(siren, LegState.PLACED).press("i1.1.son.text.1", via="text")
    orders = owed(story.incident, frozenset({siren}), story.now + timedelta(hours=1))
    assert HangUp(leg_id=siren) in orders
    assert not any(isinstance(order, SendBeidou | SoundSiren) for order in orders)
