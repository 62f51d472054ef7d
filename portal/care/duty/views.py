"""Who is on duty: a week of turns, its gaps, and whether each gateway follows it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from portal.api.gateway import ring
from portal.care.changes import newest_change
from portal.care.duty import store
from portal.care.duty.forms import PLACES, SHIFTS, WEEKS, Turned, blank, filled, person_of, read
from portal.care.duty.turns import WEEK, begins, by_day, gaps, monday_of, on_duty_at, shift_of, week_span
from portal.db import db
from portal.fields import normal_phone
from portal.i18n import gettext, ngettext
from portal.policy import WATCHERS, Role, declare, only
from portal.security import viewer
from portal.words import clock, local, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from portal.care.duty.models import DutyTurn
    from portal.care.duty.turns import Span

SWAPS_WITHIN = 2 * WEEK

blueprint = Blueprint("duty", __name__)
STAFF = only(Role.STAFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the week: turns that begin on it, and when nobody is on duty."""

    date: dt.date
    turns: list[tuple[DutyTurn, str]]
    gaps: list[Span]
    today: bool


def days_of(turns: list[DutyTurn], monday: dt.date, today: dt.date) -> list[Day]:
    """The seven days; each turn with its shift; only what is still to come counts as a gap."""
    missing = by_day(gaps(turns, week_span(monday)))
    return [
        Day(
            date=date,
            turns=[(turn, shift_of(turn)) for turn in turns if local(turn.starts_at).date() == date],
            gaps=[] if date < today else missing.get(date, []),
            today=date == today,
        )
        for date in (monday + dt.timedelta(days=number) for number in range(7))
    ]


def _monday() -> dt.date:
    """The week asked for (`week`, any of its days), this one otherwise."""
    try:
        day = dt.date.fromisoformat(request.values.get("week", ""))
    except ValueError:
        return monday_of(local(now()).date())
    this = monday_of(local(now()).date())
    return min(max(monday_of(day), this - 104 * WEEK), this + 104 * WEEK)


@blueprint.get("/care/duty/")
@declare(only(*WATCHERS))
def page() -> str:
    """A week (`week`): turns, gaps, who is on duty now, whether each gateway has it."""
    return _page(blank(_monday(), local(now()).date()))


def _page(form: Turned) -> str:
    community, monday, today = viewer().community, _monday(), local(now()).date()
    turns = store.turns(db.session, community, week_span(monday))
    soon = store.turns(db.session, community, week_span(monday_of(today)))
    standings = store.standings(db.session, community)
    return render_template(
        "care/duty.html",
        seen=newest_change(db.session),
        monday=monday,
        sunday=monday + dt.timedelta(days=6),
        earlier=monday - WEEK,
        later=monday + WEEK,
        this=monday_of(today),
        days=days_of(turns, monday, today),
        now_on=on_duty_at(soon, now()),
        standings=standings,
        may_edit=Role.STAFF in viewer().roles,
        **_choices(),
        form=form,
    )


def _choices() -> dict[str, Any]:
    community = viewer().community
    return {
        "people": store.people(db.session, community),
        "accounts": store.accounts(db.session, community),
        "shifts": SHIFTS,
        "places": PLACES,
        "weeks": WEEKS,
    }


@blueprint.post("/care/duty/turns")
@declare(STAFF)
def add() -> ResponseReturnValue:
    """Add a turn, again weekly where asked; what cannot be is given back as it was typed."""
    form = read(request.form)
    person = person_of(db.session, viewer().community, form)
    if form.errors or person is None or form.span is None:
        db.session.rollback()
        return _page(form), HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        made = store.add(db.session, person, form.span, place=form.place, weeks=form.weeks)
    except store.Overlaps as found:
        form.errors["person"] = _taken(found.turn)
        db.session.rollback()
        return _page(form), HTTPStatus.UNPROCESSABLE_ENTITY
    count = len(made)
    said = ngettext("已排 %(num)s 个班，正在告诉守望设备。", "已排 %(num)s 个班，正在告诉守望设备。", count)
    return _ordered(said, monday_of(local(form.span.starts_at).date()))


@blueprint.get("/care/duty/turns/<int:turn_id>")
@declare(STAFF)
def turn(turn_id: int) -> str:
    """One turn: another person or time, a swap, or away with it."""
    found = _turn(turn_id)
    return _turn_page(found, filled(found))


