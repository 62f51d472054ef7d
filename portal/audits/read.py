"""Entries of the audit record, read through their viewer: newest first, by pages of the sequence (keyset).

An administrator reads what concerns their own community: its wearers, residents, places and accounts, and
what the portal did by itself. An entry about anybody else is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext
from sqlalchemy.orm import Session

from portal.audits.words import GROUPS, ORDER, REASONS, VERIFIED, action_words
from portal.care.consent.purposes import PURPOSES, split
from portal.care.consent.who_looked import actor_names
from portal.care.guardians.models import GuardianClaim
from portal.care.history import milliseconds
from portal.care.models import AuditEntry, Incident, Wearer
from portal.fields import SHANGHAI
from portal.people.join_models import HouseholdClaim
from portal.people.models import Grant, Organisation, Resident, User
from portal.policy import Viewer, reads_audit

PAGE = 50
MOST_ROWS = 20_000
"""Of one table, the newest."""
MOST_NAMED = 200
"""So many people of a name are looked for."""
SYSTEM = "portal"
NUMBERS = re.compile(r"(?P<day>\b\d{4}-\d\d-\d\d(?:T[\d:]+Z?)?)|(?<![\w-])\+?\d[\d -]{5,14}\d(?![\w-])")
"""A day stays as it is; anything else of so many digits may be a telephone number."""
DEGREES = re.compile(r"(-?\d{1,3})\.\d{3,}")
SHOWN_DIGITS = 2
DIGITS = 7
"""From so many digits on, a number may be a telephone's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked for: empty and None are no condition; `before` is the sequence a page ends at."""

    who: str = ""
    wearer: str = ""
    group: str = ""
    since: date | None = None
    until: date | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry in words; `detail` without telephone numbers and places."""

    seq: int
    at: datetime
    who: str
    what: str
    about: str
    purpose: str
    detail: str
    seal: str


def find(session: Session, viewer: Viewer, asked: Asked, *, limit: int) -> list[AuditEntry]:
    """The newest entries that match."""
    query = sa.select(AuditEntry).where(_seen_by(viewer), *_matching(session, viewer, asked))
    return list(session.scalars(query.order_by(AuditEntry.seq.desc()).limit(limit)))


def in_words(session: Session, entries: Sequence[AuditEntry]) -> Iterator[Row]:
    """The same as people say it."""
    actors, subjects = actor_names(session, entries), _subject_names(session, entries)
    for entry in entries:
        purpose, rest = split(entry.detail)
        yield Row(
            seq=entry.seq,
            at=datetime.fromtimestamp(entry.at_ms / 1000, UTC),
            who=actors.get(entry.actor, entry.actor),
            what=action_words(entry.action),
            about=subjects.get(entry.subject, ""),
            purpose=str(PURPOSES[purpose]) if purpose else "",
            detail=_detail_words(entry.action, rest),
            seal=entry.seal,
        )


def _detail_words(action: str, detail: str) -> str:
    """What an entry says beyond its deed: of a check its finding in words, else as it stands, masked."""
    if action != VERIFIED:
        return masked(detail)
    finding, _, seq = detail.partition(" ")
    if finding == "whole":
        return str(gettext("完整，到第 %(seq)s 条", seq=seq))
    return str(REASONS.get(finding, gettext("太长，没有核对")))


def masked(text: str) -> str:
    """A text with telephone numbers cut to their last two digits and positions to whole degrees."""

    def hidden(found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found.group())
        if found["day"] or len(digits) < DIGITS:
            return found.group()
        return "***" + digits[-SHOWN_DIGITS:]

    return NUMBERS.sub(hidden, DEGREES.sub(r"\1.***", text))


def _seen_by(viewer: Viewer) -> sa.ColumnElement[bool]:
    """The entries about this viewer's own community."""
    here = viewer.community
    if not reads_audit(viewer):
        return sa.false()
    of_place = sa.select(Grant.user_id).join(Organisation).where(Organisation.community == here)
    lives = sa.select(Resident.user_id).where(Resident.community == here, Resident.user_id.is_not(None))
    asks = sa.select(HouseholdClaim.user_id).join(Organisation).where(Organisation.community == here)
    subjects = sa.union_all(
        _named("wearer:", Wearer.id).where(Wearer.community == here),
        _named("resident:", Resident.id).where(Resident.community == here),
        _named("organisation:", Organisation.id).where(Organisation.community == here),
        _named("guardian_claim:", GuardianClaim.id).where(GuardianClaim.community == here),
        _named("incident:", Incident.code).join(Wearer).where(Wearer.community == here),
        _named("user:", User.id).where(sa.or_(User.id.in_(of_place), User.id.in_(lives), User.id.in_(asks))),
    )
    return sa.or_(
        AuditEntry.subject.in_((f"community:{here}", SYSTEM)),
        AuditEntry.subject.in_(sa.select(subjects.subquery().c[0])),
    )


