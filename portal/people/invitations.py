"""Invitations: tokens that are kept as digests only, made again for print from a nonce and the portal's key.

No Flask; time and keys are passed in. The caller commits.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal import audit
from portal.people import claims
from portal.people.identity import derived
from portal.people.join_models import Invitation
from portal.people.models import ROLES, Organisation, User
from portal.people.organisations import inside
from portal.policy import GRANTS, Role, Viewer, may_grant

PURPOSE: Final = b"shouwang: tokens of invitations"
TOKEN_BYTES: Final = 16
HOMES: Final = frozenset({"community", "grid", "building", "household"})
"""Places whose residents are invited."""


class UsedUp(Exception):
    """An invitation that ended: it is too old, has no use left, was taken back, or its place was closed."""


class NoLonger(Exception):
    """Who made a role invitation could not give that role today."""


def may_invite(viewer: Viewer, place: Organisation, role: Role | None) -> bool:
    """Whether this viewer may invite to a place: residents to a home (role None), or somebody to a role."""
    if place.closed_at is not None:
        return False
    if role is not None:
        return may_grant(viewer, role, path=place.path, kind=place.kind)
    gives = any(Role.RESIDENT in GRANTS.get(own, frozenset()) for own in viewer.roles)
    return gives and bool(viewer.scope) and place.path.startswith(viewer.scope) and place.kind in HOMES


def make(
    session: Session,
    place: Organisation,
    *,
    role: Role | None,
    by: Viewer,
    at: dt.datetime,
    until: dt.datetime,
    uses: int,
    secret_key: str,
) -> Invitation:
    """Make an invitation, on record; whether the viewer may was asked before."""
    made = keep(session, place, role=role, by=by.user, at=at, until=until, uses=uses, secret_key=secret_key)
    _record(session, made, "make_invitation", actor=by.user, at=at)
    return made


def keep(
    session: Session,
    place: Organisation,
    *,
    role: Role | None,
    by: int | None,
    at: dt.datetime,
    until: dt.datetime,
    uses: int,
    secret_key: str,
) -> Invitation:
    """Store an invitation."""
    nonce = secrets.token_hex(16)
    kind = "role" if role is not None else "household" if place.kind == "household" else "building"
    made = Invitation(
        kind=kind,
        organisation_id=place.id,
        role=role.value if role is not None else "",
        nonce=nonce,
        digest=_digest(_token(nonce, secret_key)),
        made_by=by,
        made_at=at,
        until=until,
        uses_left=uses,
    )
    session.add(made)
    session.flush()
    return made


def token_of(invitation: Invitation, *, secret_key: str) -> str:
    """The token to print, 22 signs of base64url; None of it stands in the store."""
    return _token(invitation.nonce, secret_key)


def find(session: Session, token: str) -> Invitation | None:
    """The invitation of a token, whether it still counts or not."""
    return session.scalar(sa.select(Invitation).where(Invitation.digest == _digest(token)))


def counts(invitation: Invitation, now: dt.datetime) -> bool:
    """Whether it can still be used."""
    return (
        invitation.ended_at is None
        and invitation.until > now
        and invitation.uses_left > 0
        and invitation.organisation.closed_at is None
    )


def use(session: Session, invitation: Invitation, *, now: dt.datetime) -> None:
    """Take one use; of two who come at once for the last one, one gets it. Raises `UsedUp`."""
    if not counts(invitation, now):
        raise UsedUp
    taken = session.execute(
        sa.update(Invitation)
        .where(Invitation.id == invitation.id, Invitation.uses_left > 0, Invitation.ended_at.is_(None))
        .values(uses_left=Invitation.uses_left - 1, used=Invitation.used + 1)
    )
    if getattr(taken, "rowcount", 0) != 1:
        raise UsedUp
    session.refresh(invitation)


def accept(session: Session, invitation: Invitation, user: User, *, now: dt.datetime) -> bool:
    """Take on the role of an invitation; False where they have it already, which takes no use.

    Raises `UsedUp`, and `NoLonger` where its maker lost the right to give it.
    """
    role = ROLES.get(invitation.role)
    place, maker = invitation.organisation, invitation.maker
    if role is None or maker is None or not maker.active:
        raise NoLonger
    capacities = [maker.viewer_in(capacity) for capacity in maker.capacities]
    if not any(may_grant(viewer, role, path=place.path, kind=place.kind) for viewer in capacities):
        raise NoLonger
    if any(grant.known is role and grant.organisation_id == place.id for grant in user.grants):
        return False
    use(session, invitation, now=now)
    claims.give(session, user.id, role, place.id, by=maker.id, at=now)
    _record(session, invitation, "accept_invitation", actor=user.id, at=now)
    return True


def end(session: Session, invitation: Invitation, *, by: Viewer, at: dt.datetime) -> None:
    """Take an invitation back: from now on its paper is worth nothing."""
    invitation.ended_at = invitation.ended_at or at
    session.flush()
    _record(session, invitation, "end_invitation", actor=by.user, at=at)


def visible(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Which invitations this viewer sees: those to places inside their own, if they invite anybody at all."""
    if not viewer.scope or not any(role in GRANTS for role in viewer.roles):
        return sa.false()
    return Invitation.organisation.has(inside(viewer.scope))


def _token(nonce: str, secret_key: str) -> str:
    made = hmac.new(derived(secret_key, PURPOSE), nonce.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made[:TOKEN_BYTES]).decode().rstrip("=")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _record(
    session: Session, invitation: Invitation, action: str, *, actor: int | None, at: dt.datetime
) -> None:
    audit.record(
        session,
        at=at,
        actor=f"user:{actor}",
        action=action,
        subject=f"organisation:{invitation.organisation_id}",
        detail=invitation.role or invitation.kind,
    )