@blueprint.post("/care/duty/turns/<int:turn_id>")
@declare(STAFF)
def edit(turn_id: int) -> ResponseReturnValue:
    """Change one turn."""
    found, form = _turn(turn_id), read(request.form)
    person = person_of(db.session, viewer().community, form)
    if not form.errors and person is not None and form.span is not None:
        try:
            store.change(db.session, found, person, form.span, place=form.place)
        except store.Overlaps as taken:
            form.errors["person"] = _taken(taken.turn)
    if form.errors:
        db.session.rollback()
        return _turn_page(_turn(turn_id), form), HTTPStatus.UNPROCESSABLE_ENTITY
    return _ordered(gettext("已改好，正在告诉守望设备。"), monday_of(local(found.starts_at).date()))


@blueprint.post("/care/duty/turns/<int:turn_id>/swap")
@declare(STAFF)
def swap(turn_id: int) -> ResponseReturnValue:
    """Two people take each other's turn."""
    one, other = _turn(turn_id), _turn(request.form.get("with", 0, type=int))
    try:
        store.swap(db.session, one, other)
    except store.Overlaps as found:
        said = _taken(found.turn)
        db.session.rollback()
        flash(said, "danger")
        return redirect(url_for("duty.turn", turn_id=turn_id))
    said = gettext("已换班：%(one)s 和 %(other)s。", one=other.person.name, other=one.person.name)
    return _ordered(said, monday_of(local(one.starts_at).date()))


@blueprint.post("/care/duty/turns/<int:turn_id>/remove")
@declare(STAFF)
def remove(turn_id: int) -> ResponseReturnValue:
    """Take a turn out, or it and all that follow in its series."""
    found = _turn(turn_id)
    monday = monday_of(local(found.starts_at).date())
    count = store.remove(db.session, found, following=request.form.get("following") == "1")
    return _ordered(ngettext("已去掉 %(num)s 个班。", "已去掉 %(num)s 个班。", count), monday)


@blueprint.post("/care/duty/copy")
@declare(STAFF)
def copy() -> ResponseReturnValue:
    """Copy a week into the next one."""
    monday = _monday()
    copied, kept = store.copy_week(db.session, viewer().community, monday)
    said = ngettext("已把 %(num)s 个班照抄到下一周。", "已把 %(num)s 个班照抄到下一周。", copied)
    if kept:
        left = ngettext("%(num)s 个班和原有的冲突，没有抄。", "%(num)s 个班和原有的冲突，没有抄。", kept)
        said = f"{said} {left}"
    return _ordered(said, monday + WEEK)


@blueprint.post("/care/duty/people")
@declare(STAFF)
def add_person() -> ResponseReturnValue:
    """Somebody without an account who takes turns: name and telephone."""
    name, typed = request.form.get("name", "").strip(), request.form.get("phone", "").strip()
    phone = normal_phone(typed)
    if not 1 <= len(name) <= 40 or phone is None:  # noqa: PLR2004  # a name people say
        form = blank(_monday(), local(now()).date())
        form.errors |= {} if name else {"name": gettext("请填写姓名。")}
        form.errors |= {} if phone else {"phone": gettext("电话号码不对，请核对后再填。")}
        form.typed |= {"name": name, "phone": typed}
        return _page(form), HTTPStatus.UNPROCESSABLE_ENTITY
    store.add_person(db.session, viewer().community, name=name, phone=phone)
    return _ordered(gettext("%(name)s 可以排班了。", name=name), _monday())


@blueprint.post("/care/duty/send")
@declare(STAFF)
def send() -> ResponseReturnValue:
    """Send the calendar again, where a gateway did not take it."""
    return _ordered(gettext("正在再次告诉守望设备。"), _monday())


def _ordered(said: str, monday: dt.date) -> ResponseReturnValue:
    """Every change is ordered at once: what is on the page is what is rung."""
    store.order(db.session, viewer().community, who=viewer(), now=now())
    db.session.commit()
    ring()
    flash(said, "good")
    return redirect(url_for("duty.page", week=monday.isoformat()))


def _turn(turn_id: int) -> DutyTurn:
    found = store.find(db.session, viewer().community, turn_id)
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _turn_page(found: DutyTurn, form: Turned) -> str:
    day = begins(local(found.starts_at).date())
    near = week_span(day.date()).later(dt.timedelta())
    within = store.turns(db.session, found.community, _around(near))
    others = [one for one in within if one.person_id != found.person_id and one.starts_at > now()]
    return render_template("care/duty_turn.html", turn=found, others=others, form=form, **_choices())


def _around(week: Span) -> Span:
    return type(week)(starts_at=week.starts_at - SWAPS_WITHIN, ends_at=week.ends_at + SWAPS_WITHIN)


def _taken(turn: DutyTurn) -> str:
    return gettext(
        "%(name)s 这段时间已经有班了（%(at)s 起）。", name=turn.person.name, at=clock(turn.starts_at)
    )
