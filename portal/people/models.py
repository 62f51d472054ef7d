"""Places and bodies in one tree, accounts with their grants, and the register of residents."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import request
from flask_security import RoleMixin, UserMixin, WebAuthnMixin
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship, synonym

from portal import policy
from portal.db import Model
from portal.words import now

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACES = ("district", "street", "community", "grid", "building", "household")
"""The kinds of places, from the widest to the narrowest."""
BODIES = ("committee", "property", "owners", "department")
"""The kinds of bodies: each acts for the place it stands under."""
PRIVATE_CAPACITY = "private"
ROLES = {role.value: role for role in policy.Role}


class Organisation(Model):
    """A place (a district, a community, a household) or a body that acts for the place above it."""

    __tablename__ = "organisation"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """The community's short name as gateways and topics use it, or another's own code."""
    name: Mapped[str] = mapped_column(sa.String(120))
    kind: Mapped[str] = mapped_column(sa.String(32))
    """One of `PLACES` or `BODIES`."""
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organisation.id"), index=True)
    path: Mapped[str] = mapped_column(sa.String(200), default="", index=True)
    """The ids from the root to here, `/1/5/9/`: who is inside is found by its beginning."""
    community: Mapped[str] = mapped_column(sa.String(64), default="")
    """The code of the community this is or lies in, empty above all communities."""
    closed_at: Mapped[dt.datetime | None]
    """When it was closed: pulled down, merged, given up; kept for what happened there."""

    parent: Mapped[Organisation | None] = relationship(remote_side="Organisation.id")

    @property
    def scope(self) -> str:
        """The path of the place itself, or of the place a body acts for."""
        if self.kind in BODIES:
            return self.path.rstrip("/").rpartition("/")[0] + "/"
        return self.path

    @property
    def part(self) -> str:
        """The path where this is only a part of a community, else empty."""
        return self.path if self.kind in {"grid", "building", "household"} else ""


class Role(Model, RoleMixin):
    """One of `portal.policy.Role`, as Flask-Security wants it stored."""

    __tablename__ = "role"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    description: Mapped[str | None] = mapped_column(sa.String(200))


class Grant(Model):
    """A role given to an account at one place of the tree."""

    __tablename__ = "role_grant"
    __table_args__ = (sa.UniqueConstraint("user_id", "role_id", "organisation_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"))
    role_id: Mapped[int] = mapped_column(sa.ForeignKey("role.id", ondelete="CASCADE"))
    organisation_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"), index=True)
    given_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    given_at: Mapped[dt.datetime | None]

    role: Mapped[Role] = relationship(lazy="joined")
    organisation: Mapped[Organisation] = relationship(lazy="joined")

    @property
    def known(self) -> policy.Role | None:
        """The role as the policies know it; a name they don't know grants nothing."""
        return ROLES.get(self.role.name)


class User(Model, UserMixin):
    """An account; `phone` (E.164) is how a person signs in, a card where somebody has no telephone."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    password: Mapped[str | None] = mapped_column(sa.String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(sa.String(64), unique=True)
    demo: Mapped[bool] = mapped_column(default=False)
    """Made by the demonstration; never let in while the portal is live."""
    made_at: Mapped[dt.datetime | None]
    closed_at: Mapped[dt.datetime | None]
    """When its owner closed it; name and telephone are gone since then."""
    failed_sign_ins: Mapped[int] = mapped_column(default=0)
    """Failures since the last success; what is locked, and for how long, follows from them."""
    locked_until: Mapped[dt.datetime | None]
    tf_primary_method: Mapped[str | None] = mapped_column(sa.String(64))
    tf_totp_secret: Mapped[str | None] = mapped_column(sa.String(255))
    """Sealed with the portal's key, as Flask-Security's TOTP wants it."""
    totp_last_counter: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The step of the last code of the authenticator that was taken: none counts twice (RFC 6238, 5.2)."""
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(sa.JSON()))
    fs_webauthn_user_handle: Mapped[str | None] = mapped_column(sa.String(64), unique=True)  # type: ignore[assignment]  # made at the first passkey

    us_phone_number = synonym("phone")
    tf_phone_number = None
    webauthn: Mapped[list[Passkey]] = relationship(  # type: ignore[assignment]  # a list of ours
        back_populates="user", cascade="all, delete-orphan"
    )
    grants: Mapped[list[Grant]] = relationship(
        foreign_keys=Grant.user_id, lazy="selectin", cascade="all, delete-orphan", order_by=Grant.id
    )

    def is_locked(self, form_error: list[str] | None = None) -> bool:
        """Whether the account takes no password and no second factor now, after too many failures.

        A code still comes to the owner's telephone, so that a stranger's guessing keeps nobody out.
        """
        del form_error
        if request.endpoint == "security.us_signin":
            return False
        return self.locked_until is not None and self.locked_until > now()

    def track_failed_authn(self, auth_type: str, tfa: bool = False) -> None:  # noqa: FBT001, FBT002  # Flask-Security calls it so
        """Count a failure, of the first or the second factor."""
        from portal.people.guarding import note_failure  # noqa: PLC0415  # it sends texts, which know the orders

        super().track_failed_authn(auth_type, tfa=tfa)
        note_failure(self)

    def us_send_security_token(self, method: str, **kwargs: Any) -> str | None:
        """Text the code just made to this account's telephone; words for the form where it cannot be."""
        from portal.people.guarding import text_code  # noqa: PLC0415  # likewise

        del method, kwargs
        return text_code(self)

    @property
    def roles(self) -> list[Role]:  # type: ignore[override]  # Flask-Security only reads it
        """Every role this account has somewhere."""
        return [grant.role for grant in self.grants]

    @property
    def capacities(self) -> dict[str, list[Grant]]:
        """In what this person may act: each office by itself, and as a private person; offices first."""
        held = [grant for grant in self.grants if grant.known is not None]
        offices = {str(grant.id): [grant] for grant in held if grant.known not in policy.PRIVATE}
        private = [grant for grant in self.grants if grant.known in policy.PRIVATE]
        return offices | ({PRIVATE_CAPACITY: private} if private else {})

    @property
    def viewer(self) -> policy.Viewer:
        """This account as the policies see it, in the first of its capacities."""
        return self.viewer_in(None)

    @property
    def private_viewer(self) -> policy.Viewer:
        """This account as a private person, whatever offices it has."""
        return viewer_of(self, self.capacities.get(PRIVATE_CAPACITY, []))

    def check_tf_required_setup(self) -> bool:
        """Whether this account may not do without a second factor."""
        return not self.demo and any(name != PRIVATE_CAPACITY for name in self.capacities)

    def viewer_in(self, capacity: str | None) -> policy.Viewer:
        """This account in the capacity it chose; in its first one where that is not (or no longer) its."""
        capacities = self.capacities
        chosen = capacities.get(capacity or "") or next(iter(capacities.values()), [])
        return viewer_of(self, chosen)


