"""What care pages read, always through the viewer: nothing here gives a row its viewer may not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, selectinload

from gateway.told import IncidentView
from portal.care.consent.masking import shown_incident, shown_story
from portal.care.consent.sights import RESTS_ON, facts_of, sight_of
from portal.care.history import milliseconds
from portal.care.models import (
    MOST_ID,
    OPEN_STATES,
    AlarmRecord,
    Command,
    Contact,
    Guardianship,
    Incident,
    IncidentLine,
    VitalHistory,
    Wearer,
)
from portal.care.sentences import SEVERITY_ORDER, UNTAKEN_STATES
from portal.people.models import Resident
from portal.policy import WATCHERS, Role, Sight, Viewer, sees_wearer

RECENT = timedelta(hours=24)
RECENT_INCIDENTS = 30
ACTIONS = ("acknowledge", "resolve")

_incident_decoder = msgspec.json.Decoder(IncidentView)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An incident ready for a page: the gateway's view, the wearer, and orders still on their way."""

    id: int
    code: str
    gateway: str
    wearer: Wearer
    view: IncidentView
    """As far as `sight` goes: where it was, and what was measured, are left out beyond it."""
    sight: Sight
    waiting: frozenset[str]
    """Names of commands the gateway has not answered yet: `acknowledge`, `resolve`."""
    refused: str | None
    """Why the newest command was refused, None when it was not."""

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.view.state in OPEN_STATES

    @property
    def untaken(self) -> bool:
        """Whether nobody has taken it on yet."""
        return self.view.state in UNTAKEN_STATES


def visible_wearers(session: Session, viewer: Viewer, *, absent: bool = False) -> list[Wearer]:
    """The wearers this viewer may see, in roster order; those no roster names any more only if `absent`."""
    if not viewer.signed_in:
        return []
    query = sa.select(Wearer).options(*RESTS_ON, selectinload(Wearer.state))
    query = query.where(_may_see(viewer)).order_by(Wearer.gateway, Wearer.position, Wearer.id)
    if not absent:
        query = query.where(Wearer.present)
    return [wearer for wearer in session.scalars(query) if may_see(viewer, wearer)]


def visible_ids(session: Session, viewer: Viewer) -> frozenset[int]:
    """The ids of everybody this viewer may see."""
    return frozenset(wearer.id for wearer in visible_wearers(session, viewer, absent=True))


def visible_gateways(session: Session, viewer: Viewer) -> frozenset[str]:
    """The gateways that watch over somebody this viewer may see."""
    return frozenset(wearer.gateway for wearer in visible_wearers(session, viewer, absent=True))


def may_see(viewer: Viewer, wearer: Wearer) -> bool:
    """The policy, asked about a row."""
    return sees_wearer(viewer, facts_of(wearer))


def visible_sights(session: Session, viewer: Viewer) -> dict[int, Sight]:
    """Everybody this viewer may see, and what of each."""
    return {row.id: sight_of(viewer, row) for row in visible_wearers(session, viewer, absent=True)}


def find_wearer(session: Session, viewer: Viewer, wearer_id: int) -> Wearer | None:
    """One wearer, None when there is none or this viewer may not see them."""
    wearer = session.get(Wearer, wearer_id) if 0 < wearer_id <= MOST_ID else None
    return wearer if wearer is not None and may_see(viewer, wearer) else None


def open_cases(session: Session, viewer: Viewer) -> list[Case]:
    """Incidents somebody has to do something about: worst first, untaken before taken, newest first.

    Drills come after everything that is real.
    """
    found = _cases(session, viewer, sa.select(Incident).where(Incident.state.in_(OPEN_STATES)))
    found.sort(key=lambda case: case.view.opened_at, reverse=True)
    found.sort(
        key=lambda case: (case.view.drill, SEVERITY_ORDER.get(case.view.severity, 9), not case.untaken)
    )
    return found


def closed_cases(session: Session, viewer: Viewer, now: datetime) -> list[Case]:
    """Incidents of the last day that are over, newest first."""
    query = (
        sa.select(Incident)
        .where(Incident.state.not_in(OPEN_STATES), Incident.opened_at >= now - RECENT)
        .order_by(Incident.opened_at.desc())
        .limit(RECENT_INCIDENTS)
    )
    return _cases(session, viewer, query)


def cases_of(session: Session, viewer: Viewer, wearer: Wearer, *, limit: int = 10) -> list[Case]:
    """The newest incidents of one wearer."""
    query = sa.select(Incident).where(Incident.wearer_id == wearer.id)
    return _cases(session, viewer, query.order_by(Incident.opened_at.desc()).limit(limit))


def find_case(session: Session, viewer: Viewer, code: str) -> Case | None:
    """One incident by its name, None when there is none or this viewer may not see its wearer."""
    return next(iter(_cases(session, viewer, sa.select(Incident).where(Incident.code == code))), None)


