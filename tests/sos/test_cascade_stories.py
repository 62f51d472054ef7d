"""What happens after a press, told as stories."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from sos.events import (
    Acknowledged,
    CancelPressed,
    KeyPressed,
    LegReported,
    LegState,
    Moved,
    Opened,
    PressedAgain,
    Resolved,
    TimerDue,
)
from sos.incident import Incident
from sos.plan import Contact
from sos.subject import Subject


def test_a_press_texts_all_the_family_at_once_and_rings_the_first(story):
    assert story.texts() == ["son", "daughter"]
    assert story.rung == ["son 1.1"]
    assert story.phase == "notifying"
    assert [order.leg.leg_id for order in story.orders[:2]] == ["i1.1.son.text.1", "i1.1.daughter.text.1"]


def test_the_first_does_not_answer_and_the_second_presses_1(story):
    story.call_ends(LegState.NO_ANSWER)
    assert story.ringing == "daughter"
    leg = story.incident.calling
    story.report(leg, LegState.PLACED, LegState.RINGING, LegState.ANSWERED).press(leg)
    assert story.phase == "acknowledged"
    assert story.incident.acknowledged_by == "李晓梅"
    assert story.incident.acknowledged_via == "call"
    assert story.texts("taken") == ["son"]
    assert "李晓梅已接手" in story.bodies("taken")[0]
    assert story.band() == ["help_is_coming"]
    assert leg not in story.hung_up(), "she is still hearing the word that it was noted"
    assert set(story.timers) == {"ack"}


@pytest.mark.parametrize("end", ["no_answer", "busy", "failed", "voicemail", "no_key"])
def test_every_end_without_a_1_rings_the_next_at_once(story, end):
    story.call_ends(LegState(end), after_s=0)
    assert story.rung == ["son 1.1", "daughter 1.1"]


def test_after_all_rounds_the_staff_are_texted_and_rung_and_then_it_begins_again(story):
    for _ in range(6):
        story.call_ends()
    assert story.rung[-1] == "desk 4.1"
    assert story.texts() == ["son", "daughter", "desk"]
    story.call_ends()
    assert story.phase == "exhausted"
    assert story.ringing is None
    story.wait(299)
    assert story.phase == "exhausted"
    story.wait(2)
    assert story.phase == "notifying"
    assert story.rung[-1] == "son 5.1"
    assert story.texts("reminder") == ["son", "daughter", "desk"]


def test_it_goes_on_for_a_whole_day_and_never_forgets(story):
    for _ in range(24 * 60):
        story.wait(60)
        assert story.incident.timers
    assert len(story.calls) > 500
    assert len(story.incident.legs) <= 150
    assert story.incident.legs_dropped > 0
    story.press("i1.1.son.call.1")
    assert story.incident.acknowledged_by == "李建国", "a call long forgotten still takes its 1"


def test_a_lost_answer_of_the_carrier_rings_the_next_at_once(story):
    son = story.incident.calling
    story.report(son, LegState.INTENDED, LegState.AMBIGUOUS)
    assert story.rung == ["son 1.1", "daughter 1.1"]
    story.report(son, LegState.PLACED, LegState.RINGING)
    assert len(story.calls) == 2, "found at the carrier: he is being rung, not to be rung again"
    story.call_ends()
    assert story.rung[-1] == "daughter 2.1", "he may still be ringing: the others first"
    story.report(son, LegState.NO_ANSWER).call_ends()
    assert story.rung[-1] == "son 2.1"


def test_a_call_that_was_never_placed_is_placed_again_in_the_same_round(story):
    son = story.incident.calling
    story.report(son, LegState.INTENDED, LegState.AMBIGUOUS)
    story.wait(16).report(son, LegState.ABSENT)
    assert story.rung == ["son 1.1", "daughter 1.1"], "one call at a time"
    story.call_ends()
    assert story.rung == ["son 1.1", "daughter 1.1", "son 1.2"]


def test_a_call_settled_as_absent_after_its_round_is_not_placed_again(story):
    son = story.incident.calling
    story.report(son, LegState.AMBIGUOUS).call_ends()
    assert story.rung[-1] == "daughter 2.1"
    story.report(son, LegState.ABSENT).call_ends()
    assert story.rung == ["son 1.1", "daughter 1.1", "daughter 2.1", "son 2.1"]


def test_a_call_found_alive_after_it_was_called_absent_is_not_doubled(story):
    son = story.incident.calling
    story.report(son, LegState.AMBIGUOUS)
    story.report(son, LegState.ABSENT)
    assert story.incident.queue == ("son",)
    story.report(son, LegState.RINGING)
    assert story.incident.queue == ()
    story.call_ends()
    assert "son 1.2" not in story.rung


def test_an_only_child_is_not_rung_over_their_own_unclear_call(make_story):
    story = make_story(family=(Contact(contact="son", name="李建国", phone="+8613800138001"),)).opened()
    son = story.incident.calling
    story.report(son, LegState.AMBIGUOUS).wait(21)
    assert story.rung == ["son 1.1"]
    story.report(son, LegState.RINGING)
    assert story.incident.calling == son, "found: followed to its end"
    story.report(son, LegState.NO_ANSWER)
    assert story.rung == ["son 1.1", "son 2.1"]


def test_a_call_nobody_can_settle_is_rung_again_after_a_while(make_story):
    story = make_story(family=(Contact(contact="son", name="李建国", phone="+8613800138001"),)).opened()
    story.report(story.incident.calling, LegState.AMBIGUOUS).wait(70)
    assert story.rung == ["son 1.1", "son 2.1"]


def test_a_call_nobody_reports_of_is_ended_by_its_guard(story):
    story.wait(79)
    assert story.rung == ["son 1.1"]
    story.wait(2)
    assert story.rung == ["son 1.1", "daughter 1.1"]
    assert story.hung_up() == ["i1.1.son.call.1"]
    story.report("i1.1.son.call.1", LegState.ANSWERED)
    assert story.hung_up() == ["i1.1.son.call.1"] * 2, "it comes to life after all: ended again"
    story.press("i1.1.son.call.1")
    assert story.phase == "acknowledged", "and its 1 counts"


def test_an_answered_call_has_time_for_the_script(story):
    leg = story.incident.calling
    story.wait(30).report(leg, LegState.RINGING).wait(20).report(leg, LegState.ANSWERED).wait(44)
    assert story.rung == ["son 1.1"]
    story.wait(2)
    assert story.rung[-1] == "daughter 1.1"


def test_a_busy_family_is_given_time_before_the_next_round(story):
    story.call_ends(LegState.BUSY, after_s=1).call_ends(LegState.BUSY, after_s=1)
    assert len(story.rung) == 2
    story.wait(19)
    assert story.rung[-1] == "son 2.1"


def test_when_no_telephone_can_be_rung_at_all_it_begins_again_soon(story):
    for _ in range(400):
        if story.phase == "exhausted":
            break
        if story.incident.calling:
            story.report(story.incident.calling, LegState.FAILED)
        else:
            story.wait(1)
    began = story.now
    story.wait(61)
    assert story.phase == "notifying"
    assert story.now - began <= timedelta(seconds=61)


@pytest.mark.parametrize(
    "leg_id",
    [
        "i1.1.son.call.1",
        "i1.1.son.text.1",
        "i1.1.son.call.9",
        "i1.77.daughter.call.1",
        "i1.3.stranger.call.1",
    ],
)
def test_a_1_on_any_leg_of_the_incident_takes_it(story, leg_id):
    story.press(leg_id)
    assert story.phase == "acknowledged"


def test_a_1_on_a_leg_of_another_incident_is_nothing(story):
    story.press("i10.1.son.call.1")
    assert story.phase == "notifying"


def test_other_digits_mean_nothing(story):
    before = story.incident
    story.press(story.incident.calling, digit="5")
    assert story.incident is before


def test_a_1_by_text_is_answered_by_text(story):
    story.press(story.text_leg("daughter"), via="text")
    assert story.texts("confirmed") == ["daughter"]
    assert story.texts("taken") == ["son"]
    assert story.hung_up() == ["i1.1.son.call.1"]


def test_a_2_rings_the_next_and_spares_the_person_for_this_cycle(story):
    leg = story.incident.calling
    story.report(leg, LegState.RINGING, LegState.ANSWERED).press(leg, "2")
    assert story.ringing == "daughter"
    assert leg in story.hung_up()
    for _ in range(3):
        story.call_ends()
    assert "son 2.1" not in story.rung
    assert story.ringing == "desk"


def test_when_all_the_family_pass_the_staff_are_rung_at_once(story):
    story.press(story.text_leg("daughter"), "2", via="text").press(story.incident.calling, "2")
    assert story.ringing == "desk"


def test_the_portal_takes_it_and_everybody_hears_who(story):
    story.tell(Acknowledged(by="值班 周敏", at=story.now))
    assert story.phase == "acknowledged"
    assert story.texts("taken") == ["son", "daughter"]
    assert story.hung_up() == ["i1.1.son.call.1"]


def test_the_second_who_takes_it_does_not_push_out_the_first(story):
    story.press(story.incident.calling)
    story.press("i1.1.daughter.text.1", via="text").tell(Acknowledged(by="someone", at=story.now))
    assert story.incident.acknowledged_by == "李建国"


def test_an_unclear_call_that_comes_to_life_after_the_1_is_hung_up(story):
    son = story.incident.calling
    story.report(son, LegState.AMBIGUOUS).press(story.incident.calling)
    assert son in story.hung_up()
    count = len(story.hung_up())
    story.report(son, LegState.PLACED)
    assert len(story.hung_up()) == count + 1
    story.report(son, LegState.PLACED)
    assert len(story.hung_up()) == count + 1


def test_taken_and_not_closed_rings_again_the_next_contact_first(story):
    story.press(story.incident.calling)
    story.wait(901)
    assert story.phase == "notifying"
    assert story.ringing == "daughter"
    assert story.texts("unresolved") == ["son", "daughter"]
    assert "李建国接手15分钟后仍未处理完" in story.bodies("unresolved")[0]
    story.call_ends()
    assert story.ringing == "son"


def test_the_same_1_delivered_again_does_not_quiet_the_second_ringing(story):
    event = KeyPressed(leg_id=story.incident.calling, digit="1", at=story.now)
    story.tell(event)
    story.wait(901)
    story.tell(event)
    assert story.phase == "notifying"
    story.press(event.leg_id)
    assert story.phase == "acknowledged", "pressed once more it is a new word"


def test_closing_it_stops_everything(story):
    story.tell(Resolved(by="周敏", at=story.now, note="到场，平安"))
    assert (story.phase, story.timers, story.incident.note) == ("resolved", {}, "到场，平安")
    assert story.hung_up() == ["i1.1.son.call.1"]
    texts = len(story.texts())
    story.wait(100_000)
    assert len(story.texts()) == texts


def test_a_second_press_joins_and_is_told(story):
    story.wait(130).tell(PressedAgain(at=story.now, lat=31.157, lon=121.105, where="中心花园"))
    assert story.incident.presses == 2
    assert story.texts("position") == ["son", "daughter"]
    assert "再次求救（第2次），在中心花园" in story.bodies("position")[0]


def test_the_same_press_delivered_twice_counts_once(story):
    event = PressedAgain(at=story.now + timedelta(seconds=3))
    story.tell(event)
    story.tell(event)
    assert story.incident.presses == 2


def test_a_press_while_it_waits_to_begin_again_rings_at_once(story):
    for _ in range(7):
        story.call_ends()
    assert story.phase == "exhausted"
    story.tell(PressedAgain(at=story.now))
    assert story.phase == "notifying"
    assert story.ringing == "son"


def test_a_walking_wearer_is_told_of_once_an_interval_and_the_last_place_is_not_lost(story):
    for second in range(0, 100, 10):
        story.wait(10).tell(Moved(at=story.now, lat=31.1553 + second * 1e-5, lon=121.1050))
    assert story.texts("position") == []
    story.wait(21)
    assert story.texts("position") == ["son", "daughter"], "the timer sends the last place"
    story.wait(500)
    assert len(story.texts("position")) == 2


def test_small_and_old_moves_are_not_worth_a_text(story):
    story.wait(200).tell(Moved(at=story.now, lat=31.15531, lon=121.1050))
    story.tell(Moved(at=story.now - timedelta(seconds=300), lat=31.2, lon=121.1050))
    assert story.texts("position") == []


def test_the_first_fix_of_a_wearer_nobody_could_place_is_told_at_once(make_story):
    story = make_story(lat=None, lon=None).opened()
    story.wait(5).tell(Moved(at=story.now, lat=31.1553, lon=121.1050))
    assert story.texts("position") == ["son", "daughter"]


def test_after_it_was_taken_only_the_person_who_has_it_hears_of_moves(story):
    story.press(story.incident.calling)
    story.wait(130).tell(Moved(at=story.now, lat=31.160, lon=121.1050))
    assert story.texts("position") == ["son"]


def test_a_cancel_in_time_quiets_the_telephones_and_still_asks_to_check(story):
    story.wait(20).tell(CancelPressed(at=story.now))
    assert story.phase == "cancelled"
    assert story.texts("cancelled") == ["son", "daughter", "desk"]
    assert story.hung_up() == ["i1.1.son.call.1"]
    assert story.band() == ["cancelled"]
    assert "取消" in story.bodies("cancelled")[0]
    assert "请致电确认" in story.bodies("cancelled")[0]
    calls = len(story.calls)
    story.wait(10_000)
    assert len(story.calls) == calls


def test_a_cancel_from_before_the_press_changes_nothing(story):
    before = story.incident
    story.tell(CancelPressed(at=story.incident.opened_at - timedelta(seconds=1)))
    assert story.incident is before


def test_a_cancel_too_late_rings_on_and_everybody_told_hears_of_it_once(story):
    for after_s in (61, 61, 90):
        story.wait(30).tell(CancelPressed(at=story.incident.opened_at + timedelta(seconds=after_s)))
    assert (story.phase, story.hung_up(), story.band()) == ("notifying", ["i1.1.son.call.1"], [])
    assert story.texts("cancel_asked") == ["son", "daughter"]
    assert "按了取消，但已超时" in story.bodies("cancel_asked")[0]
    assert "请仍确认平安" in story.bodies("cancel_asked")[0]
    assert story.incident.cancel_asked_at == story.incident.opened_at + timedelta(seconds=61)


def test_a_failed_text_is_sent_again_a_bounded_number_of_times(story):
    for _ in range(20):
        leg = story.text_leg("son")
        story.report(leg, LegState.FAILED)
        story.wait(1)
    assert story.texts().count("son") == 2, "the third waits for its time"
    for _ in range(2000):
        story.wait(1).report(story.text_leg("son"), LegState.FAILED)
    assert story.texts().count("son") == 6
    assert story.text_leg("son").endswith(".text.6")


def test_the_text_asking_to_check_is_sent_again_too(story):
    story.tell(CancelPressed(at=story.now))
    story.report(story.text_leg("son", "cancelled"), LegState.FAILED)
    assert story.texts("cancelled").count("son") == 2


def test_a_gentle_plan_texts_first_and_rings_only_if_nobody_took_it(make_story):
    story = make_story(calls_after_s=60).opened()
    assert (story.texts(), story.rung) == (["son", "daughter"], [])
    story.wait(59)
    assert story.rung == []
    story.wait(1)
    assert story.rung == ["son 1.1"]
    taken = make_story(calls_after_s=60).opened().press("i1.1.son.text.1", via="text").wait(60)
    assert taken.rung == []


CRISIS = Subject(name="张桂兰", kind="vitals", code="systolic_crisis_high", value=196, limit=180, unit="mmHg")


def test_a_worse_one_is_texted_and_ends_a_gentle_plans_wait_once(make_story):
    story = make_story(calls_after_s=60).opened().wait(10)
    story.tell(PressedAgain(at=story.now))
    assert story.rung == [], "one that can wait, waits"
    story.wait(5).tell(PressedAgain(at=story.now, worse=CRISIS))
    assert story.texts("worse") == ["son", "daughter"]
    assert "情况加重：张桂兰" in story.bodies("worse")[0]
    assert "196" in story.bodies("worse")[0]
    assert story.rung == ["son 1.1"]
    story.wait(5).tell(PressedAgain(at=story.now, worse=CRISIS))
    assert story.texts("worse") == ["son", "daughter"] * 2
    assert story.rung == ["son 1.1"]
    assert story.texts("position") == [], "nothing is said twice"


def test_of_a_worse_one_whoever_has_it_is_told_and_nobody_is_rung(story):
    story.press("i1.1.daughter.text.1", via="text").wait(1).tell(PressedAgain(at=story.now, worse=CRISIS))
    assert story.texts("worse") == ["daughter"]
    assert (story.phase, story.rung) == ("acknowledged", ["son 1.1"])


def test_a_worse_one_rings_nobody_where_a_plan_has_no_calls(make_story):
    story = make_story(calls=False).opened().wait(10)
    story.tell(PressedAgain(at=story.now, worse=CRISIS))
    assert (story.texts("worse"), story.rung) == (["son", "daughter"], [])


def test_a_plan_without_calls_turns_to_the_staff_and_does_not_text_for_ever(make_story):
    story = make_story(calls=False).opened().wait(301)
    assert story.texts() == ["son", "daughter", "desk"]
    story.wait(100_000)
    assert story.texts() == ["son", "daughter", "desk"]
    assert story.phase == "exhausted"
    assert story.incident.timers


def test_a_wearer_without_family_goes_to_the_staff_at_once(make_story):
    story = make_story(family=()).opened()
    assert (story.texts(), story.ringing) == (["desk"], "desk")


def test_nobody_at_all_stays_open_for_the_portal(make_story):
    story = make_story(family=(), staff=()).opened().wait(5000)
    assert story.phase == "exhausted"
    assert story.incident.timers


@pytest.mark.parametrize("phone", ["110", "119", "120", "+86110", "+86755110", "+8610120", "13800138001"])
def test_short_numbers_are_never_dialled_or_texted(make_story, phone):
    story = make_story(family=(Contact(contact="x", name="x", phone=phone),)).opened()
    assert "x" not in story.texts()
    assert story.ringing == "desk"


def test_a_drill_says_so_in_every_text_and_call(make_story):
    story = make_story(drill=True).opened()
    story.press(story.incident.calling)
    bodies = [getattr(order, "body", getattr(order, "script", None)) for order in story.orders]
    said = [body for body in bodies if body]
    assert len(said) == 4
    assert all("演练" in body for body in said)


def test_late_doubled_and_reordered_reports_change_nothing(story):
    leg = story.incident.calling
    story.report(leg, LegState.RINGING, sequence=2)
    before = story.incident
    story.report(leg, LegState.PLACED, sequence=1).report(leg, LegState.RINGING, sequence=2)
    story.report(leg, LegState.AMBIGUOUS).report(leg, LegState.ABSENT).report(
        "i1.9.son.call.1", LegState.BUSY
    )
    story.report(leg, LegState.ANSWERED, sequence=1)
    assert story.incident is before


def test_a_timer_that_was_moved_or_came_before_is_no_news(story):
    due_at = story.timers["guard"]
    story.call_ends()
    before = story.incident
    story.tell(TimerDue(name="guard", due_at=due_at))
    story.tell(TimerDue(name="nonsense", due_at=due_at))
    story.tell(Opened())
    assert story.incident is before


def test_a_timer_is_honoured_when_the_clock_was_set_back(story):
    due_at = story.timers["guard"]
    story.now -= timedelta(hours=1)
    story.timers.pop("guard")
    story.tell(TimerDue(name="guard", due_at=due_at))
    assert story.ringing == "daughter"


def test_an_incident_survives_the_disk_as_it_is(story):
    story.call_ends().wait(130).tell(Moved(at=story.now, lat=31.16, lon=121.1))
    written = msgspec.json.encode(story.incident)
    assert msgspec.json.decode(written, type=Incident) == story.incident
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(story.incident), type=Incident) == story.incident


def test_the_confirmed_state_of_a_leg_is_as_good_as_the_key(story):
    story.tell(LegReported(leg_id=story.incident.calling, state=LegState.CONFIRMED, at=story.now))
    assert story.phase == "acknowledged"


def test_two_contacts_with_one_telephone_get_one_text(make_story):
    twin = Contact(contact="twin", name="李建国", phone="+8613800138001")
    son = Contact(contact="son", name="李建国", phone="+8613800138001")
    story = make_story(family=(son, twin)).opened()
    assert story.texts() == ["son"]
