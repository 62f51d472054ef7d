"""Cases and what happened to them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Model
from portal.people.models import User


class Case(Model):
    """One application or report.

    `reporter_id` is whose case it is, None when somebody without an account was helped at the desk;
    `entered_by_id` is the staff member who filled it in for them.
    `code_hash` proves the look-up code without keeping it. `answers` are the accepted answers by field.
    `due_at`: by then the present state has to be left; `left_s`: what is kept of it while waiting.
    """

    __tablename__ = "case"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(24), unique=True)
    code_hash: Mapped[str] = mapped_column(sa.String(64))
    community: Mapped[str] = mapped_column(sa.String(64))
    service: Mapped[str] = mapped_column(sa.String(40))
    service_version: Mapped[int]
    reporter_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"), index=True)
    entered_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    contact_name: Mapped[str] = mapped_column(sa.String(80))
    contact_phone: Mapped[str] = mapped_column(sa.String(20))
    answers: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    place: Mapped[str] = mapped_column(sa.String(200), default="")
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    state: Mapped[str] = mapped_column(sa.String(16))
    level: Mapped[str] = mapped_column(sa.String(16), default="community")
    handler: Mapped[str] = mapped_column(sa.String(80), default="")
    due_at: Mapped[dt.datetime | None]
    left_s: Mapped[float | None]
    public: Mapped[bool] = mapped_column(default=False)
    rating: Mapped[int | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]

    reporter: Mapped[User | None] = relationship(foreign_keys=[reporter_id])
    entered_by: Mapped[User | None] = relationship(foreign_keys=[entered_by_id])

    __table_args__ = (sa.Index("ix_case_queue", "community", "state", "due_at"),)


class CaseEvent(Model):
    """One thing that happened to a case; `state` is the one it led to. Never changed, never deleted."""

    __tablename__ = "case_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(sa.ForeignKey("case.id", ondelete="CASCADE"), index=True)
    at: Mapped[dt.datetime]
    action: Mapped[str] = mapped_column(sa.String(16))
    state: Mapped[str] = mapped_column(sa.String(16))
    side: Mapped[str] = mapped_column(sa.String(16))
    actor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    actor_name: Mapped[str] = mapped_column(sa.String(80))
    note: Mapped[str] = mapped_column(sa.Text, default="")
    level: Mapped[str] = mapped_column(sa.String(16), default="")
    handler: Mapped[str] = mapped_column(sa.String(80), default="")
