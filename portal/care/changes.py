"""The rising numbers of changes that live pages follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.care.models import Change
from portal.db import nudge

CHANGES_KEPT = 100_000
"""Older changes are trimmed; a page further behind is told to reload."""
TRIM_SLACK = 1_000
"""Trimming waits for so many, so that it costs nothing a batch."""
CHANGE_LOCK = 7_304_212
"""PostgreSQL advisory lock of whoever numbers changes."""


def announce(session: Session, changes: Iterable[tuple[str, int, int | None]]) -> None:
    """Number these changes (topic, subject, wearer) as the last step of the session's transaction.

    One transaction at a time numbers changes:
    otherwise a higher number could become visible before a lower one, and a follower would miss it.
    SQLite has one writer anyway; PostgreSQL gets an advisory lock that ends with the transaction.
    """
    rows: list[dict[str, Any]] = [
        {"topic": topic, "subject": subject, "wearer_id": wearer_id} for topic, subject, wearer_id in changes
    ]
    if not rows:
        return
    session.flush()
    if session.connection().dialect.name == "postgresql":
        session.execute(sa.text(f"SELECT pg_advisory_xact_lock({CHANGE_LOCK})"))
    session.execute(sa.insert(Change), rows)
    nudge(session)
    newest = newest_change(session)
    oldest = session.scalar(sa.select(sa.func.min(Change.seq))) or 0
    if newest - oldest > CHANGES_KEPT + TRIM_SLACK:
        session.execute(sa.delete(Change).where(Change.seq <= newest - CHANGES_KEPT))


def rights_changed(session: Session, wearer_id: int) -> None:
    """Whoever may see this wearer, or what of them, changed: the live pages concerned end and ask again.

    Call it in the transaction that gives or withdraws a consent, a guardianship or a grant.
    """
    announce(session, [("rights", wearer_id, wearer_id)])


def account_changed(session: Session, user_id: int) -> None:
    """Somebody signed out, was locked or has other roles: every live page of theirs ends and asks again.

    Call it in the transaction that revokes a session or changes a grant.
    """
    announce(session, [("account", user_id, None)])


def newest_change(session: Session) -> int:
    """The number of the newest change, 0 when there was none."""
    return session.scalar(sa.select(sa.func.max(Change.seq))) or 0


def changes_after(session: Session, seq: int, *, limit: int) -> list[Change]:
    """Changes above `seq` in order, at most `limit`."""
    return list(session.scalars(sa.select(Change).where(Change.seq > seq).order_by(Change.seq).limit(limit)))


def can_replay(session: Session, seq: int) -> bool:
    """Whether every change above `seq` is still there: not trimmed, not a number of another database."""
    oldest, newest = session.execute(sa.select(sa.func.min(Change.seq), sa.func.max(Change.seq))).one()
    if newest is None:
        return seq == 0
    return bool(oldest - 1 <= seq <= newest)