def _named(kind: str, key: Any) -> sa.Select[Any]:
    return sa.select((sa.literal(kind) + sa.cast(key, sa.String)).label("subject"))


def _matching(session: Session, viewer: Viewer, asked: Asked) -> Iterator[sa.ColumnElement[bool]]:
    if asked.before is not None:
        yield AuditEntry.seq < asked.before
    if asked.since is not None:
        yield AuditEntry.at_ms >= _midnight_ms(asked.since)
    if asked.until is not None:
        yield AuditEntry.at_ms < _midnight_ms(asked.until + timedelta(days=1))
    if asked.group in GROUPS:
        named = AuditEntry.action.in_(GROUPS[asked.group])
        ordered = AuditEntry.action.startswith(ORDER, autoescape=True)
        yield sa.or_(named, ordered) if asked.group == "care" else named
    if asked.who:
        query = sa.select(User.id).where(User.name.contains(asked.who, autoescape=True)).limit(MOST_NAMED)
        actors = [f"user:{number}" for number in session.scalars(query)]
        yield AuditEntry.actor.in_([*actors, SYSTEM] if asked.who in _system() else actors)
    if asked.wearer:
        yield AuditEntry.subject.in_(list(_subjects_of(session, viewer, asked.wearer)))


def _subjects_of(session: Session, viewer: Viewer, name: str) -> Iterator[str]:
    """How the record names the wearers of a name in this viewer's community, and what is theirs."""
    query = sa.select(Wearer).where(
        Wearer.community == viewer.community, Wearer.name.contains(name, autoescape=True)
    )
    found = list(session.scalars(query.limit(MOST_NAMED)))
    for wearer in found:
        yield f"wearer:{wearer.id}"
        if wearer.resident_id is not None:
            yield f"resident:{wearer.resident_id}"
    codes = sa.select(Incident.code).where(Incident.wearer_id.in_([wearer.id for wearer in found]))
    yield from (f"incident:{code}" for code in session.scalars(codes))


def _system() -> tuple[str, ...]:
    return ("系统", str(gettext("系统")))


def _midnight_ms(day: date) -> int:
    return milliseconds(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI))


def _subject_names(session: Session, entries: Sequence[AuditEntry]) -> Mapping[str, str]:
    """Whom or what entries are about, by how the record names it."""
    by_kind: dict[str, set[str]] = {}
    for entry in entries:
        kind, _, key = entry.subject.partition(":")
        by_kind.setdefault(kind, set()).add(key)
    names = {
        f"{kind}:{number}": name
        for kind, table in (
            ("wearer", Wearer),
            ("resident", Resident),
            ("organisation", Organisation),
            ("user", User),
        )
        for number, name in _names(session, table, by_kind.get(kind, set()))
    }
    codes = by_kind.get("incident", set())
    query = sa.select(Incident.code, Wearer.name).join(Wearer).where(Incident.code.in_(codes))
    names |= {f"incident:{code}": name for code, name in session.execute(query)}
    claims = [int(key) for key in by_kind.get("guardian_claim", set())]
    asked = sa.select(GuardianClaim.id, GuardianClaim.named).where(GuardianClaim.id.in_(claims))
    return names | {f"guardian_claim:{number}": name for number, name in session.execute(asked)}


def _names(session: Session, table: Any, keys: set[str]) -> Sequence[Any]:
    numbers = [int(key) for key in keys if key.isdecimal()]
    return (
        session.execute(sa.select(table.id, table.name).where(table.id.in_(numbers))).all() if numbers else ()
    )
