"""Guardianships: asked for, confirmed, refused, objected to, ended; with the role that comes and goes.

No Flask; time and people are passed in. The caller commits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from portal import audit
from portal.care.changes import account_changed, rights_changed
from portal.care.guardians.models import GuardianClaim
from portal.care.models import Contact, Guardianship, Wearer
from portal.people.claims import give
from portal.people.models import Grant, Organisation, Role, User
from portal.policy import REGISTRARS, Facts, Viewer, guards, is_wearer
from portal.policy import Role as RoleName

OPEN_AT_ONCE: Final = 3
"""So many claims of one person may wait at a time."""
FAMILY: Final = "family"
"""The role of a contact who is family; whoever is on duty is called for their office."""
RECENT: Final = 30
LATELY: Final = dt.timedelta(days=90)
"""For so long one that ended is still shown."""


class TooMany(Exception):
    """Somebody has as many claims waiting as one may have."""


def ask(session: Session, claim: GuardianClaim) -> GuardianClaim:
    """Put a claim in the queue; the same one twice is one. Raises `TooMany`."""
    query = sa.select(GuardianClaim).where(
        GuardianClaim.user_id == claim.user_id, GuardianClaim.state == "waiting"
    )
    waits = session.scalars(query).all()
    same = next((one for one in waits if (one.named, one.home) == (claim.named, claim.home)), None)
    if same is not None:
        return same
    if len(waits) >= OPEN_AT_ONCE:
        raise TooMany
    session.add(claim)
    session.flush()
    _record(
        session, "claim_guardianship", f"guardian_claim:{claim.id}", actor=claim.user_id, at=claim.made_at
    )
    return claim


def judges(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Which claims this viewer judges: those of their own community, never their own."""
    if not viewer.roles & REGISTRARS or not viewer.community:
        return sa.false()
    return sa.and_(GuardianClaim.community == viewer.community, GuardianClaim.user_id != viewer.user)


