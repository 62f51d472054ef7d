"""Claims to be a guardian: in the words of who asks, until the committee finds the wearer."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.care.models import Guardianship
from portal.db import Model
from portal.people.models import User


class GuardianClaim(Model):
    """Who asks to be whose guardian, on what proof.

    The wearer is named, not found: whether there is one is seen by the committee alone.
    `state` is `waiting`, then `confirmed` (and there is a guardianship) or `refused`.
    """

    __tablename__ = "guardian_claim"

    id: Mapped[int] = mapped_column(primary_key=True)
    community: Mapped[str] = mapped_column(sa.String(64), index=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    named: Mapped[str] = mapped_column(sa.String(40))
    home: Mapped[str] = mapped_column(sa.String(120))
    relation: Mapped[str] = mapped_column(sa.String(40))
    basis: Mapped[str] = mapped_column(sa.String(24))
    """As in `Guardianship.basis`."""
    decides: Mapped[bool] = mapped_column(default=False)
    proof: Mapped[str] = mapped_column(sa.String(400))
    state: Mapped[str] = mapped_column(sa.String(16), default="waiting")
    made_at: Mapped[dt.datetime]
    judged_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id", ondelete="SET NULL"))
    judged_at: Mapped[dt.datetime | None]
    reason: Mapped[str] = mapped_column(sa.String(400), default="")
    guardianship_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("guardianship.id", ondelete="SET NULL"), index=True
    )

    user: Mapped[User] = relationship(foreign_keys=user_id)
    guardianship: Mapped[Guardianship | None] = relationship()
