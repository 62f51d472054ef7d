"""Who of the staff is rung when a duty calendar has turns: told as stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sos.plan import Contact, on_duty_now
from sos.shifts import Duty, parse_shift

NIGHT = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)  # 20:03 in Shanghai
HOUR = timedelta(hours=1)
SON = Contact(contact="son", name="李建国", phone="+8613800138001")
DESK = Contact(contact="desk", name="周敏", phone="+8613800138090", role="staff")
DAY = replace(DESK, contact="day", phone="+8613800138091", shifts=(parse_shift("daily 08:00-20:00"),))


def turn(begins_h: float, ends_h: float, order: int = 0) -> Duty:
    """A turn, in hours from the press."""
    return Duty(starts_at=NIGHT + begins_h * HOUR, ends_at=NIGHT + ends_h * HOUR, order=order)


def rota(name: str, *turns: Duty) -> Contact:
    """A person whom only the calendar names."""
    phone = f"+86138001380{sum(name.encode()) % 90 + 10}"
    return Contact(contact=f"duty-{name}", name=name, phone=phone, role="staff", duty=turns, rota=True)


def ringing(story):
    """Who of the staff is rung, in order, until everybody was."""
    found = []
    while story.phase == "notifying":
        if story.ringing != "son":
            found.append(story.ringing)
        story.call_ends()
    return found


def at_the_staff(make_story, *staff):
    return make_story(family=(SON,), rounds=1, staff=staff).opened()


def test_whose_turn_it_is_comes_in_place_of_the_weekly_hours(make_story):
    lin, gao = rota("lin", turn(-1, 7, order=2)), rota("gao", turn(-1, 7, order=1))
    story = at_the_staff(make_story, DESK, lin, gao)
    assert ringing(story) == ["duty-gao", "duty-lin"]
    assert story.texts("alarm") == ["son", "duty-gao", "duty-lin"]


def test_where_it_is_nobodys_turn_the_weekly_hours_count(make_story):
    story = at_the_staff(make_story, DESK, DAY, rota("lin", turn(-9, -1), turn(3, 9)))
    assert ringing(story) == ["desk"]


def test_where_it_is_nobodys_turn_and_nobodys_hour_everybody_is_rung(make_story):
    story = at_the_staff(make_story, DAY, rota("lin", turn(3, 9)))
    assert ringing(story) == ["day", "duty-lin"]


def test_from_the_second_cycle_on_the_others_are_rung_behind_those_on_duty(make_story):
    story = at_the_staff(make_story, DESK, rota("lin", turn(-1, 7)))
    assert ringing(story) == ["duty-lin"]
    story.wait(301)
    assert ringing(story) == ["duty-lin", "desk"]


def test_the_turn_that_counts_is_that_of_the_moment_of_ringing():
    early, late = rota("early", turn(-1, 1)), rota("late", turn(1, 2))
    staff = (DESK, early, late)
    assert on_duty_now(staff, NIGHT) == (early,)
    assert on_duty_now(staff, NIGHT + HOUR) == (late,)  # the end is no longer part of a turn
    assert on_duty_now(staff, NIGHT + 2 * HOUR) == (DESK,)


def test_a_configured_person_with_a_turn_is_rung_by_it_and_else_by_their_hours():
    desk = replace(DAY, duty=(turn(-1, 1),))
    assert on_duty_now((desk, DESK), NIGHT) == (desk,)
    assert on_duty_now((desk, DESK), NIGHT + 2 * HOUR) == (DESK,)
    assert on_duty_now((desk, DESK), NIGHT + 13 * HOUR) == (desk, DESK)


def test_when_everybody_whose_turn_it_is_has_passed_it_on_the_others_are_rung(make_story):
    story = at_the_staff(make_story, DESK, rota("lin", turn(-1, 7)))
    story.press("i1.2.duty-lin.call.1", "2")
    assert ringing(story) == ["desk"]
