"""The form of a turn: who, which day, which shift, first or second, how many weeks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from flask_babel import lazy_gettext
from sqlalchemy.orm import Session

from portal.care.duty import store
from portal.care.duty.models import DutyPerson, DutyTurn
from portal.care.duty.turns import MOST_WEEKS, Shift, Span, shift_of, shift_span
from portal.i18n import gettext
from portal.people.models import User
from portal.words import local, now

SHIFTS: Mapping[str, object] = {
    "day": lazy_gettext("白班 08:00–20:00"),
    "night": lazy_gettext("夜班 20:00–次日 08:00"),
    "own": lazy_gettext("自定时间"),
}
PLACES: Mapping[str, object] = {"0": lazy_gettext("主班，先打"), "1": lazy_gettext("副班，主班没接再打")}
WEEKS = (1, 2, 4, 8, 12, 26)
YEARS_AHEAD = 2


@dataclass(slots=True, kw_only=True)
class Turned:
    """What was typed, what is wrong with it by field, and what it means where nothing is."""

    typed: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    span: Span | None = None
    place: int = 0
    weeks: int = 1


def blank(monday: dt.date, today: dt.date) -> Turned:
    """An empty form for a day of the week that is shown."""
    day = today if monday <= today < monday + dt.timedelta(days=7) else monday
    typed = {"person": "", "day": day.isoformat(), "shift": "day", "starts": "08:00", "ends": "20:00"}
    return Turned(typed=typed | {"place": "0", "weeks": "1"})


def filled(turn: DutyTurn) -> Turned:
    """The form of a turn as it is."""
    starts, ends = local(turn.starts_at), local(turn.ends_at)
    return Turned(
        typed={
            "person": f"p{turn.person_id}",
            "day": starts.date().isoformat(),
            "shift": shift_of(turn),
            "starts": f"{starts:%H:%M}",
            "ends": f"{ends:%H:%M}",
            "place": str(turn.place),
            "weeks": "1",
        }
    )


def read(form: Mapping[str, str]) -> Turned:
    """Read what was sent; errors name each field."""
    names = ("person", "day", "shift", "starts", "ends", "place", "weeks")
    typed = {name: form.get(name, "").strip() for name in names}
    found = Turned(typed=typed)
    if not typed["person"]:
        found.errors["person"] = gettext("请选择谁值班。")
    day = _day(typed["day"])
    if day is None:
        found.errors["day"] = gettext("日期不对，请重新选择。")
    starts, ends = _time(typed["starts"]), _time(typed["ends"])
    if typed["shift"] not in SHIFTS:
        found.errors["shift"] = gettext("请从列出的选项里选择。")
    elif typed["shift"] == "own" and (starts is None or ends is None):
        found.errors["starts"] = gettext("请填写从几点到几点，例如 18:00 和 22:00。")
    found.place = 1 if typed["place"] == "1" else 0
    weeks = typed["weeks"] or "1"
    found.weeks = int(weeks) if weeks.isascii() and weeks.isdigit() and len(weeks) < 3 else 0  # noqa: PLR2004
    if not 1 <= found.weeks <= MOST_WEEKS:
        found.errors["weeks"] = gettext("请从列出的选项里选择。")
    if day is not None and not {"shift", "starts"} & found.errors.keys():
        found.span = shift_span(day, cast("Shift", typed["shift"]), starts, ends)
    return found


def person_of(session: Session, community: str, form: Turned) -> DutyPerson | None:
    """Whom the form names: somebody who takes turns (`p7`), or an account that does from now on (`u7`)."""
    kind, number = form.typed["person"][:1], form.typed["person"][1:]
    found = None
    if number.isascii() and number.isdigit() and len(number) < 10:  # noqa: PLR2004  # as ids are
        if kind == "p":
            found = session.get(DutyPerson, int(number))
            found = found if found is not None and found.community == community else None
        elif kind == "u":
            found = _enlisted(session, community, int(number))
    if found is None:
        form.errors.setdefault("person", gettext("请选择谁值班。"))
    return found


def _enlisted(session: Session, community: str, user_id: int) -> DutyPerson | None:
    account: User | None = next(
        (one for one in store.accounts(session, community) if one.id == user_id), None
    )
    if account is None or account.phone is None:
        return None
    return store.add_person(session, community, name=account.name, phone=account.phone)


def _day(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    this = local(now()).year
    return day if this - YEARS_AHEAD <= day.year <= this + YEARS_AHEAD else None


def _time(text: str) -> dt.time | None:
    try:
        return dt.time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return None
