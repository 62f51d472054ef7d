"""The record of who looked at, or acted on, whose personal data: append-only, each entry sealing the last.

Changing or removing an entry breaks every seal after it; `verify` finds the first.
The end of the record is anchored: its last seal and the number of entries, sealed with the portal's key,
so that entries cut off the end are missed, too. The database itself refuses changes and deletions.

Who has the database but not the key can switch the triggers off and then change, insert or remove entries,
and make every seal fit again, for a seal needs no key; but not the anchor, so `verify` tells.
They can put the whole record and its anchor back as both once were:
for that the portal says the anchor once a day in its log (`portal.audits.check`), which leaves the machine
with the other logs, and `shouwang portal audit anchor` says it at any time; `verify` takes such a line.
Who has the key too can rewrite everything but the lines kept elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import Session

from portal.care.history import milliseconds
from portal.care.models import AuditAnchor, AuditEntry

FIRST_SEAL = "0" * 64
ANCHOR = 1
"""The one row of anchors."""
AUDIT_LOCK = 7_304_213
"""PostgreSQL advisory lock of whoever appends: a chain has one end."""


def record(
    session: Session, *, at: datetime, actor: str, action: str, subject: str, detail: str = ""
) -> AuditEntry:
    """Append an entry in the session's transaction and give it."""
    if session.connection().dialect.name == "postgresql":
        session.execute(sa.text(f"SELECT pg_advisory_xact_lock({AUDIT_LOCK})"))
    last = session.scalar(sa.select(AuditEntry.seal).order_by(AuditEntry.seq.desc()).limit(1))
    entry = AuditEntry(
        at_ms=milliseconds(at),
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
        previous=last or FIRST_SEAL,
    )
    entry.seal = seal_of(entry)
    session.add(entry)
    session.flush()
    _anchor(session, entry)
    return entry


def recorded_since(
    session: Session, *, actor: str, action: str, subject: str, since: datetime, detail: str | None = None
) -> bool:
    """Whether this very entry was made since a time; with any detail where none is asked for."""
    query = sa.select(AuditEntry.seq).where(
        AuditEntry.subject == subject,
        AuditEntry.actor == actor,
        AuditEntry.action == action,
        AuditEntry.at_ms >= milliseconds(since),
    )
    if detail is not None:
        query = query.where(AuditEntry.detail == detail)
    return session.scalar(query.limit(1)) is not None


def seal_of(entry: AuditEntry | sa.Row[Any]) -> str:
    """SHA-256 over the entry and the seal before it."""
    parts = [entry.previous, entry.at_ms, entry.actor, entry.action, entry.subject, entry.detail]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What is wrong with the record: at which entry, and why.

    `changed`: the entry is not what was sealed; `missing`: one before it is gone;
    `cut`: entries were taken off the end, or put there by who had no key; `anchor`: the end was never sealed
    with this key; `rolled_back`: the record is shorter, or another, than it once was told to be.
    """

    seq: int | None
    reason: str


def broken_at(session: Session) -> int | None:
    """The number of the first entry whose seal or predecessor does not hold, None when all do."""
    found, _ = _chain(session)
    return None if found is None else found.seq


def verify(session: Session, *, key: str, told: str = "") -> Broken | None:
    """What is first wrong with the whole record, None where it is whole.

    `told` is a line of `anchor_line` from outside the database, as old as it may be.
    """
    found, (last, entries) = _chain(session)
    if found is not None:
        return found
    anchor = session.get(AuditAnchor, ANCHOR)
    if anchor is None:
        return Broken(seq=last.seq, reason="anchor") if last is not None else _outside(session, told)
    if not hmac.compare_digest(anchor.mac, mac(key, anchor.seq, anchor.entries, anchor.seal)):
        return Broken(seq=anchor.seq, reason="anchor")
    seal, seq = ("", 0) if last is None else (last.seal, last.seq)
    if (anchor.seq, anchor.entries, anchor.seal) != (seq, entries, seal):
        return Broken(seq=anchor.seq, reason="cut")
    return _outside(session, told)


def anchor_line(session: Session) -> str:
    """Where the record ends now, as one line to be kept elsewhere; empty before the first entry."""
    anchor = session.get(AuditAnchor, ANCHOR)
    return "" if anchor is None else f"{anchor.seq} {anchor.entries} {anchor.seal}"


def length(session: Session) -> int:
    """How many entries there are."""
    return session.scalar(sa.select(sa.func.count()).select_from(AuditEntry)) or 0


def _outside(session: Session, told: str) -> Broken | None:
    """Whether the record still holds what it was once told to hold."""
    if not told:
        return None
    seq, entries, seal = told.split()
    before = sa.select(sa.func.count()).select_from(AuditEntry).where(AuditEntry.seq <= int(seq))
    kept = session.scalar(sa.select(AuditEntry.seal).where(AuditEntry.seq == int(seq)))
    if kept != seal or session.scalar(before) != int(entries):
        return Broken(seq=int(seq), reason="rolled_back")
    return None


def _chain(session: Session) -> tuple[Broken | None, tuple[sa.Row[Any] | None, int]]:
    """The first entry that does not fit, else the last one and how many there are."""
    previous, entries = FIRST_SEAL, 0
    last: sa.Row[Any] | None = None
    query = sa.select(*AuditEntry.__table__.columns).order_by(AuditEntry.seq)
    with closing(session.execute(query.execution_options(yield_per=1_000))) as rows:
        for entry in rows:
            if entry.seal != seal_of(entry):
                return Broken(seq=entry.seq, reason="changed"), (last, entries)
            if entry.previous != previous:
                return Broken(seq=entry.seq, reason="missing"), (last, entries)
            previous, last, entries = entry.seal, entry, entries + 1
    return None, (last, entries)


def _anchor(session: Session, last: AuditEntry) -> None:
    """Move the anchor to the last entry.

    One that is gone, or does not fit what is there, is left as it is:
    writing on must not repair what was tampered with.
    """
    key = current_app.config["PORTAL"].secret_key
    anchor = session.get(AuditAnchor, ANCHOR, populate_existing=True)
    if anchor is None:
        if last.previous != FIRST_SEAL:
            return
        anchor = AuditAnchor(id=ANCHOR, seq=0, entries=0, seal=FIRST_SEAL)
        anchor.mac = mac(key, anchor.seq, anchor.entries, anchor.seal)
        session.add(anchor)
    known = hmac.compare_digest(anchor.mac, mac(key, anchor.seq, anchor.entries, anchor.seal))
    if not known or anchor.seal != last.previous:
        return
    anchor.seq, anchor.entries, anchor.seal = last.seq, anchor.entries + 1, last.seal
    anchor.mac = mac(key, anchor.seq, anchor.entries, anchor.seal)
    session.flush()


def mac(key: str, seq: int, entries: int, seal: str) -> str:
    """HMAC-SHA-256 (RFC 2104) of where the record ends, by a key made of the portal's own for this alone."""
    own = hmac.digest(key.encode(), b"shouwang audit anchor", "sha256")
    return hmac.digest(own, f"{seq} {entries} {seal}".encode(), "sha256").hex()
