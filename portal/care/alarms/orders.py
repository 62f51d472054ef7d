"""Orders about an incident from whoever may see it: recorded, queued for the gateway, once."""

from __future__ import annotations

from portal import audit
from portal.api import commands
from portal.api.gateway import ring
from portal.care.queries import Case
from portal.db import db
from portal.security import viewer
from portal.words import now


def order(case: Case, name: str, *, note: str | None = None, verdict: str | None = None) -> None:
    """Queue an order (`acknowledge`, `resolve`), record who gave it, commit; pressing twice is one order."""
    who = viewer()
    if name in case.waiting or not case.open:
        return
    if name == "acknowledge" and (not case.untaken or who.name in case.view.takers):
        return
    ended = commands.count_ended(db.session, case.gateway, incident=case.code, name=name)
    mine = f".u{who.user}" if case.view.acks_wanted > 1 else ""
    commands.queue(
        db.session,
        case.gateway,
        now=now(),
        by_user=who.user,
        command=f"{name}.{case.code}{mine}.{ended + 1}",
        name=name,
        incident=case.code,
        by=who.name,
        note=note,
        verdict=verdict,
    )
    audit.record(
        db.session,
        at=now(),
        actor=f"user:{who.user}",
        action=name,
        subject=f"incident:{case.code}",
        detail=" ".join(filter(None, (verdict, note))),
    )
    db.session.commit()
    ring()
