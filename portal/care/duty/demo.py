"""A filled duty calendar for the demonstration: three people, by day and by night, for four weeks."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from portal.care.duty import store
from portal.care.duty.models import DutyTurn
from portal.care.duty.turns import Shift, monday_of, shift_span
from portal.words import local

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from portal.policy import Viewer

PEOPLE = {
    "周敏": "+8613800138090",
    "陈强": "+8613800138091",
    "何强": "+8613800138094",
}
"""Two of them are accounts of the demonstration, the third the night desk of config.toml."""
ROTA: tuple[tuple[str, Shift, tuple[int, ...], int], ...] = (
    ("周敏", "day", (0, 1, 2, 3, 4), 0),
    ("陈强", "day", (5, 6), 0),
    ("陈强", "day", (0, 2, 4), 1),
    ("何强", "night", (0, 1, 2, 3, 4, 6), 0),
    ("周敏", "night", (5,), 0),
)
"""Who, which shift, on which days of the week (0 is Monday), first or second."""
WEEKS = 4


def seed(session: Session, community: str, *, staff: Viewer, now: dt.datetime) -> None:
    """Fill the calendar from this week on where nobody is on duty at all; idempotent."""
    if session.scalar(sa.select(DutyTurn.id).where(DutyTurn.community == community).limit(1)) is not None:
        return
    people = {
        name: store.add_person(session, community, name=name, phone=phone) for name, phone in PEOPLE.items()
    }
    monday = monday_of(local(now).date())
    for name, shift, days, place in ROTA:
        for number in days:
            span = shift_span(monday + dt.timedelta(days=number), shift)
            store.add(session, people[name], span, place=place, weeks=WEEKS)
    store.order(session, community, who=staff, now=now)
