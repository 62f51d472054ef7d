"""Wearers' profiles: every version their gateway told, and the orders that change them.

The gateway's journal is the record; it judges what is ordered and it alone counts the versions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.profile import Profile
from gateway.told import PortalCommand, ProfileInForce
from portal import audit
from portal.api import commands
from portal.api.lines import lock_line
from portal.care.changes import announce
from portal.care.models import MOST_ID, Command, ProfileVersion, Wearer
from portal.care.profile.diff import audit_words, changes
from portal.policy import Viewer

BY_CHARACTERS = 120
"""What the store's column holds."""
COMMAND = re.compile(r"profile\.\d+\.\d+\.\w+")
"""How orders about profiles are called (`_name`)."""
NAMES = ("set_profile", "restore_profile")
OUTDATED = "this was made from version"
"""How a gateway refuses a change that was made from another version (`gateway.profiles.orders`)."""
WAITS, REFUSED, DROPPED = "queued", "refused", "dropped"
"""States of a command; one that is dropped was taken back here before, or after, its gateway answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What the next change starts from: what is in force, and what waits for the gateway on top of it.

    `version` is the one in force; `base_version` the one a change ordered now is made from:
    each change that waits will have raised it by one.
    """

    version: int
    base_version: int
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The newest change while the gateway has not taken it: it waits, or was refused with `reason`.

    `profile` is None where a version to be restored is not known here.
    """

    command: str
    waits: bool
    reason: str
    by: str
    at: datetime
    profile: Profile | None
    restores: int | None
    outdated: bool
    """Refused because another version than the one it was made from was in force."""


def take(session: Session, wearer: Wearer, told: ProfileInForce, *, now: datetime) -> None:
    """Keep a version; the same one told again changes nothing, another under its number takes its place.

    A gateway whose journal is new, or of a backup, counts on above whatever it told before.
    """
    row = find_version(session, wearer, told.version)
    if row is None:
        row = ProfileVersion(wearer_id=wearer.id, version=told.version)
        session.add(row)
    row.source, row.at, row.restores = told.source, min(told.at, now), told.restores
    row.by = told.by[:BY_CHARACTERS]
    row.body = msgspec.json.encode(told.profile).decode()
    session.flush()


def versions(session: Session, wearer: Wearer) -> list[ProfileVersion]:
    """Every version of a wearer's profile, the one in force first."""
    query = sa.select(ProfileVersion).where(ProfileVersion.wearer_id == wearer.id)
    return list(session.scalars(query.order_by(ProfileVersion.version.desc())))


def find_version(session: Session, wearer: Wearer, version: int) -> ProfileVersion | None:
    """One version, None where there is none of this number."""
    if not 0 < version <= MOST_ID:
        return None
    query = sa.select(ProfileVersion).where(ProfileVersion.wearer_id == wearer.id)
    return session.scalar(query.where(ProfileVersion.version == version))


def in_force(session: Session, wearer: Wearer) -> ProfileVersion | None:
    """The version in force: the one of the highest number, None where the gateway has told of none."""
    query = sa.select(ProfileVersion).where(ProfileVersion.wearer_id == wearer.id)
    return session.scalar(query.order_by(ProfileVersion.version.desc()).limit(1))


def profile_of(row: ProfileVersion) -> Profile:
    """What a version says."""
    return msgspec.json.decode(row.body, type=Profile)


def current(session: Session, wearer: Wearer) -> Current | None:
    """What the next change starts from, None where the gateway has told of no profile yet."""
    row = in_force(session, wearer)
    if row is None:
        return None
    waiting = session.scalars(_orders(wearer).where(Command.state == WAITS).order_by(Command.number)).all()
    profile = profile_of(row)
    for order in waiting:
        profile = _content(session, wearer, order) or profile
    return Current(version=row.version, base_version=row.version + len(waiting), profile=profile)


def standing(session: Session, wearer: Wearer) -> Standing | None:
    """The newest change where its gateway has not taken it, and nobody has dropped it."""
    kept = _orders(wearer).where(Command.state != DROPPED)
    row = session.scalar(kept.order_by(Command.number.desc()).limit(1))
    if row is None or row.state not in {WAITS, REFUSED}:
        return None
    body, newest = _body(row), in_force(session, wearer)
    return Standing(
        command=row.command,
        waits=row.state == WAITS,
        reason=row.reason,
        by=body.by or "",
        at=row.created_at,
        profile=_content(session, wearer, row),
        restores=body.version,
        outdated=OUTDATED in row.reason and newest is not None and body.base_version != newest.version,
    )


