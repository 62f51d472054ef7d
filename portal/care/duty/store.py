"""The duty calendar in the store, and its order to every gateway of the community."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.told_orders import DutySpan
from portal import audit
from portal.api import commands
from portal.care.duty.models import DutyCalendar, DutyPerson, DutyTurn
from portal.care.duty.turns import MOST_WEEKS, WEEK, Span, overlap, week_span
from portal.care.models import Command, Wearer
from portal.care.sites.models import DutyTold
from portal.people.models import Grant, Organisation, Role, User
from portal.policy import Role as RoleName
from portal.policy import Viewer

MOST_TURNS = 1500
"""So many of the turns to come are told to a gateway, the nearest first; it takes 2000."""
SERIES_BYTES = 4


class Overlaps(ValueError):
    """A person would be on duty twice at once; `turn` is the one in the way."""

    def __init__(self, turn: DutyTurn) -> None:
        super().__init__(f"overlaps turn {turn.id}")
        self.turn = turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a gateway is with the calendar: the version it follows, who is on duty by its word."""

    gateway: str
    told: DutyTold | None
    order: Command | None
    """The order of the newest version, None before there was one."""


def people(session: Session, community: str) -> list[DutyPerson]:
    """Everybody who takes turns."""
    query = sa.select(DutyPerson).where(DutyPerson.community == community)
    return list(session.scalars(query.order_by(DutyPerson.name, DutyPerson.id)))


def accounts(session: Session, community: str) -> list[User]:
    """Accounts of the staff and grid workers of a community who take no turns yet."""
    taken = sa.select(DutyPerson.phone).where(DutyPerson.community == community)
    here = sa.select(Grant.user_id).join(Grant.role).join(Grant.organisation)
    here = here.where(
        Organisation.community == community, Role.name.in_((RoleName.STAFF, RoleName.GRID_WORKER))
    )
    query = sa.select(User).where(
        User.id.in_(here), User.active, User.phone.is_not(None), User.phone.not_in(taken)
    )
    return list(session.scalars(query.order_by(User.name)))


def add_person(session: Session, community: str, *, name: str, phone: str) -> DutyPerson:
    """Somebody who takes turns from now on; who has this number already is given back under the new name."""
    query = sa.select(DutyPerson).where(DutyPerson.community == community, DutyPerson.phone == phone)
    found = session.scalar(query)
    if found is None:
        code = f"duty-{phone.removeprefix('+')}"
        found = DutyPerson(community=community, code=code, phone=phone, name=name, lang="zh")
        session.add(found)
    found.name = name
    session.flush()
    return found


def turns(session: Session, community: str, span: Span) -> list[DutyTurn]:
    """The turns that touch a span, in order."""
    query = sa.select(DutyTurn).where(
        DutyTurn.community == community, DutyTurn.starts_at < span.ends_at, DutyTurn.ends_at > span.starts_at
    )
    return list(session.scalars(query.order_by(DutyTurn.starts_at, DutyTurn.place, DutyTurn.id)))


def find(session: Session, community: str, turn_id: int) -> DutyTurn | None:
    """One turn of this community."""
    turn = session.get(DutyTurn, turn_id) if 0 < turn_id < 2**31 else None
    return turn if turn is not None and turn.community == community else None


def add(session: Session, person: DutyPerson, span: Span, *, place: int, weeks: int = 1) -> list[DutyTurn]:
    """A turn, again in each of the following weeks; raises `Overlaps` and adds none where one cannot be."""
    if not 1 <= weeks <= MOST_WEEKS:
        raise ValueError(f"{weeks} weeks: 1 to {MOST_WEEKS}")
    wanted = [span.later(WEEK * number) for number in range(weeks)]
    _free(session, person, wanted)
    series = secrets.token_hex(SERIES_BYTES) if weeks > 1 else ""
    made = [
        DutyTurn(
            community=person.community,
            person=person,
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            place=place,
            series=series,
        )
        for one in wanted
    ]
    session.add_all(made)
    session.flush()
    return made


def change(session: Session, turn: DutyTurn, person: DutyPerson, span: Span, *, place: int) -> None:
    """Give a turn another person or time; raises `Overlaps`."""
    _free(session, person, [span], but=(turn.id,))
    turn.person, turn.place = person, place
    turn.starts_at, turn.ends_at = span.starts_at, span.ends_at
    session.flush()


def swap(session: Session, one: DutyTurn, other: DutyTurn) -> None:
    """Two people take each other's turn; raises `Overlaps`."""
    both = (one.id, other.id)
    _free(session, other.person, [_span(one)], but=both)
    _free(session, one.person, [_span(other)], but=both)
    one.person, other.person = other.person, one.person
    session.flush()


