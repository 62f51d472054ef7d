"""Fences that do not count for a while: ordered here, done by the gateway, shown as it told them last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import FenceSuspension
from portal import audit
from portal.api import commands
from portal.care.changes import announce
from portal.care.models import Command, Wearer
from portal.policy import Viewer

NAMES = ("suspend_fences", "resume_fences")
NOTE_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """One suspension as a page shows it: `name` is the fence's, empty for all of them."""

    fence: str
    name: str
    until: datetime
    by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The newest order of this kind while it waits for the gateway, or was refused by it."""

    waits: bool
    reason: str


def give(
    session: Session,
    wearer: Wearer,
    *,
    name: str,
    fence: str,
    until: datetime | None,
    note: str,
    who: Viewer,
    once: str,
    now: datetime,
) -> None:
    """Queue an order for the wearer's gateway in the session's transaction, and record who gave it.

    `once` names the press of the button: the same press twice is one order.
    """
    commands.queue(
        session,
        wearer.gateway,
        now=now,
        by_user=who.user,
        command=f"{_prefix(wearer)}{who.user}.{once}",
        name=name,
        wearer=wearer.code,
        fence=fence or None,
        until=until,
        by=who.name,
        note=note[:NOTE_CHARACTERS] or None,
        given_at=now,
    )
    detail = " ".join(filter(None, (fence, "" if until is None else f"{until:%Y-%m-%dT%H:%M%z}")))
    subject = f"wearer:{wearer.id}"
    audit.record(session, at=now, actor=f"user:{who.user}", action=name, subject=subject, detail=detail)
    announce(session, [("wearer", wearer.id, wearer.id)])


def current(wearer: Wearer, now: datetime) -> list[Suspended]:
    """Give the suspensions that are not over, the first to end first."""
    names = {fence["fence"]: fence["name"] for fence in wearer.fences}
    told = msgspec.convert(wearer.suspensions or [], list[FenceSuspension])
    return [
        Suspended(
            fence=one.fence,
            name=names.get(one.fence, one.fence),
            until=one.until,
            by=one.by,
            note=one.note,
        )
        for one in sorted(told, key=lambda one: one.until)
        if one.until > now
    ]


def asked(session: Session, wearer: Wearer) -> Asked | None:
    """Give the newest order where the gateway has not done it: it waits, or it was refused."""
    query = sa.select(Command).where(Command.gateway == wearer.gateway, Command.name.in_(NAMES))
    query = query.where(Command.command.startswith(_prefix(wearer), autoescape=True))
    row = session.scalar(query.order_by(Command.number.desc()).limit(1))
    if row is None or row.state == "done":
        return None
    return Asked(waits=row.state == "queued", reason=row.reason or "")


def _prefix(wearer: Wearer) -> str:
    return f"fences.{wearer.id}."
