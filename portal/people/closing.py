"""Closing an account (PIPL art. 47): what says who somebody is goes, what others need stays without a name.

Cases, posts and acts of an office keep pointing at the row, which by then names nobody; the audit record,
which the law wants kept, is not touched.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.care.changes import account_changed
from portal.care.models import Guardianship
from portal.people.account_models import AccessCard, PhoneCode, SignIn
from portal.people.models import Grant, Resident, Role, User
from portal.policy import Role as RoleName

CLOSED_NAME = "已注销"


class LastAdministrator(Exception):  # a fact, and said to the reader
    """Nobody else could give roles any more."""


def close(session: Session, user: User, *, at: datetime) -> None:
    """Close an account in the session's transaction; raises `LastAdministrator`."""
    if _is_last_administrator(session, user):
        raise LastAdministrator
    if user.phone:
        session.execute(sa.delete(PhoneCode).where(PhoneCode.phone == user.phone))
    session.execute(sa.delete(SignIn).where(SignIn.user_id == user.id))
    session.execute(sa.delete(AccessCard).where(AccessCard.user_id == user.id))
    session.execute(sa.delete(Guardianship).where(Guardianship.user_id == user.id))
    session.execute(sa.update(Resident).where(Resident.user_id == user.id).values(user_id=None))
    user.grants.clear()
    user.webauthn.clear()
    user.name, user.phone, user.password, user.active = CLOSED_NAME, None, None, False
    user.tf_primary_method = user.tf_totp_secret = user.mf_recovery_codes = None
    user.fs_webauthn_user_handle = None
    user.fs_uniquifier = uuid.uuid4().hex
    user.closed_at = at
    account_changed(session, user.id)
    session.flush()


def _is_last_administrator(session: Session, user: User) -> bool:
    query = sa.select(Grant.user_id).join(Role).join(User, User.id == Grant.user_id)
    query = query.where(Role.name == RoleName.ADMIN.value, User.active)
    administrators = set(session.scalars(query))
    return administrators == {user.id}
