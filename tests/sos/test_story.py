"""The story of an incident: what one step meant, in lines a person understands."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sos import texts
from sos.cascade import step
from sos.events import (
    Acknowledged,
    CancelPressed,
    Channel,
    HangUp,
    KeyPressed,
    Leg,
    LegReported,
    LegState,
    Moved,
    Opened,
    PressedAgain,
    Resolved,
    SendBeidou,
    SoundSiren,
    TellBand,
    TimerDue,
)
from sos.incident import LegFacts
from sos.story import Line, What, joined, lines
from sos.story_words import PURPOSES, in_words

PHONE = re.compile(r"\+?\d{7,}")


class Teller:
    """A story driver whose every step is told, and whose lines are kept."""

    def __init__(self, story) -> None:
        self.story = story
        self.told = []
        self._tell = story.tell
        story.tell = self.tell

    def tell(self, event):
        before = self.story.incident
        orders = self._tell(event)
        self.told += lines(before, event, self.story.incident, tuple(orders), self.story.now)
        return orders

    def said(self):
        """Everything so far as (what, who, detail), and begins anew."""
        told, self.told = self.told, []
        return [(line.what.value, line.who, line.detail) for line in told]


@pytest.fixture
def told(make_story):
    def make(**more):
        story = make_story(**more)
        teller = Teller(story)
        story.opened()
        return story, teller

    return make


def test_the_press_is_told_with_everybody_who_is_told_of_it(told):
    _story, teller = told()
    assert teller.said() == [
        ("opened", "张桂兰", "sos"),
        ("round_began", "family", "1"),
        ("text_ordered", "李建国", "alarm"),
        ("text_ordered", "李晓梅", "alarm"),
        ("call_ordered", "李建国", "1"),
    ]


def test_an_opening_told_without_the_incident_before_is_the_same(make_story):
    story = make_story()
    opening = story.incident
    after, orders = step(opening, Opened(), story.now)
    assert lines(None, Opened(), after, orders, story.now) == lines(
        opening, Opened(), after, orders, story.now
    )


def test_a_call_nobody_answers_is_followed_to_the_next(told):
    story, teller = told()
    teller.said()
    story.call_ends()
    assert teller.said() == [
        ("leg", "李建国", "placed"),
        ("leg", "李建国", "ringing"),
        ("leg", "李建国", "no_answer"),
        ("call_ordered", "李晓梅", "1"),
    ]


def test_a_one_is_told_once_with_who_took_it_and_what_follows(told):
    story, teller = told()
    first, second = story.incident.calling, story.text_leg("daughter")
    story.report(first, LegState.PLACED, LegState.RINGING, LegState.ANSWERED)
    teller.said()
    story.press(second, via="text")
    assert teller.said() == [
        ("key", "李晓梅", "1"),
        ("acknowledged", "李晓梅", "text"),
        ("leg", "李建国", "hung_up"),
        ("band_told", "", "help_is_coming"),
        ("text_ordered", "李建国", "taken"),
        ("text_ordered", "李晓梅", "confirmed"),
    ]


def test_the_lines_of_a_leg_name_its_channel_and_its_carrier(told):
    story, teller = told()
    leg_id = story.incident.calling
    teller.told.clear()
    story.report(leg_id, LegState.PLACED, carrier="gsm_modem")
    (line,) = teller.told
    assert (line.channel, line.carrier) == ("call", "gsm_modem")
    assert in_words(line) == "李建国 电话 已发出（本机电话卡）"
    assert in_words(line, "en") == "李建国 call sent (own SIM card)"


def test_an_intent_is_our_own_affair(told):
    story, teller = told()
    teller.said()
    story.report(story.incident.calling, LegState.INTENDED)
    assert teller.said() == []


def test_a_report_that_is_no_news_has_no_line(told):
    story, teller = told()
    story.report(story.incident.calling, LegState.PLACED)
    teller.said()
    story.report(story.incident.calling, LegState.PLACED)
    assert teller.said() == []


def test_two_passes_it_on(told):
    story, teller = told()
    story.report(story.incident.calling, LegState.PLACED, LegState.RINGING, LegState.ANSWERED)
    teller.said()
    story.press(story.incident.calling, digit="2")
    assert teller.said() == [("key", "李建国", "2"), ("call_ordered", "李晓梅", "1")]


def test_a_key_for_a_leg_that_is_no_longer_remembered_names_the_contact(told):
    story, teller = told()
    teller.said()
    story.press("i1.9.daughter.call.1")
    assert teller.said()[:2] == [("key", "李晓梅", "1"), ("acknowledged", "李晓梅", "call")]


def test_a_second_press_a_move_and_a_cancel_are_told_of_the_wearer(told):
    story, teller = told()
    teller.said()
    story.wait(5)
    story.tell(PressedAgain(at=story.now, lat=31.1554, lon=121.1051, where="中心花园"))
    assert ("pressed_again", "张桂兰", "2") in teller.said()
    story.tell(Moved(at=story.now + timedelta(seconds=1), lat=31.157, lon=121.107, where="北门"))
    assert ("moved", "张桂兰", "北门") in teller.said()
    story.tell(CancelPressed(at=story.now))
    said = teller.said()
    assert said[0] == ("cancelled", "张桂兰", "")
    assert ("text_ordered", "李建国", "cancelled") in said
    assert ("band_told", "", "cancelled") in said


def test_a_step_that_changes_only_degrees_has_no_line(told):
    story, teller = told()
    teller.said()
    story.tell(Moved(at=story.now + timedelta(seconds=1), lat=31.15531, lon=121.10501, where="3栋东门附近"))
    assert teller.said() == []


def test_everybody_rung_in_vain_and_the_beginning_again_are_told(told):
    story, teller = told(rounds=1)
    for _ in range(3):
        story.call_ends()
    said = teller.said()
    assert ("round_began", "staff", "2") in said
    assert ("exhausted", "", "") in said
    story.wait(301)
    assert teller.said()[:2] == [("began_again", "", "2"), ("round_began", "family", "3")]


def test_taken_and_not_closed_in_time_names_who_had_it(told):
    story, teller = told()
    story.tell(Acknowledged(by="周敏", at=story.now))
    assert ("acknowledged", "周敏", "portal") in teller.said()
    story.wait(901)
    assert teller.said()[0] == ("not_closed", "周敏", "")
    story.tell(Resolved(by="周敏", at=story.now, note="已到家中，老人平安"))
    assert ("resolved", "周敏", "已到家中，老人平安") in teller.said()


def a_leg(channel: Channel, name: str) -> Leg:
    return Leg(
        leg_id=f"i1.1.x.{channel}.1",
        incident="i1",
        contact="x",
        name=name,
        phone="0123456",
        role="site",
        channel=channel,
        round=1,
        attempt=1,
    )


def test_the_siren_and_the_beidou_message_have_lines_of_their_own(make_story):
    story = make_story().opened()
    siren, station = a_leg(Channel.SIREN, "3栋楼道"), a_leg(Channel.BEIDOU, "居委会北斗站")
    facts = LegFacts(leg=siren, state=LegState.RINGING, ordered_at=story.now, at=story.now)
    before = replace(story.incident, legs=(*story.incident.legs, facts))
    due = TimerDue(name="repeat", due_at=story.now)
    orders = (SendBeidou(leg=station, body="00"), SoundSiren(leg=siren, script="请帮忙"))
    said = [
        (line.what, line.who, line.channel) for line in lines(story.incident, due, before, orders, story.now)
    ]
    assert said == [
        (What.BEIDOU_ORDERED, "居委会北斗站", "beidou"),
        (What.SIREN_ON, "3栋楼道", "siren"),
    ]
    quiet = replace(facts, state=LegState.HUNG_UP)
    after = replace(before, legs=(*story.incident.legs, quiet))
    off = lines(before, due, after, (HangUp(leg_id=siren.leg_id),), story.now)
    assert [line.what for line in off] == [What.SIREN_OFF]


def test_whom_the_band_rings_back_is_told_by_name_and_never_by_number(make_story):
    story = make_story().opened()
    order = TellBand(command="call_back", phone="+8613800138002")
    (line,) = lines(story.incident, TimerDue(name="x", due_at=story.now), story.incident, (order,), story.now)
    assert in_words(line) == "让手环回拨 李晓梅"
    stranger = TellBand(command="call_back", phone="+8613900000000")
    (line,) = lines(
        story.incident, TimerDue(name="x", due_at=story.now), story.incident, (stranger,), story.now
    )
    assert line.who == ""


def test_neighbours_that_differ_only_in_the_person_are_one_line(told):
    _story, teller = told()
    assert [in_words(line) for line in joined(teller.told)] == [
        "张桂兰 按下求救",
        "第 1 轮电话：亲属",
        "短信给 李建国、李晓梅：报警",
        "拨打 李建国（第 1 轮）",
    ]


def test_a_line_never_lies_ahead_of_its_step(told):
    story, teller = told()
    teller.told.clear()
    leg_id = story.incident.calling
    story.tell(LegReported(leg_id=leg_id, state=LegState.PLACED, at=story.now + timedelta(hours=1)))
    assert [line.at for line in teller.told] == [story.now]


@pytest.mark.parametrize("what", What)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_line_has_words_in_both_languages(what, lang, told):
    story, _teller = told()
    line = Line(at=story.now, what=what, who="李晓梅", channel="call", detail="busy", carrier="twilio")
    words = in_words(line, lang)
    assert words
    assert "None" not in words
    if lang == "en":
        assert not re.search(r"[\u4e00-\u9fff]", words.replace("李晓梅", ""))


def test_several_people_wanted_are_counted_as_they_come(told):
    story, teller = told(acks_wanted=2)
    teller.said()
    story.press(story.text_leg("daughter"), via="text")
    said = teller.said()
    assert ("taken", "李晓梅", "1/2") in said
    assert not any(what == "acknowledged" for what, _who, _detail in said)
    story.press(story.text_leg("son"), via="text")
    assert ("acknowledged", "李建国", "text") in teller.said()


def test_every_purpose_of_a_text_has_words():
    assert set(PURPOSES) >= set(texts.PURPOSES)


EVENTS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5), st.integers(0, 90)), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choices=EVENTS)
def test_whatever_happens_is_told_without_a_number_and_in_both_languages(make_story, choices):
    story = make_story(rounds=1)
    teller = Teller(story)
    story.opened()
    states = list(LegState)
    for kind, which, seconds in choices:
        story.wait(seconds)
        legs = story.incident.legs
        leg_id = legs[which % len(legs)].leg.leg_id if legs else "i1.1.son.call.1"
        match kind:
            case 0:
                story.tell(PressedAgain(at=story.now))
            case 1:
                story.tell(Moved(at=story.now, lat=31.1 + which / 100, lon=121.1))
            case 2:
                story.tell(CancelPressed(at=story.now))
            case 3:
                story.tell(Acknowledged(by="周敏", at=story.now))
            case 4:
                story.tell(Resolved(by="周敏", at=story.now))
            case 5 | 6:
                story.tell(KeyPressed(leg_id=leg_id, digit=str(which), at=story.now))
            case _:
                story.report(leg_id, states[(kind * 7 + which) % len(states)])
    for line in teller.told:
        for lang in ("zh", "en"):
            assert not PHONE.search(in_words(line, lang))
        assert not PHONE.search(line.who + line.carrier)
