"""Sign-in cards for residents without a telephone: made and taken back by staff, used at the tablet.

A card is a QR code that names it and a PIN that opens it; the PIN is shown once, on the printed sheet.
Whatever staff do with a card is written to the audit record under their own name.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask_security import hash_password, verify_password
from sqlalchemy.orm import Session

from portal import audit
from portal.care.changes import account_changed
from portal.care.models import MOST_ID, Wearer
from portal.people import sign_ins
from portal.people.account_models import AccessCard
from portal.people.models import Grant, Organisation, Resident, Role, User
from portal.policy import Role as RoleName
from portal.policy import Viewer

PIN_DIGITS = 6
TRIES = 5
MOST_FOUND = 50


class HasOwnAccount(ValueError):
    """This resident signs in with a telephone of their own."""


def residents(session: Session, viewer: Viewer, words: str) -> list[Resident]:
    """The residents of this viewer's place whose name holds these words, by name; at most fifty."""
    query = _seen(viewer).where(Resident.name.contains(words, autoescape=True))
    return list(session.scalars(query.order_by(Resident.name, Resident.id).limit(MOST_FOUND)))


def find_resident(session: Session, viewer: Viewer, resident_id: int) -> Resident | None:
    """A resident of this viewer's place."""
    if resident_id > MOST_ID:
        return None
    return session.scalars(_seen(viewer).where(Resident.id == resident_id)).one_or_none()


def card_of(session: Session, resident: Resident) -> AccessCard | None:
    """The card of a resident that is in force."""
    query = sa.select(AccessCard).where(AccessCard.resident_id == resident.id)
    return session.scalar(query.where(AccessCard.revoked_at.is_(None)).limit(1))


def make(session: Session, resident: Resident, *, by: Viewer, at: datetime) -> tuple[AccessCard, str]:
    """A new card, which ends the one before, and its PIN; makes the account where there is none.

    Raises `HasOwnAccount` for who has a telephone of their own in the portal.
    """
    user = session.get(User, resident.user_id) if resident.user_id is not None else None
    if user is not None and user.phone:
        raise HasOwnAccount
    if user is None:
        user = _account(session, resident, by=by, at=at)
    _revoke_all(session, resident, at=at)
    pin = f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}}"
    card = AccessCard(
        number=secrets.token_hex(12),
        pin=hash_password(pin),
        user=user,
        resident=resident,
        made_by=by.user,
        made_at=at,
        tries=0,
    )
    session.add(card)
    _record(session, resident, "card_made", by=by, at=at)
    session.flush()
    return card, pin


def revoke(session: Session, resident: Resident, *, by: Viewer, at: datetime) -> bool:
    """Take a resident's card back and sign it out wherever it is used; False where there was none."""
    if card_of(session, resident) is None:
        return False
    _revoke_all(session, resident, at=at)
    _record(session, resident, "card_revoked", by=by, at=at)
    return True


def open_with(session: Session, number: str, pin: str, *, at: datetime) -> User | None:
    """The account a card opens with this PIN; the caller commits either way: a wrong PIN is counted.

    After five wrong ones the card is worth nothing until staff make a new one.
    """
    query = sa.select(AccessCard).where(AccessCard.number == number, AccessCard.revoked_at.is_(None))
    card = session.scalar(query)
    if card is None or card.tries >= TRIES or not card.user.active:
        hash_password(pin)  # as long as looking at a PIN takes
        return None
    if not verify_password(pin, card.pin):
        counted = sa.update(AccessCard).where(AccessCard.id == card.id)
        session.execute(counted.values(tries=AccessCard.tries + 1))
        return None
    card.tries, card.used_at = 0, at
    return card.user


def _seen(viewer: Viewer) -> sa.Select[Any]:
    query = sa.select(Resident).where(Resident.community == viewer.community, Resident.left_at.is_(None))
    if viewer.part:
        inside = Organisation.path.startswith(viewer.part, autoescape=True)
        query = query.join(Organisation, Organisation.id == Resident.household_id).where(inside)
    return query


def _account(session: Session, resident: Resident, *, by: Viewer, at: datetime) -> User:
    place = resident.household_id or session.scalar(
        sa.select(Organisation.id).where(Organisation.code == resident.community)
    )
    worn = session.scalar(sa.select(Wearer.id).where(Wearer.resident_id == resident.id).limit(1))
    names = [RoleName.RESIDENT] if worn is None else [RoleName.RESIDENT, RoleName.WEARER]
    roles = session.scalars(sa.select(Role).where(Role.name.in_([name.value for name in names])))
    grants = [Grant(role=role, organisation_id=place, given_by=by.user, given_at=at) for role in roles]
    user = User(
        phone=None,
        name=resident.name,
        active=True,
        fs_uniquifier=uuid.uuid4().hex,
        made_at=at,
        grants=grants,
    )
    session.add(user)
    session.flush()
    resident.user_id = user.id
    return user


def _revoke_all(session: Session, resident: Resident, *, at: datetime) -> None:
    query = sa.select(AccessCard).where(AccessCard.resident_id == resident.id)
    for card in session.scalars(query.where(AccessCard.revoked_at.is_(None))):
        card.revoked_at = at
        sign_ins.end(session, card.user_id, at=at)
        account_changed(session, card.user_id)


def _record(session: Session, resident: Resident, action: str, *, by: Viewer, at: datetime) -> None:
    subject = f"resident:{resident.id}"
    audit.record(session, at=at, actor=f"user:{by.user}", action=action, subject=subject, detail=by.name)