def judges_of(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Which guardianships this viewer judges: of wearers of their place, never of themselves."""
    if not viewer.roles & REGISTRARS or not viewer.community:
        return sa.false()
    here = sa.and_(
        Wearer.community == viewer.community, Wearer.place.startswith(viewer.part, autoescape=True)
    )
    return sa.and_(Guardianship.wearer.has(here), Guardianship.user_id != viewer.user)


def waiting(session: Session, viewer: Viewer) -> list[GuardianClaim]:
    """The claims this viewer has to judge, the longest waiting first."""
    query = sa.select(GuardianClaim).where(judges(viewer), GuardianClaim.state == "waiting")
    query = query.options(joinedload(GuardianClaim.user)).order_by(GuardianClaim.made_at, GuardianClaim.id)
    return list(session.scalars(query))


def objected(session: Session, viewer: Viewer, at: dt.datetime) -> list[Guardianship]:
    """The guardianships in force somebody objected to, for this viewer to judge."""
    return [row for row in _held(session, judges_of(viewer), at) if row.objected_at is not None]


def in_force(session: Session, viewer: Viewer, at: dt.datetime) -> list[Guardianship]:
    """Those nobody objected to, which this viewer could end."""
    return [row for row in _held(session, judges_of(viewer), at) if row.objected_at is None]


def waiting_count(session: Session, viewer: Viewer, at: dt.datetime) -> int:
    """How much waits for this viewer."""
    query = sa.select(sa.func.count(GuardianClaim.id)).where(judges(viewer), GuardianClaim.state == "waiting")
    return (session.scalar(query) or 0) + len(objected(session, viewer, at))


def candidates(session: Session, viewer: Viewer) -> list[Wearer]:
    """The wearers this viewer may confirm a guardian of, by name."""
    if not viewer.roles & REGISTRARS:
        return []
    here = Wearer.place.startswith(viewer.part, autoescape=True)
    query = sa.select(Wearer).where(Wearer.community == viewer.community, here, Wearer.present)
    return list(session.scalars(query.order_by(Wearer.name, Wearer.id)))


def confirm(
    session: Session,
    claim: GuardianClaim,
    wearer: Wearer,
    *,
    until: dt.datetime | None,
    decides: bool,
    by: Viewer,
    at: dt.datetime,
) -> Guardianship:
    """The committee saw the proof: the guardianship is in force, in the place of an earlier one."""
    for old in _held(session, _between(claim.user_id, wearer.id), at):
        _close(old, at=at)
    row = Guardianship(
        wearer_id=wearer.id,
        user_id=claim.user_id,
        relation=claim.relation,
        basis=claim.basis,
        proof=claim.proof,
        state="confirmed",
        claimed_at=claim.made_at,
        judged_by=by.user,
        judged_at=at,
        until=until,
        decides=decides,
    )
    session.add(row)
    session.flush()
    claim.state, claim.judged_by, claim.judged_at, claim.guardianship_id = "confirmed", by.user, at, row.id
    _give_role(session, claim.user_id, wearer.community, by=by.user, at=at)
    _changed(session, row, "confirm_guardianship", actor=by.user, at=at)
    return row


def refuse(session: Session, claim: GuardianClaim, *, reason: str, by: Viewer, at: dt.datetime) -> None:
    """The committee did not find it so, and why; the person reads the reason."""
    claim.state, claim.reason = "refused", reason
    claim.judged_by, claim.judged_at = by.user, at
    session.flush()
    _record(session, "refuse_guardianship", f"guardian_claim:{claim.id}", actor=by.user, at=at)


def end(session: Session, row: Guardianship, *, reason: str, by: Viewer, at: dt.datetime) -> None:
    """End a guardianship at once; the role goes with the last wearer there is to guard in the community."""
    _close(row, at=at)
    row.reason = reason
    session.flush()
    _take_role(session, row.user_id, row.wearer.community, at=at)
    _changed(session, row, "end_guardianship", actor=by.user, at=at)


def leave(session: Session, row: Guardianship, *, by: Viewer, at: dt.datetime) -> None:
    """A guardian steps down, at once: the role goes as when the committee ends it."""
    row.state, row.ended_at = "left", at
    session.flush()
    _take_role(session, row.user_id, row.wearer.community, at=at)
    _changed(session, row, "leave_guardianship", actor=by.user, at=at)


def lately_ended(session: Session, viewer: Viewer, at: dt.datetime) -> list[Guardianship]:
    """Those of this viewer's place that ended a while ago, newest first."""
    query = sa.select(Guardianship).where(judges_of(viewer), ended_since(at - LATELY))
    query = query.options(joinedload(Guardianship.user), joinedload(Guardianship.wearer))
    return list(session.scalars(query.order_by(Guardianship.ended_at.desc()).limit(RECENT)))


def ended_since(since: dt.datetime) -> sa.ColumnElement[bool]:
    """Guardianships that ended after a time, not those replaced by another of the same person."""
    other = aliased(Guardianship)
    again = sa.exists().where(
        other.wearer_id == Guardianship.wearer_id,
        other.user_id == Guardianship.user_id,
        other.state == "confirmed",
    )
    return sa.and_(Guardianship.state.in_(("ended", "left")), Guardianship.ended_at > since, ~again)


def may_object(viewer: Viewer, row: Guardianship, facts: Facts) -> bool:
    """Whether this viewer may object: the wearer, and their family; nobody to themselves."""
    return row.user_id != viewer.user and (is_wearer(viewer, facts) or guards(viewer, facts))


def object_to(session: Session, row: Guardianship, *, why: str, by: Viewer, at: dt.datetime) -> None:
    """Somebody says this is not right: places and health pause until the committee has looked."""
    if row.objected_at is not None:
        return
    row.objected_at, row.objected_by, row.objection = at, by.name, why
    session.flush()
    _changed(session, row, "object_to_guardianship", actor=by.user, at=at)


def keep(session: Session, row: Guardianship, *, reason: str, by: Viewer, at: dt.datetime) -> None:
    """The committee looked, and it stays as it was; the objection stays on record in the audit."""
    row.objected_at, row.objected_by, row.objection = None, "", ""
    row.reason, row.judged_by, row.judged_at = reason, by.user, at
    session.flush()
    _changed(session, row, "keep_guardianship", actor=by.user, at=at)


def of_user(session: Session, user_id: int) -> list[GuardianClaim]:
    """What somebody asked for, newest first."""
    query = sa.select(GuardianClaim).where(GuardianClaim.user_id == user_id)
    query = query.options(selectinload(GuardianClaim.guardianship)).order_by(GuardianClaim.id.desc())
    return list(session.scalars(query.limit(RECENT)))


def _called_in(session: Session, user: User) -> set[str]:
    query = sa.select(Wearer.community).join(Contact, Contact.wearer_id == Wearer.id)
    query = query.where(Contact.phone == user.phone, Contact.role == FAMILY, Wearer.present)
    return set(session.scalars(query))


def _community(session: Session, code: str) -> Organisation | None:
    return session.scalar(
        sa.select(Organisation).where(Organisation.code == code, Organisation.closed_at.is_(None))
    )


def _give_role(session: Session, user_id: int, code: str, *, by: int | None, at: dt.datetime) -> bool:
    place = _community(session, code)
    if place is None or not give(session, user_id, RoleName.GUARDIAN, place.id, by=by, at=at):
        return False
    _record(session, "give_role", f"user:{user_id}", actor=by or user_id, at=at, detail=f"guardian {code}")
    return True


def _take_role(session: Session, user_id: int, code: str, *, at: dt.datetime) -> None:
    user, place = session.get(User, user_id), _community(session, code)
    here = sa.and_(Guardianship.user_id == user_id, Guardianship.wearer.has(Wearer.community == code))
    if user is None or place is None or code in _called_in(session, user) or _held(session, here, at):
        return
    role = sa.select(Role.id).where(Role.name == RoleName.GUARDIAN.value).scalar_subquery()
    session.execute(
        sa.delete(Grant).where(
            Grant.user_id == user_id, Grant.organisation_id == place.id, Grant.role_id == role
        )
    )


def _between(user_id: int, wearer_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(Guardianship.user_id == user_id, Guardianship.wearer_id == wearer_id)


def _held(session: Session, which: sa.ColumnElement[bool], at: dt.datetime) -> list[Guardianship]:
    query = sa.select(Guardianship).where(which, Guardianship.state == "confirmed")
    query = query.options(joinedload(Guardianship.user), joinedload(Guardianship.wearer))
    return [row for row in session.scalars(query.order_by(Guardianship.id)) if row.holds(at)]


def _close(row: Guardianship, *, at: dt.datetime) -> None:
    row.state, row.ended_at = "ended", at


def _changed(session: Session, row: Guardianship, action: str, *, actor: int | None, at: dt.datetime) -> None:
    """Put it on record; every live page and stream it concerns ends and asks again."""
    _record(session, action, f"wearer:{row.wearer_id}", actor=actor, at=at, detail=f"user:{row.user_id}")
    rights_changed(session, row.wearer_id)
    account_changed(session, row.user_id)


def _record(
    session: Session, action: str, subject: str, *, actor: int | None, at: dt.datetime, detail: str = ""
) -> None:
    audit.record(session, at=at, actor=f"user:{actor}", action=action, subject=subject, detail=detail)


def alike(claim: GuardianClaim, wearers: Iterable[Wearer]) -> int | None:
    """The one wearer of the name that was claimed, None where there is none, or more than one."""
    found = [wearer.id for wearer in wearers if wearer.name == claim.named]
    return found[0] if len(found) == 1 else None
