"""The record of who looked at, or acted on, whose personal data: append-only, each entry sealing the last.

Changing or removing an entry breaks every seal after it; `broken_at` finds the first.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.care.history import milliseconds
from portal.care.models import AuditEntry

FIRST_SEAL = "0" * 64
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


def seal_of(entry: AuditEntry) -> str:
    """SHA-256 over the entry and the seal before it."""
    parts = [entry.previous, entry.at_ms, entry.actor, entry.action, entry.subject, entry.detail]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def broken_at(session: Session) -> int | None:
    """The number of the first entry whose seal or predecessor does not hold, None when all do."""
    previous = FIRST_SEAL
    for entry in session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq)):
        if entry.previous != previous or entry.seal != seal_of(entry):
            return entry.seq
        previous = entry.seal
    return None
