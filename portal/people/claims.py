"""Claims of a household: made, confirmed, refused, undone; with the grant that follows and who is told.

No Flask; time and people are passed in. The caller commits.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, selectinload

from portal import audit
from portal.care.changes import account_changed
from portal.people.join_models import ClaimNotice, HouseholdClaim
from portal.people.models import Grant, Organisation, Resident, Role, User
from portal.people.organisations import inside
from portal.policy import REGISTRARS, Viewer
from portal.policy import Role as RoleName

OPEN_AT_ONCE: Final = 3
"""So many claims of one person may wait at a time: nobody tries every door of a building."""
SAID_CHARACTERS: Final = 200
RECENT: Final = 30


class Refused(Exception):
    """A claim that is not taken; `reason` is `lives_there`, `closed` or `too_many`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def make(
    session: Session,
    user: User,
    household: Organisation,
    *,
    at: dt.datetime,
    said: str = "",
    invitation_id: int | None = None,
) -> HouseholdClaim:
    """Claim a household for somebody; the same claim twice is one.

    Where the register has this very telephone at this household the claim is confirmed at once.
    Raises `Refused`.
    """
    if household.kind != "household" or household.closed_at is not None:
        raise Refused("closed")
    if lives_there(session, user.id, household.id):
        raise Refused("lives_there")
    waiting = session.scalars(
        sa.select(HouseholdClaim).where(HouseholdClaim.user_id == user.id, HouseholdClaim.state == "waiting")
    ).all()
    same = next((claim for claim in waiting if claim.household_id == household.id), None)
    if same is not None:
        return same
    if len(waiting) >= OPEN_AT_ONCE:
        raise Refused("too_many")
    claim = HouseholdClaim(
        user_id=user.id,
        household_id=household.id,
        invitation_id=invitation_id,
        said=said[:SAID_CHARACTERS],
        state="waiting",
        made_at=at,
    )
    session.add(claim)
    session.flush()
    _record(session, claim, "claim_household", actor=user.id, at=at)
    known = _by_phone(session, household.id, user.phone)
    if known is not None:
        claim.by_register = True
        _confirm(session, claim, known, actor=user.id, at=at)
    return claim


def confirm(session: Session, claim: HouseholdClaim, *, by: Viewer, at: dt.datetime) -> None:
    """The committee says the claim is right."""
    claim.judged_by = by.user
    known = _by_phone(session, claim.household_id, claim.user.phone)
    known = known or _by_name(session, claim.household_id, claim.user.name)
    _confirm(session, claim, known, actor=by.user, at=at)


def refuse(session: Session, claim: HouseholdClaim, *, reason: str, by: Viewer, at: dt.datetime) -> None:
    """The committee says it is not, and why; the person reads the reason."""
    claim.state, claim.reason = "refused", reason[:SAID_CHARACTERS]
    claim.judged_by, claim.judged_at = by.user, at
    session.flush()
    _record(session, claim, "refuse_claim", actor=by.user, at=at)


def undo(session: Session, claim: HouseholdClaim, *, reason: str, by: Viewer, at: dt.datetime) -> None:
    """A confirmation that was wrong: the role goes, the register forgets the account."""
    claim.state, claim.reason = "undone", reason[:SAID_CHARACTERS]
    claim.judged_by, claim.judged_at = by.user, at
    session.execute(
        sa.delete(Grant).where(
            Grant.user_id == claim.user_id,
            Grant.organisation_id == claim.household_id,
            Grant.role_id == _resident_role(session).id,
        )
    )
    session.execute(
        sa.update(Resident)
        .where(Resident.user_id == claim.user_id, Resident.household_id == claim.household_id)
        .values(user_id=None)
    )
    session.execute(sa.delete(ClaimNotice).where(ClaimNotice.claim_id == claim.id))
    session.flush()
    account_changed(session, claim.user_id)
    _record(session, claim, "undo_claim", actor=by.user, at=at)


def answer(session: Session, notice: ClaimNotice, *, known: bool, at: dt.datetime) -> None:
    """Somebody who lives there says whether they know the new member; a stranger goes to the committee."""
    notice.answer = "known" if known else "strange"
    session.flush()
    action = "know_member" if known else "dispute_member"
    _record(session, notice.claim, action, actor=notice.user_id, at=at)


