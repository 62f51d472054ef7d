"""The search for a wearer who is lost: what was ordered and told, links for helpers, and what those saw."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.care.models import BigId, Wearer
from portal.db import Model

SHOWS_FOR = dt.timedelta(hours=24)
"""For so long a search shows where somebody is without a consent; then it is to be begun anew, on record."""


class LostSearch(Model):
    """One search, from the press of the button until somebody ends it."""

    __tablename__ = "lost_search"

    id: Mapped[int] = mapped_column(primary_key=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"), index=True)
    open_for: Mapped[int | None] = mapped_column(unique=True)
    """The wearer's number while it goes on, nothing once it is over: one at a time."""
    started_at: Mapped[dt.datetime]
    started_by: Mapped[str] = mapped_column(sa.String(120))
    called: Mapped[str] = mapped_column(sa.String(40))
    """How helpers address her."""
    description: Mapped[str] = mapped_column(sa.Text, default="")
    phone: Mapped[str] = mapped_column(sa.String(20))
    """Whom helpers ring, E.164."""
    interval_s: Mapped[int]
    """How often the band is to report once it is over."""
    ended_at: Mapped[dt.datetime | None]
    ended_by: Mapped[str] = mapped_column(sa.String(120), default="")
    outcome: Mapped[str] = mapped_column(sa.String(16), default="")
    """`found`, `mistake` or `stopped` once it is over."""
    note: Mapped[str] = mapped_column(sa.Text, default="")

    wearer: Mapped[Wearer] = relationship()

    @property
    def shows_until(self) -> dt.datetime:
        """When it no longer shows where she is without a consent."""
        return self.started_at + SHOWS_FOR

    def shows(self, at: dt.datetime) -> bool:
        """Whether it shows where she is without a consent: an emergency, and no watch that was forgotten."""
        return self.open_for is not None and at < self.shows_until


class ShareLink(Model):
    """A link for helpers without an account; it is known by the hash of its token alone."""

    __tablename__ = "share_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    search_id: Mapped[int] = mapped_column(sa.ForeignKey("lost_search.id", ondelete="CASCADE"), index=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    seed: Mapped[str] = mapped_column(sa.String(32))
    """With the portal's secret key it gives the token again; without the key it gives nothing."""
    purpose: Mapped[str] = mapped_column(sa.String(60))
    """Whom it is for."""
    made_by: Mapped[str] = mapped_column(sa.String(120))
    made_at: Mapped[dt.datetime]
    until: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]
    opened: Mapped[int] = mapped_column(default=0)

    search: Mapped[LostSearch] = relationship()


class Sighting(Model):
    """What a helper said through a link: "I saw her here"."""

    __tablename__ = "sighting"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    search_id: Mapped[int] = mapped_column(sa.ForeignKey("lost_search.id", ondelete="CASCADE"), index=True)
    link_id: Mapped[int | None] = mapped_column(sa.ForeignKey("share_link.id", ondelete="SET NULL"))
    said_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    words: Mapped[str] = mapped_column(sa.Text)
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    name: Mapped[str] = mapped_column(sa.String(40), default="")
    phone: Mapped[str] = mapped_column(sa.String(20), default="")
