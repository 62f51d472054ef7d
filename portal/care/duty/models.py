"""The duty calendar of a community: who may be on duty, and each turn of theirs."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Model


class DutyPerson(Model):
    """Somebody who takes turns; `code` names them to the gateways for ever."""

    __tablename__ = "duty_person"
    __table_args__ = (sa.UniqueConstraint("community", "phone"), sa.UniqueConstraint("community", "code"))

    id: Mapped[int] = mapped_column(primary_key=True)
    community: Mapped[str] = mapped_column(sa.String(64))
    code: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(sa.String(80))
    phone: Mapped[str] = mapped_column(sa.String(20))
    lang: Mapped[str] = mapped_column(sa.String(2), default="zh")


class DutyTurn(Model):
    """One person is on duty from `starts_at` until just before `ends_at`.

    `place` 0 is rung first; turns made by one repetition share their `series`.
    """

    __tablename__ = "duty_turn"
    __table_args__ = (sa.Index("ix_duty_turn_community_starts", "community", "starts_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    community: Mapped[str] = mapped_column(sa.String(64))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("duty_person.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]
    place: Mapped[int] = mapped_column(default=0)
    series: Mapped[str] = mapped_column(sa.String(16), default="")

    person: Mapped[DutyPerson] = relationship(lazy="joined")


class DutyCalendar(Model):
    """The version of a community's calendar that was ordered last, by whom and when."""

    __tablename__ = "duty_calendar"

    community: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int]
    ordered_at: Mapped[dt.datetime]
    ordered_by: Mapped[str] = mapped_column(sa.String(120))
