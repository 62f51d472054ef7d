"""Questions to the store about cases, and the two ways they change.

No Flask; time and people are passed in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.cases.models import Case, CaseEvent
from portal.cases.services import Service
from portal.cases.workflow import ENDS, TABLE, Action, Side, State, next_due
from portal.fields import Values
from portal.policy import Viewer

CODE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""No 0 O 1 I L: the code is read out on the telephone."""
CODE_LENGTH: Final = 8
PAGE: Final = 20
NUMBERS_A_DAY: Final = 10_000
Filter = str
FILTERS: Final = ("open", "overdue", "waiting", "done", "all")


class Refused(Exception):
    """The action means nothing for this case now; `state` says where it stands."""

    def __init__(self, state: State, action: Action) -> None:
        super().__init__(f"{action} in {state}")
        self.state = state
        self.action = action


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a report is: words, and WGS-84 degrees when somebody pointed at the map."""

    words: str = ""
    lat: float | None = None
    lon: float | None = None


def new_code() -> str:
    """Give a look-up code: 8 signs, about 40 bits."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def hash_code(code: str, *, number: str, key: str) -> str:
    """Give what is kept of a code: HMAC-SHA-256 with the portal's key, bound to the case number."""
    text = f"{number}:{''.join(code.split()).upper()}"
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def open_case(
    session: Session,
    *,
    name: str,
    service: Service,
    community: str,
    viewer: Viewer,
    for_other: bool,
    contact: tuple[str, str],
    values: Values,
    place: Place,
    key: str,
    now: dt.datetime,
    day: dt.date,
) -> tuple[Case, str]:
    """Make a case and its first event; gives it with its look-up code, which is not kept anywhere.

    `for_other`: a member of staff fills it in for somebody at the desk and is named in it.
    `contact` is (name, phone); `day` is the day at the screen, it stands in the number.
    """
    code = new_code()
    case = Case(
        number=secrets.token_hex(8),
        code_hash="",
        community=community,
        service=name,
        service_version=service.version,
        reporter_id=None if for_other else viewer.user,
        entered_by_id=viewer.user if for_other else None,
        contact_name=contact[0],
        contact_phone=contact[1],
        answers=values,
        place=place.words,
        lat=place.lat,
        lon=place.lon,
        state=State.RECEIVED,
        created_at=now,
        updated_at=now,
    )
    limit_h = service.limit_h(State.RECEIVED)
    case.due_at = now + dt.timedelta(hours=limit_h) if limit_h is not None else None
    session.add(case)
    session.flush()
    case.number = f"{day:%Y%m%d}-{case.id % NUMBERS_A_DAY:04d}"
    case.code_hash = hash_code(code, number=case.number, key=key)
    session.add(
        CaseEvent(
            case_id=case.id,
            at=now,
            action="open",
            state=State.RECEIVED,
            side="staff" if for_other else "reporter",
            actor_id=viewer.user,
            actor_name=viewer.name,
        )
    )
    return case, code


def act(
    session: Session,
    case: Case,
    *,
    action: Action,
    side: Side,
    viewer: Viewer,
    service: Service,
    now: dt.datetime,
    note: str = "",
    level: str = "",
    handler: str = "",
    rating: int | None = None,
) -> CaseEvent:
    """Carry an action out and write it down; raises `Refused` where the table has no way for it."""
    was = State(case.state)
    to = TABLE[was, action]
    if to is None:
        raise Refused(was, action)
    case.due_at, case.left_s = next_due(
        to=to, was=was, limit_h=service.limit_h(to), due_at=case.due_at, left_s=case.left_s, now=now
    )
    case.state, case.updated_at = to, now
    if action is Action.FORWARD:
        case.level, case.handler = level, handler
    if action is Action.RATE:
        case.rating = rating
    event = CaseEvent(
        case_id=case.id,
        at=now,
        action=action,
        state=to,
        side=side,
        actor_id=viewer.user,
        actor_name=viewer.name,
        note=note,
        level=level,
        handler=handler,
    )
    session.add(event)
    session.flush()
    return event


def by_number(session: Session, number: str) -> Case | None:
    """Give a case by its number as people write it: spaces and small letters are forgiven."""
    plain = "".join(number.split()).upper()
    return session.scalars(sa.select(Case).where(Case.number == plain)).one_or_none()


def events(session: Session, case: int) -> list[CaseEvent]:
    """Give everything that happened to a case, oldest first."""
    query = sa.select(CaseEvent).where(CaseEvent.case_id == case).order_by(CaseEvent.at, CaseEvent.id)
    return list(session.scalars(query))


def mine(session: Session, *, reporter: int, limit: int = 100) -> list[Case]:
    """Give a person's cases, the last changed first."""
    query = sa.select(Case).where(Case.reporter_id == reporter)
    return list(session.scalars(query.order_by(Case.updated_at.desc(), Case.id.desc()).limit(limit)))


def queue(
    session: Session, *, community: str, which: Filter, now: dt.datetime, page: int = 1
) -> tuple[list[Case], bool]:
    """Give one page of the staff's queue, what is due first; and whether more follow."""
    query = sa.select(Case).where(Case.community == community, _matching(which, now))
    if which in {"done", "all"}:
        query = query.order_by(Case.updated_at.desc())
    else:
        query = query.order_by(Case.due_at.is_(None), Case.due_at, Case.created_at.desc())
    rows = list(session.scalars(query.offset((page - 1) * PAGE).limit(PAGE + 1)))
    return rows[:PAGE], len(rows) > PAGE


def queue_counts(session: Session, *, community: str, now: dt.datetime) -> dict[Filter, int]:
    """Give how many cases stand in each filter of the queue."""
    return {
        which: session.scalar(
            sa.select(sa.func.count())
            .select_from(Case)
            .where(Case.community == community, _matching(which, now))
        )
        or 0
        for which in FILTERS
    }


def public_reports(
    session: Session, *, community: str, names: Sequence[str], limit: int = PAGE
) -> list[Case]:
    """Give the reports the staff made public, newest first."""
    query = sa.select(Case).where(Case.community == community, Case.public.is_(True), Case.service.in_(names))
    return list(session.scalars(query.order_by(Case.updated_at.desc()).limit(limit)))


def _matching(which: Filter, now: dt.datetime) -> sa.ColumnElement[bool]:
    ended = Case.state.in_([state.value for state in ENDS])
    waiting = Case.state == State.WAITING
    match which:
        case "open":
            return sa.and_(sa.not_(ended), sa.not_(waiting))
        case "overdue":
            return sa.and_(sa.not_(ended), Case.due_at < now)
        case "waiting":
            return waiting
        case "done":
            return ended
        case _:
            return sa.true()