def exhausted_cases(session: Session, viewer: Viewer) -> list[Case]:
    """Incidents where everybody was rung in vain and nobody has taken it on since, oldest first."""
    query = sa.select(Incident).where(Incident.state == "exhausted").order_by(Incident.opened_at)
    return _cases(session, viewer, query)


def story_of(session: Session, case: Case) -> list[IncidentLine]:
    """The story of an incident, line by line, in the gateway's order."""
    query = sa.select(IncidentLine).where(IncidentLine.incident_id == case.id)
    lines = session.scalars(query.order_by(IncidentLine.seq, IncidentLine.n))
    return shown_story(lines, case.sight)


def alarming_wearers(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """Which of these wearers have an open incident, and how severe the worst is."""
    rows = session.execute(
        sa.select(Incident.wearer_id, Incident.severity).where(
            Incident.wearer_id.in_(ids), Incident.state.in_(OPEN_STATES)
        )
    )
    worst: dict[int, str] = {}
    for wearer_id, severity in rows:
        known = worst.get(wearer_id)
        if known is None or SEVERITY_ORDER[severity] < SEVERITY_ORDER[known]:
            worst[wearer_id] = severity
    return worst


def recent_vitals(
    session: Session, wearer: Wearer, kind: str, since: datetime, *, limit: int = 200
) -> list[VitalHistory]:
    """The newest readings of one kind since a time, newest first."""
    query = sa.select(VitalHistory).where(
        VitalHistory.wearer_id == wearer.id,
        VitalHistory.kind == kind,
        VitalHistory.at_ms >= milliseconds(since),
    )
    return list(session.scalars(query.order_by(VitalHistory.at_ms.desc()).limit(limit)))


def recent_notices(session: Session, wearer: Wearer, since: datetime, *, limit: int = 5) -> list[AlarmRecord]:
    """The newest alarms that ring nobody (back again, near the border, a low battery), newest first."""
    query = sa.select(AlarmRecord).where(
        AlarmRecord.wearer_id == wearer.id,
        AlarmRecord.severity == "notice",
        AlarmRecord.drill.is_(False),
        AlarmRecord.at >= since,
    )
    return list(session.scalars(query.order_by(AlarmRecord.at.desc(), AlarmRecord.id.desc()).limit(limit)))


def _may_see(viewer: Viewer) -> sa.ColumnElement[bool]:
    """The policy as a first sieve in SQL; `may_see` has the last word."""
    ways: list[sa.ColumnElement[bool]] = [sa.false()]
    if viewer.roles & WATCHERS:
        here = Wearer.place.startswith(viewer.part, autoescape=True)
        ways.append(sa.and_(Wearer.community == viewer.community, here))
    if Role.GUARDIAN in viewer.roles:
        ways.append(Wearer.guardianships.any(Guardianship.user_id == viewer.user))
        if viewer.phone:
            ways.append(Wearer.contacts.any(Contact.phone == viewer.phone))
    if Role.WEARER in viewer.roles:
        ways.append(Wearer.resident.has(Resident.user_id == viewer.user))
    return sa.or_(*ways)


def _cases(session: Session, viewer: Viewer, query: sa.Select[Incident]) -> list[Case]:
    if not viewer.signed_in:
        return []
    query = query.join(Incident.wearer).where(_may_see(viewer))
    query = query.options(joinedload(Incident.wearer).options(*RESTS_ON))
    rows = [row for row in session.scalars(query) if may_see(viewer, row.wearer)]
    orders = _orders(session, [row.code for row in rows])
    return [_case(row, orders.get((row.gateway, row.code), []), viewer) for row in rows]


def _orders(session: Session, codes: list[str]) -> dict[tuple[str, str], list[Command]]:
    if not codes:
        return {}
    query = sa.select(Command).where(Command.incident.in_(codes), Command.name.in_(ACTIONS))
    found: dict[tuple[str, str], list[Command]] = {}
    for command in session.scalars(query.order_by(Command.number)):
        found.setdefault((command.gateway, str(command.incident)), []).append(command)
    return found


def _case(row: Incident, orders: list[Command], viewer: Viewer) -> Case:
    """One incident; where several people are wanted, another person's "I take it" is not this viewer's."""
    sight = sight_of(viewer, row.wearer)
    view = shown_incident(_incident_decoder.decode(row.view), sight)
    if view.acks_wanted > 1:
        orders = [order for order in orders if order.name != "acknowledge" or order.by_user == viewer.user]
    waiting = {order.name for order in orders if order.state == "queued"}
    if view.state not in UNTAKEN_STATES:
        waiting.discard("acknowledge")
    if view.state not in OPEN_STATES:
        waiting.clear()
    last = orders[-1] if orders else None
    refused = (
        last.reason if last is not None and last.state == "refused" and view.state in OPEN_STATES else None
    )
    return Case(
        id=row.id,
        code=row.code,
        gateway=row.gateway,
        wearer=row.wearer,
        view=view,
        sight=sight,
        waiting=frozenset(waiting),
        refused=refused,
    )
