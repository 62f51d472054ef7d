"""Who looked at whose health or ways is recorded; the reloads of one open page are one look."""

from __future__ import annotations

from datetime import timedelta

from portal import audit
from portal.care.models import Wearer
from portal.db import db, writing
from portal.security import viewer
from portal.words import now

ONE_LOOK = timedelta(minutes=10)


def record_look(
    wearer: Wearer, action: str = "view_vitals", *, purpose: str, detail: str = "", every: bool = False
) -> None:
    """Record that this viewer looked and what for, where it is news; for a request that only reads.

    `purpose` is a key of `purposes.PURPOSES`; `detail` says at what: another one is another look.
    With `every` each look is news.
    """
    entry = {"actor": f"user:{viewer().user}", "action": action, "subject": f"wearer:{wearer.id}"}
    entry |= {"detail": f"{purpose} {detail}".strip()}
    if not every and audit.recorded_since(db.session, **entry, since=now() - ONE_LOOK):
        return
    with writing() as session:
        audit.record(session, at=now(), **entry)


def record_trial(wearer_id: int, action: str, *, detail: str) -> None:
    """Record that this viewer looks at a whole history, every time: each may be another stretch of it.

    For a request that posts: the request's own session must hold no transaction.
    """
    with writing() as session:
        audit.record(
            session,
            at=now(),
            actor=f"user:{viewer().user}",
            action=action,
            subject=f"wearer:{wearer_id}",
            detail=detail,
        )
