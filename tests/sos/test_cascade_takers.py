"""Who takes it, how many are wanted, who is on duty, and ringing back: told as stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sos.events import Acknowledged, CancelPressed, KeyPressed, LegReported, LegState, Moved, Resolved
from sos.plan import Contact
from sos.shifts import parse_shift

SON = Contact(contact="son", name="李建国", phone="+8613800138001", relation="儿子")
DAUGHTER = Contact(contact="daughter", name="李晓梅", phone="+8613800138002", relation="女儿")
DESK = Contact(contact="desk", name="值班 周敏", phone="+8613800138090", role="staff")
AUNT = Contact(contact="aunt", name="李桂芬", phone="+8613800138003")
DAY = Contact(
    contact="day",
    name="日班",
    phone="+8613800138091",
    role="staff",
    shifts=(parse_shift("daily 08:00-20:00"),),
)
NIGHT_DESK = Contact(
    contact="night",
    name="夜班",
    phone="+8613800138092",
    role="staff",
    shifts=(parse_shift("daily 20:00-08:00"),),
)


def band_orders(story):
    return [(order.command, order.phone) for order in story.orders if hasattr(order, "command")]


# --------------------------------------------------------------------------- several acknowledgements


def test_two_are_wanted_and_the_first_is_not_enough(make_story):
    story = make_story(family=(SON, DAUGHTER, AUNT), acks_wanted=2).opened()
    son = story.incident.calling
    story.report(son, LegState.RINGING, LegState.ANSWERED).press(son)
    assert (story.phase, story.ringing) == ("notifying", "daughter")
    assert story.incident.acknowledged_by == "李建国"
    assert story.texts("joined") == ["daughter", "aunt"]
    assert "李建国已接手，还需1人" in story.bodies("joined")[0]
    assert band_orders(story) == [("help_is_coming", "")]
    assert son not in story.hung_up(), "he is still hearing the word that it was noted"
    daughter = story.incident.calling
    story.report(daughter, LegState.RINGING, LegState.ANSWERED).press(daughter)
    assert story.phase == "acknowledged"
    assert [one.name for one in story.incident.takers] == ["李建国", "李晓梅"]
    assert story.incident.acknowledged_by == "李建国", "the first who took it"
    assert story.texts("taken") == ["son", "aunt"]
    assert "李建国、李晓梅已接手" in story.bodies("taken")[0]
    assert band_orders(story) == [("help_is_coming", "")], "told once"
    assert set(story.timers) == {"ack"}


def test_the_second_person_hears_who_has_it_and_how_many_more_are_wanted(make_story):
    story = make_story(acks_wanted=2).opened().press("i1.1.son.call.1")
    script = next(order.script for order in reversed(story.orders) if hasattr(order, "script"))
    assert "李建国已接手，还需1人" in script


def test_who_took_it_by_text_is_not_rung_on_and_somebody_elses_call_goes_on(make_story):
    story = make_story(family=(SON, DAUGHTER, AUNT), acks_wanted=2).opened()
    story.press(story.text_leg("daughter"), via="text")
    assert story.ringing == "son"
    assert story.hung_up() == []
    assert story.texts("confirmed") == ["daughter"]
    story.call_ends()
    assert story.ringing == "aunt", "the daughter has it"


def test_who_takes_it_by_text_while_being_rung_is_hung_up_and_the_next_is_rung(make_story):
    story = make_story(acks_wanted=2).opened()
    story.press(story.text_leg("son"), via="text")
    assert story.hung_up() == ["i1.1.son.call.1"]
    assert story.ringing == "daughter"


def test_the_same_person_twice_is_one_person(make_story):
    story = make_story(acks_wanted=2).opened().press("i1.1.son.call.1").wait(1)
    story.press(story.text_leg("son"), via="text")
    story.tell(Acknowledged(by="李建国", at=story.now))
    story.tell(Acknowledged(by="son", at=story.now, contact="son"))
    assert (story.phase, len(story.incident.takers)) == ("notifying", 1)


def test_when_the_whole_ladder_is_through_whoever_has_it_has_it(make_story):
    story = make_story(acks_wanted=3, rounds=1).opened().press("i1.1.son.call.1")
    story.call_ends()
    assert story.ringing == "desk", "the staff are rung too"
    story.call_ends()
    assert (story.phase, set(story.timers)) == ("acknowledged", {"ack"})
    assert story.texts("taken") == ["son", "daughter", "desk"]
    assert "还缺2人，其余无人接听" in story.bodies("taken")[0]
    story.wait(5).press(story.text_leg("daughter"), via="text")
    assert [one.contact for one in story.incident.takers] == ["son", "daughter"], "a late 1 still counts"
    assert story.texts("confirmed") == ["daughter"]


def test_more_people_than_there_are_telephones_are_never_waited_for(make_story):
    twin = replace(SON, contact="twin", name="孙丽")
    story = make_story(family=(SON, twin), staff=(), acks_wanted=3).opened().press("i1.1.son.call.1")
    assert story.phase == "acknowledged"


def test_not_closed_in_time_the_wanted_number_is_wanted_anew(make_story):
    story = make_story(acks_wanted=2).opened()
    story.press("i1.1.son.call.1").press("i1.1.daughter.call.1").wait(901)
    assert (story.phase, story.incident.takers, story.ringing) == ("notifying", (), "daughter")
    story.press(story.incident.calling)
    assert story.phase == "notifying"
    story.press(story.incident.calling)
    assert story.phase == "acknowledged"


def test_a_gentle_plan_waits_for_the_second_text_before_it_rings(make_story):
    story = make_story(acks_wanted=2, calls_after_s=60).opened().press("i1.1.son.text.1", via="text")
    assert (story.phase, story.rung) == ("notifying", [])
    story.wait(60)
    assert story.rung == ["daughter 1.1"]


def test_texts_of_a_second_acknowledgement_have_names_of_their_own(make_story):
    """A gentle plan taken before its first round, left, and taken again: the same leg would not be sent."""
    story = make_story(calls_after_s=60, ack_timeout_s=30).opened().press("i1.1.son.text.1", via="text")
    story.wait(31).press("i1.1.son.text.1", via="text")
    legs = [order.leg.leg_id for order in story.orders if hasattr(order, "leg")]
    assert len(legs) == len(set(legs))
    assert story.texts("confirmed") == ["son", "son"]


def test_moves_are_told_to_everybody_who_has_it(make_story):
    story = make_story(family=(SON, DAUGHTER, AUNT), acks_wanted=2).opened()
    story.press("i1.1.son.call.1").press("i1.1.aunt.call.1").wait(130)
    story.tell(Moved(at=story.now, lat=31.16, lon=121.105, where="中心花园", where_en="the central garden"))
    assert story.texts("position") == ["son", "aunt"]
    assert story.incident.where_en == "the central garden"


def test_a_person_who_is_being_rung_may_take_it_on_the_portal(story):
    story.tell(Acknowledged(by="李建国", at=story.now, contact="son"))
    assert story.incident.takers[0].contact == "son"
    assert (story.hung_up(), story.texts("taken")) == (["i1.1.son.call.1"], ["daughter"])


def test_a_duty_person_nobody_has_told_yet_may_take_it_on_the_portal(story):
    story.tell(Acknowledged(by="desk", at=story.now))
    assert (story.incident.acknowledged_by, story.incident.acknowledged_contact) == (DESK.name, "desk")


# --------------------------------------------------------------------------- shifts


def to_the_staff(story):
    while story.ringing in {"son", "daughter"}:
        story.call_ends()
    return story


def test_only_those_on_duty_are_texted_and_rung_in_the_first_cycle(make_story):
    story = to_the_staff(make_story(staff=(DAY, NIGHT_DESK), rounds=1).opened())  # it is 20:03
    assert (story.texts(), story.ringing) == (["son", "daughter", "night"], "night")
    story.call_ends()
    assert story.phase == "exhausted"


def test_from_the_second_cycle_on_everybody_is_rung_those_on_duty_first(make_story):
    story = to_the_staff(make_story(staff=(DAY, NIGHT_DESK), rounds=1).opened()).call_ends().wait(301)
    to_the_staff(story)
    assert story.ringing == "night"
    story.call_ends()
    assert story.ringing == "day"
    assert story.texts() == ["son", "daughter", "night", "day"], "told before being rung, each once"


def test_when_nobody_is_on_duty_all_the_staff_are_told(make_story):
    story = to_the_staff(make_story(staff=(DAY,), rounds=1).opened())
    assert (story.texts(), story.ringing) == (["son", "daughter", "day"], "day")


def test_when_those_on_duty_pass_it_on_the_others_are_rung_after_all(make_story):
    story = make_story(staff=(DAY, NIGHT_DESK), rounds=1).opened()
    story.press("i1.2.night.call.1", "2")
    assert to_the_staff(story).ringing == "day"


def test_the_shift_that_counts_is_that_of_the_moment_of_ringing(make_story):
    before = datetime(2026, 3, 1, 11, 59, 30, tzinfo=UTC)  # 19:59:30 in Shanghai
    story = make_story(staff=(DAY, NIGHT_DESK), rounds=1, at=before)
    story.now = before
    assert to_the_staff(story.opened()).ringing == "night"


# --------------------------------------------------------------------------- key 3


def test_a_3_takes_it_and_lets_the_band_ring_back_when_the_call_is_over(story):
    story.press(story.incident.calling, "3")
    assert story.phase == "acknowledged"
    story.wait(7)
    assert band_orders(story) == [("help_is_coming", "")]
    story.wait(1)
    assert band_orders(story) == [("help_is_coming", ""), ("call_back", SON.phone)]
    story.wait(100)
    assert len(band_orders(story)) == 2


def test_the_same_3_delivered_again_rings_back_once(story):
    event = KeyPressed(leg_id=story.incident.calling, digit="3", at=story.now)
    story.tell(event)
    story.wait(10).tell(event)
    story.wait(10)
    assert band_orders(story).count(("call_back", SON.phone)) == 1


def test_a_3_takes_it_where_no_band_can_ring_back_too_though_nobody_was_told_of_it(make_story):
    story = make_story(call_back=False).opened()
    story.press(story.incident.calling, "3").wait(30)
    assert story.phase == "acknowledged"
    assert band_orders(story) == [("help_is_coming", "")]
    assert not any("按3" in getattr(order, "script", "") for order in story.orders)


def test_who_has_it_may_ask_for_the_call_back_later_and_nobody_else(story):
    story.press("i1.1.son.call.1").wait(60).press("i1.1.daughter.text.1", "3", via="text").wait(20)
    assert ("call_back", DAUGHTER.phone) not in band_orders(story)
    story.press("i1.1.son.text.1", "3", via="text").wait(20)
    assert band_orders(story)[-1] == ("call_back", SON.phone)


def test_the_call_back_of_the_first_survives_the_second_taking_it(make_story):
    story = make_story(acks_wanted=2).opened().press("i1.1.son.call.1", "3").wait(3)
    story.press(story.incident.calling).wait(10)
    assert band_orders(story)[-1] == ("call_back", SON.phone)


def test_closed_within_those_seconds_nobody_is_rung_back(story):
    story.press(story.incident.calling, "3").tell(Resolved(by="周敏", at=story.now))
    story.wait(60)
    assert band_orders(story) == [("help_is_coming", "")]


def test_a_3_on_a_leg_long_forgotten_takes_it(story):
    story.press("i1.77.daughter.call.1", "3").wait(10)
    assert band_orders(story)[-1] == ("call_back", DAUGHTER.phone)


# --------------------------------------------------------------------------- drills and late cancels


def test_a_drill_nobody_takes_ends_when_everybody_was_rung(make_story):
    story = make_story(drill=True, rounds=1).opened()
    for _ in range(3):
        story.call_ends()
    assert (story.phase, story.incident.resolved_by) == ("resolved", "演练")
    assert story.incident.note == "演练结束：无人接手"
    assert story.texts("drill_over") == ["son", "daughter", "desk"]
    story.wait(10_000)
    assert len(story.calls) == 3


def test_a_drill_somebody_took_ends_by_itself(make_story):
    story = make_story(drill=True).opened().press("i1.1.son.call.1").wait(899)
    assert story.phase == "acknowledged"
    story.wait(2)
    assert (story.phase, story.texts("drill_over")) == ("resolved", ["son", "daughter"])
    assert "李建国已接手" in story.bodies("drill_over")[0]


def test_a_drill_stops_when_a_real_alarm_comes(make_story):
    story = make_story(drill=True).opened()
    story.tell(Resolved(by="守望", at=story.now, note="真实报警"))
    assert story.hung_up() == ["i1.1.son.call.1"]
    assert story.texts("drill_over") == ["son", "daughter"]
    assert "此后收到的报警都是真的" in story.bodies("drill_over")[0]


def test_the_word_that_a_drill_is_over_is_sent_again_where_it_failed(make_story):
    story = make_story(drill=True).opened()
    story.tell(Resolved(by="周敏", at=story.now))
    for _ in range(2):
        story.report(story.text_leg("son", "drill_over"), LegState.FAILED)
    assert set(story.timers) == {"texts"}
    story.wait(31)
    assert story.texts("drill_over").count("son") == 3


def test_every_word_of_a_drill_says_so(make_story):
    story = make_story(drill=True, rounds=1, acks_wanted=2).opened().wait(70)
    story.tell(CancelPressed(at=story.now))
    story.press("i1.1.son.text.1", via="text").wait(2000)
    said = [getattr(order, "body", "") or getattr(order, "script", "") for order in story.orders]
    assert {"cancel_asked", "joined", "confirmed", "taken", "drill_over"} <= {
        order.leg.purpose for order in story.orders if hasattr(order, "leg")
    }
    assert all("演练" in words for words in said if words)


def test_a_cancel_after_it_was_taken_too_late_is_told_and_changes_nothing(story):
    story.press(story.incident.calling).wait(100).tell(CancelPressed(at=story.now))
    assert (story.phase, story.texts("cancel_asked")) == ("acknowledged", ["son", "daughter"])


def test_a_confirmed_state_of_a_text_is_answered_by_text(story):
    story.tell(LegReported(leg_id="i1.1.daughter.text.1", state=LegState.CONFIRMED, at=story.now))
    assert (story.incident.acknowledged_via, story.texts("confirmed")) == ("text", ["daughter"])


@pytest.mark.parametrize("late_s", [0, 60])
def test_a_cancel_inside_the_window_ends_it_even_when_somebody_has_it(story, late_s):
    story.press(story.incident.calling)
    story.tell(CancelPressed(at=story.incident.opened_at + timedelta(seconds=late_s)))
    assert story.phase == "cancelled"
