"""Who is called for a wearer and has proved the number is let into the care pages: the role for it.

The role by itself shows nobody: whom a guardian sees is decided by `policy.sight`, wearer by wearer.
Nobody gives it by hand; a contact who opens an account has it from the first sign-in, and whoever has an
account has it as soon as a gateway names their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import Flask
from flask_security import user_authenticated

from portal.care.models import Contact, Guardianship, Wearer
from portal.db import db
from portal.people import organisations
from portal.people.models import Grant, Role, User
from portal.policy import Role as RoleName
from portal.words import now

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


def admit(session: Session, *, at: datetime, user_id: int | None = None) -> int:
    """Give the role where it is due and missing, to one account or to all; gives to how many.

    It is due to whoever's number the family of a wearer is named with, and to confirmed guardians.
    """
    missing = ~User.grants.any(Grant.role.has(Role.name == RoleName.GUARDIAN.value))
    called = sa.select(User.id, Wearer.community).join(Contact, Contact.phone == User.phone)
    called = called.where(Contact.role == "family")
    called = called.join(Wearer, Wearer.id == Contact.wearer_id)
    guarding = sa.select(User.id, Wearer.community).join(Guardianship, Guardianship.user_id == User.id)
    guarding = guarding.join(Wearer, Wearer.id == Guardianship.wearer_id)
    guarding = guarding.where(Guardianship.state == "confirmed")
    due: dict[int, str] = {}
    for query in (called, guarding):
        one = query.where(missing, User.active, Wearer.present)
        one = one if user_id is None else one.where(User.id == user_id)
        due |= {row.id: row.community for row in session.execute(one)}
    return sum(_give(session, user, community, at) for user, community in due.items())


def _give(session: Session, user_id: int, community: str, at: datetime) -> bool:
    account, place = session.get(User, user_id), organisations.find(session, community)
    if account is None or place is None:
        return False
    role = session.scalar(sa.select(Role).where(Role.name == RoleName.GUARDIAN.value))
    account.grants.append(
        Grant(role=role or Role(name=RoleName.GUARDIAN.value), organisation=place, given_at=at)
    )
    return True


def listen(app: Flask) -> None:
    """Look at every sign-in."""
    user_authenticated.connect(_signed_in, app)


def _signed_in(_app: Flask, user: User, **_more: Any) -> None:
    if admit(db.session, at=now(), user_id=user.id):
        db.session.commit()