def remove(session: Session, turn: DutyTurn, *, following: bool) -> int:
    """Take a turn out, with `following` also those of its series after it; gives how many went."""
    gone = [turn]
    if following and turn.series:
        query = sa.select(DutyTurn).where(
            DutyTurn.community == turn.community,
            DutyTurn.series == turn.series,
            DutyTurn.starts_at > turn.starts_at,
        )
        gone += session.scalars(query)
    for one in gone:
        session.delete(one)
    session.flush()
    return len(gone)


def copy_week(session: Session, community: str, monday: dt.date) -> tuple[int, int]:
    """Copy the turns that begin in a week into the next one; what is covered there stays.

    Gives how many were copied, and how many not because that person is on duty then already.
    """
    week = week_span(monday)
    starting = [one for one in turns(session, community, week) if one.starts_at >= week.starts_at]
    copied = 0
    for turn in starting:
        try:
            add(session, turn.person, _span(turn).later(WEEK), place=turn.place)
        except Overlaps:
            continue
        copied += 1
    return copied, len(starting) - copied


def order(session: Session, community: str, *, who: Viewer, now: dt.datetime) -> int:
    """Send the calendar to every gateway of the community under a higher version; gives that version.

    The version is above what any of them follows, so that a store restored from a backup is heard, too.
    """
    calendar = session.get(DutyCalendar, community)
    gateways = gateways_of(session, community)
    followed = session.scalar(sa.select(sa.func.max(DutyTold.version)).where(DutyTold.gateway.in_(gateways)))
    version = max(calendar.version if calendar is not None else 0, followed or 0) + 1
    if calendar is None:
        calendar = DutyCalendar(community=community)
        session.add(calendar)
    calendar.version, calendar.ordered_at, calendar.ordered_by = version, now, who.name[:120]
    session.flush()
    for gateway in gateways:
        _send(session, calendar, gateway, now=now, by_user=who.user)
    actor, subject = f"user:{who.user}", f"community:{community}"
    detail = f"version {version}"
    audit.record(session, at=now, actor=actor, action="set_duty", subject=subject, detail=detail)
    return version


def catch_up(session: Session, community: str, gateway: str, now: dt.datetime) -> None:
    """Send a gateway that joined the community later the calendar the others have; once."""
    calendar = session.get(DutyCalendar, community)
    if calendar is None:
        return
    known = sa.select(Command.id).where(Command.gateway == gateway, Command.name == "set_duty")
    if session.scalar(known.limit(1)) is None:
        _send(session, calendar, gateway, now=now, by_user=None)


def _send(
    session: Session, calendar: DutyCalendar, gateway: str, *, now: dt.datetime, by_user: int | None
) -> None:
    community, version = calendar.community, calendar.version
    coming = sa.select(DutyTurn).where(DutyTurn.community == community, DutyTurn.ends_at > now)
    spans = tuple(
        DutySpan(
            contact=turn.person.code,
            name=turn.person.name,
            phone=turn.person.phone,
            starts_at=turn.starts_at,
            ends_at=turn.ends_at,
            order=turn.place,
            lang="en" if turn.person.lang == "en" else "zh",
        )
        for turn in session.scalars(coming.order_by(DutyTurn.starts_at, DutyTurn.id).limit(MOST_TURNS))
    )
    commands.queue(
        session,
        gateway,
        now=now,
        by_user=by_user,
        command=f"duty.{community}.{version}",
        name="set_duty",
        version=version,
        duty=spans,
        by=calendar.ordered_by,
    )


def standings(session: Session, community: str) -> list[Standing]:
    """How far each gateway of the community is."""
    calendar = session.get(DutyCalendar, community)
    name = "" if calendar is None else f"duty.{community}.{calendar.version}"
    found = []
    for gateway in gateways_of(session, community):
        query = sa.select(Command).where(Command.gateway == gateway, Command.command == name)
        told = session.get(DutyTold, gateway)
        found.append(Standing(gateway=gateway, told=told, order=session.scalar(query)))
    return found


def gateways_of(session: Session, community: str) -> list[str]:
    """The gateways that watch over somebody of this community."""
    query = sa.select(Wearer.gateway).where(Wearer.community == community).distinct()
    return sorted(session.scalars(query))


def _span(turn: DutyTurn) -> Span:
    return Span(starts_at=turn.starts_at, ends_at=turn.ends_at)


def _free(session: Session, person: DutyPerson, wanted: Iterable[Span], *, but: tuple[int, ...] = ()) -> None:
    for span in wanted:
        for turn in turns(session, person.community, span):
            if turn.person_id == person.id and turn.id not in but and overlap(turn, span):
                raise Overlaps(turn)
