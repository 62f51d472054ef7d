"""What belongs to an account: its sign-ins, the codes sent to its telephone, cards of elders."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Model
from portal.people.models import Resident, User


class SignIn(Model):
    """One sign-in: the session cookie names it, and is worth nothing once it has ended."""

    __tablename__ = "sign_in"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """SHA-256 of the name the cookie carries: who reads the store cannot sign in with it."""
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    way: Mapped[str] = mapped_column(sa.String(24))
    """`password`, `sms`, `passkey`, `authenticator`, `recovery`, `sign_up` or `card`."""
    started_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    browser: Mapped[str] = mapped_column(sa.String(80), default="")
    address: Mapped[str] = mapped_column(sa.String(45), default="")
    """Without its last part."""
    capacity: Mapped[str] = mapped_column(sa.String(120), default="")
    """As what it was last acted in: `office` or `private`."""
    kept: Mapped[bool] = mapped_column(default=False)
    """Whether the person asked to stay signed in on this device."""
    ended_at: Mapped[dt.datetime | None]


class PhoneCode(Model):
    """A code sent to a telephone; the newest of a number and purpose is the only one that counts."""

    __tablename__ = "phone_code"
    __table_args__ = (sa.Index("ix_phone_code_phone_purpose", "phone", "purpose"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(sa.String(20))
    purpose: Mapped[str] = mapped_column(sa.String(16))
    secret: Mapped[str] = mapped_column(sa.String(255))
    """The TOTP secret it was made from, sealed; the code itself is nowhere."""
    sender: Mapped[str] = mapped_column(sa.String(64), index=True)
    """A keyed digest of the address that asked for it."""
    sent_at: Mapped[dt.datetime] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[dt.datetime | None]


class AccessCard(Model):
    """A printed card with which a resident without a telephone signs in at the community's tablet."""

    __tablename__ = "access_card"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(32), unique=True)
    """What the QR code carries; worth nothing without the PIN."""
    pin: Mapped[str] = mapped_column(sa.String(255))
    """argon2id of the PIN."""
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    resident_id: Mapped[int] = mapped_column(sa.ForeignKey("resident.id", ondelete="CASCADE"), index=True)
    made_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id", ondelete="SET NULL"))
    made_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]
    used_at: Mapped[dt.datetime | None]
    tries: Mapped[int] = mapped_column(default=0)

    user: Mapped[User] = relationship(foreign_keys=user_id)
    resident: Mapped[Resident] = relationship()
