"""What the portal knows of a gateway's site beside the wearers: its bands, who is on duty, test calls.

A projection like `portal.care.models`: the gateway's word, nothing edited by hand.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.care.models import Wearer
from portal.db import Model


class Band(Model):
    """A band as its gateway admits it, or did before it was revoked; `device` is its identity.

    `heard_at` and `battery_pct` come from its frames, whatever the wearer is now.
    """

    __tablename__ = "band"

    gateway: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    device: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    wearer_id: Mapped[int] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"), index=True)
    wire_id: Mapped[str] = mapped_column(sa.String(64))
    protocol: Mapped[str] = mapped_column(sa.String(32))
    model: Mapped[str] = mapped_column(sa.String(64), default="")
    serial: Mapped[str] = mapped_column(sa.String(64), default="")
    name: Mapped[str] = mapped_column(sa.String(64), default="")
    state: Mapped[str] = mapped_column(sa.String(16))
    """`active` or `revoked`."""
    key: Mapped[str] = mapped_column(sa.String(8))
    """`set` where it proves itself on its wire, `none` where that wire has no login."""
    source: Mapped[str] = mapped_column(sa.String(8))
    """`store`: provisioned here or by `shouwang device`; `file`: of config.toml."""
    changed_at: Mapped[dt.datetime | None]
    heard_at: Mapped[dt.datetime | None]
    battery_pct: Mapped[float | None]
    battery_at: Mapped[dt.datetime | None]

    wearer: Mapped[Wearer] = relationship()


class BandKey(Model):
    """A band's key on its way to whoever ordered it, sealed to the public key of that order.

    Nobody can read it here. Whoever shows it deletes the row; what nobody fetched goes after a day.
    """

    __tablename__ = "band_key"

    gateway: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    command: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    device: Mapped[str] = mapped_column(sa.String(64))
    settings: Mapped[list[list[str]]] = mapped_column(sa.JSON)
    """What is typed into the band beside the key: (what, value) in order."""
    sealed: Mapped[str] = mapped_column(sa.Text)
    at: Mapped[dt.datetime]


class DutyTold(Model):
    """Who is on duty at a gateway, and the version of the calendar it follows: the newest word only."""

    __tablename__ = "duty_told"

    gateway: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int]
    at: Mapped[dt.datetime]
    until: Mapped[dt.datetime | None]
    on_duty: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    """`OnDuty`s, whoever is rung first first."""


class TestCall(Model):
    """A test call as its gateway last described it; `command` is the order that began it."""

    __test__ = False  # no test class, whatever its name suggests
    __tablename__ = "test_call"

    gateway: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    command: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    wearer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("wearer.id", ondelete="CASCADE"), index=True)
    contact: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(sa.String(80))
    call: Mapped[str] = mapped_column(sa.String(16))
    """A `gateway.told_orders.CallState`."""
    text: Mapped[str] = mapped_column(sa.String(16))
    digit: Mapped[str] = mapped_column(sa.String(4), default="")
    by: Mapped[str] = mapped_column(sa.String(120), default="")
    ordered_at: Mapped[dt.datetime] = mapped_column(index=True)
    at: Mapped[dt.datetime]
    final: Mapped[bool] = mapped_column(default=False)
