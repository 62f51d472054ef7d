"""The duty calendar: its arithmetic, the store on both engines, its pages, and the order to the gateways."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from gateway.told import CommandDone
from gateway.told_orders import DutyInForce, OnDuty
from portal import demo
from portal.care.duty import store
from portal.care.duty.models import DutyPerson, DutyTurn
from portal.care.duty.turns import Span, by_day, gaps, monday_of, shift_of, shift_span, week_span
from portal.care.sites.models import DutyTold
from portal.db import db, writing
from portal.people.models import User
from portal.policy import Viewer

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = dt.date(2026, 11, 23)
FORM = {"day": "2026-11-25", "shift": "day", "starts": "", "ends": "", "place": "0", "weeks": "1"}


def at(day: int, hour: int) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, tzinfo=SHANGHAI)


# ---------------------------------------------------------------- arithmetic


def test_a_night_ends_on_the_next_morning_and_is_known_for_one():
    night = shift_span(MONDAY, "night")
    assert night == Span(starts_at=at(23, 20), ends_at=at(24, 8))
    assert shift_of(night) == "night"
    assert shift_of(Span(starts_at=at(23, 9), ends_at=at(23, 12))) == "own"


def test_an_own_shift_that_ends_before_it_begins_ends_tomorrow():
    assert shift_span(MONDAY, "own", dt.time(22), dt.time(6)) == Span(starts_at=at(23, 22), ends_at=at(24, 6))


def test_gaps_are_what_nobody_covers_however_the_turns_overlap():
    turns = [
        Span(starts_at=at(23, 8), ends_at=at(23, 20)),
        Span(starts_at=at(23, 10), ends_at=at(23, 12)),
        Span(starts_at=at(23, 22), ends_at=at(24, 8)),
    ]
    within = Span(starts_at=at(23, 0), ends_at=at(25, 0))
    found = gaps(turns, within)
    assert [(one.starts_at, one.ends_at) for one in found] == [
        (at(23, 0), at(23, 8)),
        (at(23, 20), at(23, 22)),
        (at(24, 8), at(25, 0)),
    ]
    assert gaps([], within) == [within]


def test_a_gap_over_midnight_belongs_to_both_days():
    cut = by_day([Span(starts_at=at(23, 20), ends_at=at(24, 8))])
    assert {day.day: (one.starts_at.hour, one.ends_at.hour) for day, (one,) in cut.items()} == {
        23: (20, 0),
        24: (0, 8),
    }


def test_the_week_of_a_sunday_began_on_monday():
    assert monday_of(dt.date(2026, 11, 29)) == MONDAY


# ---------------------------------------------------------------- the store


@pytest.fixture
def calendar(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER)
    with store_app.app_context(), writing() as session:
        zhou = store.add_person(session, "xinhe", name="周敏", phone="+8613800138090")
        he = store.add_person(session, "xinhe", name="何强", phone="+8613800138094")
        yield session, zhou, he


def test_a_weekly_turn_stands_in_each_week_and_goes_from_one_on(calendar):
    session, zhou, _ = calendar
    made = store.add(session, zhou, shift_span(MONDAY, "day"), place=0, weeks=4)
    assert [turn.starts_at.astimezone(SHANGHAI).date().day for turn in made] == [23, 30, 7, 14]
    assert store.remove(session, made[2], following=True) == 2
    assert len(session.scalars(sa.select(DutyTurn)).all()) == 2


def test_nobody_is_on_duty_twice_at_once_and_nothing_is_added_then(calendar):
    session, zhou, he = calendar
    store.add(session, zhou, shift_span(MONDAY + dt.timedelta(days=7), "day"), place=0)
    with pytest.raises(store.Overlaps):
        store.add(session, zhou, shift_span(MONDAY, "day"), place=0, weeks=2)
    assert len(session.scalars(sa.select(DutyTurn)).all()) == 1
    store.add(session, he, shift_span(MONDAY, "day"), place=1, weeks=2)


def test_two_people_swap_and_a_week_is_copied_without_what_clashes(calendar):
    session, zhou, he = calendar
    (day,) = store.add(session, zhou, shift_span(MONDAY, "day"), place=0)
    (night,) = store.add(session, he, shift_span(MONDAY, "night"), place=0)
    store.swap(session, day, night)
    assert (day.person.name, night.person.name) == ("何强", "周敏")
    store.add(session, he, shift_span(MONDAY + dt.timedelta(days=7), "day"), place=0)
    assert store.copy_week(session, "xinhe", MONDAY) == (1, 1)
    following = store.turns(session, "xinhe", week_span(MONDAY + dt.timedelta(days=7)))
    assert [(turn.person.name, shift_of(turn)) for turn in following] == [("何强", "day"), ("周敏", "night")]


def test_the_order_rises_above_what_any_gateway_follows_and_names_everybody(calendar, store_gateway, samples):
    session, zhou, _ = calendar
    store.add(session, zhou, shift_span(MONDAY, "night"), place=0)
    follows(session, 41, samples.NOW)
    assert store.order(session, "xinhe", who=signed_in(session), now=samples.NOW) == 42
    session.commit()
    (command,) = store_gateway.commands()
    assert (command["name"], command["version"]) == ("set_duty", 42)
    (span,) = command["duty"]
    assert (span["contact"], span["phone"]) == ("duty-8613800138090", "+8613800138090")


def signed_in(session) -> Viewer:
    return session.scalar(sa.select(User).where(User.phone == "+8613800138090")).viewer


def follows(session, version, now):
    session.add(DutyTold(gateway="gw-xinhe-1", version=version, at=now, until=None, on_duty=[]))
    session.flush()


def test_a_gateway_that_joins_later_is_sent_the_calendar_once(calendar, store_app, samples):
    session, zhou, _ = calendar
    store.add(session, zhou, shift_span(MONDAY, "night"), place=0)
    store.order(session, "xinhe", who=signed_in(session), now=samples.NOW)
    session.commit()
    other = samples.Gateway(store_app, "gw-other", "another-token")
    other.send(samples.ROSTER)
    other.send(samples.ROSTER)
    assert [command["name"] for command in other.commands()] == ["set_duty"]


# ---------------------------------------------------------------- pages


def test_staff_fill_a_week_and_see_gaps_and_whether_the_gateway_follows(app, people, gateway, samples):
    gateway.send(samples.ROSTER)
    staff = people["staff"]
    assert "缺人" in staff.get("/care/duty/").text
    account = account_of(app, "+8613800138090")
    answer = staff.post("/care/duty/turns", person=f"u{account}", **FORM)
    assert answer.status_code == 302
    page = staff.get("/care/duty/").text
    assert "周敏" in page
    assert "等待守望设备" in page
    (command,) = gateway.commands()
    assert command["duty"][0]["starts_at"] == "2026-11-25T08:00:00+08:00"
    on_duty = OnDuty(contact="duty-8613800138090", name="周敏", phone="+8613800138090", source="portal")
    gateway.send(
        CommandDone(command=command["command"], done=True),
        DutyInForce(version=1, at=samples.NOW, on_duty=(on_duty,)),
    )
    page = staff.get("/care/duty/").text
    assert "已照办" in page
    assert "它现在会打给：周敏" in page


def account_of(app, phone) -> int:
    with app.app_context():
        return db.session.scalar(sa.select(User.id).where(User.phone == phone))


def test_what_cannot_be_is_said_at_its_field_and_keeps_what_was_typed(app, people, gateway, samples):
    gateway.send(samples.ROSTER)
    staff = people["staff"]
    answer = staff.post("/care/duty/turns", **{**FORM, "person": "", "shift": "own", "starts": "18:00"})
    assert answer.status_code == 422
    assert "请选择谁值班。" in answer.text
    assert "请填写从几点到几点" in answer.text
    assert 'value="18:00"' in answer.text
    account = account_of(app, "+8613800138090")
    staff.post("/care/duty/turns", person=f"u{account}", **FORM)
    with app.app_context():
        person = db.session.scalar(sa.select(DutyPerson.id))
    again = staff.post("/care/duty/turns", person=f"p{person}", **FORM)
    assert again.status_code == 422
    assert "这段时间已经有班了" in again.text


def test_who_only_watches_reads_the_calendar_and_changes_nothing_and_others_find_none(
    people, gateway, samples
):
    gateway.send(samples.ROSTER)
    grid = people["grid_worker"]
    assert "值班表" in grid.get("/care/duty/").text
    assert "排一个班" not in grid.get("/care/duty/").text
    assert grid.post("/care/duty/turns", person="u2", **FORM).status_code == 404
    for role in ("guardian", "resident"):
        assert people[role].get("/care/duty/").status_code == 404


def test_the_demonstration_has_a_filled_calendar_and_fills_it_once(store_app, store_gateway, samples):
    demo.fill_duty(store_app)
    demo.fill_duty(store_app)
    with store_app.app_context():
        turns = store.turns(db.session, "xinhe", week_span(MONDAY))
        assert gaps(turns, Span(starts_at=at(23, 8), ends_at=at(30, 0))) == []
        assert len(turns) == 17
        db.session.rollback()
    store_gateway.send(samples.ROSTER)
    assert [command["version"] for command in store_gateway.commands()] == [1]