def judged_by(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Which claims this viewer judges: those of households inside their own place."""
    if not viewer.roles & REGISTRARS or not viewer.scope:
        return sa.false()
    return HouseholdClaim.household.has(inside(viewer.scope))


def disputed() -> sa.ColumnElement[bool]:
    """Where somebody who lives there says not to know the person, and it stands."""
    strange = sa.select(ClaimNotice.claim_id).where(ClaimNotice.answer == "strange")
    return sa.and_(HouseholdClaim.state == "confirmed", HouseholdClaim.id.in_(strange))


def waiting(session: Session, viewer: Viewer) -> list[HouseholdClaim]:
    """What this viewer has to judge: disputed ones first, then the longest waiting."""
    query = sa.select(HouseholdClaim).where(
        judged_by(viewer), sa.or_(HouseholdClaim.state == "waiting", disputed())
    )
    query = query.options(joinedload(HouseholdClaim.user), selectinload(HouseholdClaim.household))
    found = list(session.scalars(query.order_by(HouseholdClaim.made_at, HouseholdClaim.id)))
    return sorted(found, key=lambda claim: claim.state == "waiting")


def waiting_count(session: Session, viewer: Viewer) -> int:
    """How many those are."""
    query = sa.select(sa.func.count(HouseholdClaim.id)).where(
        judged_by(viewer), sa.or_(HouseholdClaim.state == "waiting", disputed())
    )
    return session.scalar(query) or 0


def judged(session: Session, viewer: Viewer) -> list[HouseholdClaim]:
    """The newest that were judged and could be undone."""
    query = sa.select(HouseholdClaim).where(judged_by(viewer), HouseholdClaim.state != "waiting")
    query = query.options(joinedload(HouseholdClaim.user), selectinload(HouseholdClaim.household))
    return list(session.scalars(query.order_by(HouseholdClaim.id.desc()).limit(RECENT)))


def lives_there(session: Session, user_id: int, household_id: int) -> bool:
    """Whether this account is a confirmed resident of this household."""
    query = sa.select(Grant.id).where(
        Grant.user_id == user_id,
        Grant.organisation_id == household_id,
        Grant.role_id == _resident_role(session).id,
    )
    return session.scalar(query) is not None


def members(session: Session, household_id: int) -> list[User]:
    """The accounts confirmed at a household."""
    query = sa.select(User).join(Grant, Grant.user_id == User.id)
    query = query.where(
        Grant.organisation_id == household_id, Grant.role_id == _resident_role(session).id, User.active
    )
    return list(session.scalars(query.order_by(User.id)))


def notices(session: Session, user_id: int) -> list[ClaimNotice]:
    """The new members of their household somebody has not answered about."""
    query = sa.select(ClaimNotice).where(ClaimNotice.user_id == user_id, ClaimNotice.answer == "")
    query = query.options(joinedload(ClaimNotice.claim).joinedload(HouseholdClaim.user))
    return list(session.scalars(query.order_by(ClaimNotice.claim_id)))


def give(
    session: Session, user_id: int, role: RoleName, place_id: int, *, by: int | None, at: dt.datetime
) -> bool:
    """Give a role at a place; False where they have it already."""
    stored = session.scalars(sa.select(Role).where(Role.name == role.value)).one()
    known = sa.select(Grant.id).where(
        Grant.user_id == user_id, Grant.organisation_id == place_id, Grant.role_id == stored.id
    )
    if session.scalar(known) is not None:
        return False
    session.add(Grant(user_id=user_id, role_id=stored.id, organisation_id=place_id, given_by=by, given_at=at))
    session.flush()
    account_changed(session, user_id)
    return True


def _confirm(
    session: Session, claim: HouseholdClaim, known: Resident | None, *, actor: int | None, at: dt.datetime
) -> None:
    claim.state, claim.judged_at = "confirmed", at
    there = members(session, claim.household_id)
    give(session, claim.user_id, RoleName.RESIDENT, claim.household_id, by=claim.judged_by, at=at)
    taken = session.scalar(sa.select(Resident.id).where(Resident.user_id == claim.user_id))
    if known is not None and taken is None:
        known.user_id = claim.user_id
    session.add_all(
        ClaimNotice(claim_id=claim.id, user_id=user.id) for user in there if user.id != claim.user_id
    )
    session.flush()
    _record(session, claim, "confirm_claim", actor=actor, at=at)


def _by_phone(session: Session, household_id: int, phone: str | None) -> Resident | None:
    return _only(session, household_id, Resident.phone == phone) if phone else None


def _by_name(session: Session, household_id: int, name: str) -> Resident | None:
    return _only(session, household_id, Resident.name == name)


def _only(session: Session, household_id: int, alike: sa.ColumnElement[bool]) -> Resident | None:
    """The one person of a household this fits who has no account yet; None for none, and for several."""
    query = sa.select(Resident).where(
        Resident.household_id == household_id, Resident.left_at.is_(None), Resident.user_id.is_(None), alike
    )
    found = session.scalars(query.limit(2)).all()
    return found[0] if len(found) == 1 else None


def _resident_role(session: Session) -> Role:
    return session.scalars(sa.select(Role).where(Role.name == RoleName.RESIDENT.value)).one()


def _record(
    session: Session, claim: HouseholdClaim, action: str, *, actor: int | None, at: dt.datetime
) -> None:
    audit.record(
        session,
        at=at,
        actor=f"user:{actor}",
        action=action,
        subject=f"user:{claim.user_id}",
        detail=f"organisation:{claim.household_id}",
    )