def find_order(session: Session, wearer: Wearer, command: str) -> Profile | None:
    """What an order about this wearer would have made of the profile, None where there is no such order."""
    row = _find(session, wearer, command)
    return None if row is None else _content(session, wearer, row)


def is_ordered(session: Session, wearer: Wearer, *, who: Viewer, once: str) -> bool:
    """Whether this press of a button has been an order already."""
    return _find(session, wearer, _name(wearer, who, once)) is not None


def change(
    session: Session,
    wearer: Wearer,
    edit: Callable[[Profile], Profile],
    *,
    who: Viewer,
    once: str,
    now: datetime,
) -> Command | None:
    """Order a change of what is current, and record who gave it; None where it changes nothing.

    `once` names the press of the button: the same press twice is one order.
    Raises LookupError where the gateway has told of no profile yet.
    """
    lock_line(session, wearer.gateway)
    name = _name(wearer, who, once)
    if (known := session.scalar(_orders(wearer).where(Command.command == name))) is not None:
        return known
    found = current(session, wearer)
    if found is None:
        raise LookupError(f"no profile of wearer {wearer.id} is known")
    wanted = edit(found.profile)
    if wanted == found.profile:
        return None
    detail = audit_words(changes(found.profile, wanted))
    body = {"profile": msgspec.to_builtins(wanted), "base_version": found.base_version}
    return _order(session, wearer, "set_profile", name, body, who=who, detail=detail, now=now)


def restore(
    session: Session, wearer: Wearer, version: int, *, who: Viewer, once: str, now: datetime
) -> Command:
    """Order that a version's content be in force again, and record who gave it."""
    name = _name(wearer, who, once)
    if (known := session.scalar(_orders(wearer).where(Command.command == name))) is not None:
        return known
    body = {"version": version}
    return _order(session, wearer, "restore_profile", name, body, who=who, detail=f"v{version}", now=now)


def drop(session: Session, wearer: Wearer, command: str, *, who: Viewer, now: datetime) -> bool:
    """Drop a change that waits or was refused; false where it does neither any more.

    With one that was refused go those refused before it.
    One its gateway is just taking comes into force all the same, and is then told as any version.
    """
    row = _find(session, wearer, command)
    if row is None or row.state not in {WAITS, REFUSED}:
        return False
    gone = [row]
    if row.state == REFUSED:
        refused = _orders(wearer).where(Command.state == REFUSED, Command.number < row.number)
        gone += session.scalars(refused)
    for one in gone:
        one.state, one.ended_at = DROPPED, now
    _record(session, wearer, "drop_profile", row.command, who=who, now=now)
    return True


def _order(
    session: Session,
    wearer: Wearer,
    kind: str,
    name: str,
    body: dict[str, Any],
    *,
    who: Viewer,
    detail: str,
    now: datetime,
) -> Command:
    given = {"command": name, "name": kind, "wearer": wearer.code, "by": who.name, "given_at": now}
    row = commands.queue(session, wearer.gateway, now=now, by_user=who.user, **given, **body)
    _record(session, wearer, kind, detail, who=who, now=now)
    return row


def _record(
    session: Session, wearer: Wearer, action: str, detail: str, *, who: Viewer, now: datetime
) -> None:
    subject = f"wearer:{wearer.id}"
    audit.record(session, at=now, actor=f"user:{who.user}", action=action, subject=subject, detail=detail)
    announce(session, [("wearer", wearer.id, wearer.id)])


def _orders(wearer: Wearer) -> sa.Select[Command]:
    query = sa.select(Command).where(Command.gateway == wearer.gateway, Command.name.in_(NAMES))
    return query.where(Command.command.startswith(f"profile.{wearer.id}.", autoescape=True))


def _find(session: Session, wearer: Wearer, command: str) -> Command | None:
    if not COMMAND.fullmatch(command):
        return None
    return session.scalar(_orders(wearer).where(Command.command == command))


def _name(wearer: Wearer, who: Viewer, once: str) -> str:
    return f"profile.{wearer.id}.{who.user}.{once}"


def _body(row: Command) -> PortalCommand:
    return msgspec.json.decode(row.body, type=PortalCommand)


def _content(session: Session, wearer: Wearer, row: Command) -> Profile | None:
    """What an order makes of the profile."""
    body = _body(row)
    if body.profile is not None:
        try:
            return msgspec.convert(body.profile, Profile)
        except msgspec.ValidationError:
            return None  # of a version of the portal that checked less: its gateway says what is wrong
    version = None if body.version is None else find_version(session, wearer, body.version)
    return None if version is None else profile_of(version)