class Passkey(Model, WebAuthnMixin):
    """A passkey (WebAuthn credential) of an account, with the columns Flask-Security fills."""

    __tablename__ = "passkey"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(sa.LargeBinary(1024), unique=True)
    public_key: Mapped[bytes] = mapped_column(sa.LargeBinary)
    sign_count: Mapped[int | None] = mapped_column(sa.BigInteger, default=0)  # type: ignore[assignment]  # as theirs
    transports: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(sa.JSON()))
    backup_state: Mapped[bool]
    device_type: Mapped[str] = mapped_column(sa.String(64))
    extensions: Mapped[str | None] = mapped_column(sa.String(255))
    create_datetime: Mapped[dt.datetime] = mapped_column(default=lambda: dt.datetime.now(dt.UTC))
    lastuse_datetime: Mapped[dt.datetime]
    name: Mapped[str] = mapped_column(sa.String(64))
    usage: Mapped[str] = mapped_column(sa.String(64))
    """`first` or `secondary`: whether it signs in by itself or after a password or a code."""

    user: Mapped[User] = relationship(back_populates="webauthn")


def viewer_of(user: User, grants: Iterable[Grant]) -> policy.Viewer:
    """An account acting on some of its grants, at the place of the first one."""
    held = [grant for grant in grants if grant.known is not None]
    place = held[0].organisation if held else None
    return policy.Viewer(
        user=user.id,
        name=user.name,
        phone=user.phone or "",
        community=place.community if place is not None else "",
        scope=place.scope if place is not None else "",
        part=place.part if place is not None else "",
        roles=frozenset(grant.known for grant in held if grant.known is not None),
    )


class Resident(Model):
    """One person of the register, kept by the committee; may have an account, may wear a band."""

    __tablename__ = "resident"

    id: Mapped[int] = mapped_column(primary_key=True)
    community: Mapped[str] = mapped_column(sa.String(64), index=True)
    household_id: Mapped[int | None] = mapped_column(sa.ForeignKey("organisation.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    sex: Mapped[str] = mapped_column(sa.String(8), default="")
    """`male`, `female` or empty."""
    birth_date: Mapped[dt.date | None]
    phone: Mapped[str] = mapped_column(sa.String(20), default="", index=True)
    id_number_sealed: Mapped[str | None] = mapped_column(sa.Text)
    """The identity number, sealed with the portal's key; never shown without an entry in the audit record."""
    id_number_digest: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    """A keyed digest of it, to find the same person again without opening the number."""
    relation: Mapped[str] = mapped_column(sa.String(40), default="")
    """To the head of the household."""
    tags: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    """Codes such as `lives_alone`, `party_member`."""
    note: Mapped[str] = mapped_column(sa.Text, default="")
    user_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("user_account.id", ondelete="SET NULL"), unique=True
    )
    created_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]
    left_at: Mapped[dt.datetime | None]
    """When they moved away; kept until retention removes them."""

    household: Mapped[Organisation | None] = relationship()
    account: Mapped[User | None] = relationship()


class ResidentGram(Model):
    """One sign, or two neighbouring signs, of what a person of the register is found by.

    Neither engine's own full text search finds a name of two Chinese characters.
    """

    __tablename__ = "resident_gram"

    gram: Mapped[str] = mapped_column(sa.String(2), primary_key=True)
    resident_id: Mapped[int] = mapped_column(
        sa.ForeignKey("resident.id", ondelete="CASCADE"), primary_key=True, index=True
    )
