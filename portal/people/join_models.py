"""How people come in: invitations, claims of a household, and tables of residents waiting to be taken in."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Model
from portal.people.models import Organisation, User


class Invitation(Model):
    """A door with a number of uses: whoever holds its token may claim a household, or takes on a role.

    The token itself is not here: `digest` finds it; `nonce` with the portal's key makes it again for print.
    """

    __tablename__ = "invitation"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    """`building` (or another place of several households), `household` or `role`."""
    organisation_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"), index=True)
    role: Mapped[str] = mapped_column(sa.String(24), default="")
    """What a `role` invitation gives, by its name in `portal.policy.Role`."""
    nonce: Mapped[str] = mapped_column(sa.String(64))
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    made_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id", ondelete="SET NULL"))
    made_at: Mapped[dt.datetime]
    until: Mapped[dt.datetime]
    uses_left: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[dt.datetime | None]

    organisation: Mapped[Organisation] = relationship(lazy="joined")
    maker: Mapped[User | None] = relationship()


class HouseholdClaim(Model):
    """Somebody says to live in a household.

    `state` is `waiting`, then `confirmed` or `refused`; `undone` after a confirmation that was wrong.
    """

    __tablename__ = "household_claim"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    household_id: Mapped[int] = mapped_column(sa.ForeignKey("organisation.id"), index=True)
    invitation_id: Mapped[int | None] = mapped_column(sa.ForeignKey("invitation.id", ondelete="SET NULL"))
    said: Mapped[str] = mapped_column(sa.String(200), default="")
    """What the person wrote for the committee: owner, tenant, whose daughter."""
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    by_register: Mapped[bool] = mapped_column(default=False)
    """Confirmed at once, because the register has this telephone at this household."""
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    made_at: Mapped[dt.datetime]
    judged_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id", ondelete="SET NULL"))
    judged_at: Mapped[dt.datetime | None]

    user: Mapped[User] = relationship(foreign_keys=user_id)
    household: Mapped[Organisation] = relationship()


class ClaimNotice(Model):
    """Who already lived there is told of a new member, until they say that they know."""

    __tablename__ = "claim_notice"

    claim_id: Mapped[int] = mapped_column(
        sa.ForeignKey("household_claim.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(
        sa.ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    answer: Mapped[str] = mapped_column(sa.String(8), default="")
    """Empty while not answered; `known`, or `strange` where they don't know the person."""

    claim: Mapped[HouseholdClaim] = relationship()


class ResidentImport(Model):
    """A table of residents somebody sent, waiting for their word; sealed: it holds identity numbers."""

    __tablename__ = "resident_import"

    id: Mapped[int] = mapped_column(primary_key=True)
    community: Mapped[str] = mapped_column(sa.String(64))
    made_by: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    made_at: Mapped[dt.datetime]
    file_name: Mapped[str] = mapped_column(sa.String(200))
    sealed: Mapped[str] = mapped_column(sa.Text)
    """The rows as JSON, sealed like an identity number."""
