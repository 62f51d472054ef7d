"""The search for a lost wearer in the store: begun, amended and ended here, each step recorded.

Beginning orders the band to report every `FAST_INTERVAL_S` and to say where it is at once;
ending restores how often it reported before, and ends every link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from gateway.model import DownCommand
from portal import audit
from portal.care.bands import orders as band_orders
from portal.care.changes import announce, rights_changed
from portal.care.consent import record as consents
from portal.care.lost.models import LostSearch, Sighting
from portal.care.models import BandOrder, Wearer
from portal.policy import Viewer

FAST_INTERVAL_S = 20
"""Somebody on foot comes some 25 m in it; bands that cannot do it take their own shortest."""
USUAL_INTERVAL_S = 600
"""Restored where nobody ever ordered another."""
TAKEN = ("sent", "delivered", "done")
OUTCOMES = ("found", "mistake", "stopped")
PAST = timedelta(days=30)
MOST_SIGHTINGS = 200
"""A search takes no more: what comes by the thousand is no help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What helpers are told of her."""

    called: str
    description: str
    phone: str


def begin(session: Session, wearer: Wearer, told: Told, *, who: Viewer, now: datetime) -> LostSearch:
    """Begin a search in the session's transaction and order the band; the one that goes on where one does."""
    going = open_search(session, wearer)
    if going is not None:
        return going
    search = LostSearch(
        wearer_id=wearer.id,
        open_for=wearer.id,
        started_at=now,
        started_by=who.name,
        called=told.called,
        description=told.description,
        phone=told.phone,
        interval_s=usual_interval_s(session, wearer),
    )
    try:
        with session.begin_nested():
            session.add(search)
            session.flush()
    except IntegrityError:  # somebody else pressed at the same moment
        going = open_search(session, wearer)
        if going is None:
            raise
        return going
    _order(session, search, wearer, who=who, now=now, interval_s=FAST_INTERVAL_S)
    locate = DownCommand(name="locate_now")
    band_orders.give(session, wearer, locate, who=who, once=f"lost{search.id}.locate", now=now)
    _record(session, search, "lost_begin", who=who, now=now)
    _judge_anew(session, wearer.id, now)
    return search


def amend(session: Session, search: LostSearch, told: Told, *, who: Viewer, now: datetime) -> None:
    """Change what helpers are told."""
    search.called, search.description, search.phone = told.called, told.description, told.phone
    _record(session, search, "lost_amend", who=who, now=now)


def end(
    session: Session,
    search: LostSearch,
    *,
    outcome: str,
    note: str,
    interval_s: int,
    who: Viewer,
    now: datetime,
) -> None:
    """End a search: the band reports every `interval_s` again, and no link leads anywhere; idempotent."""
    if search.ended_at is not None:
        return
    search.open_for, search.ended_at, search.ended_by = None, now, who.name
    search.outcome, search.note, search.interval_s = outcome, note, interval_s
    _order(session, search, search.wearer, who=who, now=now, interval_s=interval_s)
    _record(session, search, "lost_end", who=who, now=now, detail=outcome)
    _judge_anew(session, search.wearer_id, now)


def open_search(session: Session, wearer: Wearer) -> LostSearch | None:
    """The search that goes on for a wearer."""
    query = sa.select(LostSearch).where(LostSearch.open_for == wearer.id)
    return session.scalar(query.options(joinedload(LostSearch.wearer)))


def open_searches(session: Session, wearers: Sequence[int]) -> list[LostSearch]:
    """The searches that go on for any of these wearers, oldest first."""
    if not wearers:
        return []
    query = sa.select(LostSearch).where(LostSearch.open_for.in_(wearers))
    query = query.options(joinedload(LostSearch.wearer)).order_by(LostSearch.started_at)
    return list(session.scalars(query))


def past_searches(session: Session, wearer: Wearer, now: datetime) -> list[LostSearch]:
    """The searches of the last month that are over, newest first."""
    query = sa.select(LostSearch).where(
        LostSearch.wearer_id == wearer.id, LostSearch.ended_at.is_not(None), LostSearch.ended_at >= now - PAST
    )
    return list(session.scalars(query.order_by(LostSearch.started_at.desc()).limit(10)))


def sightings(session: Session, search: LostSearch) -> list[Sighting]:
    """What helpers said, newest first."""
    query = sa.select(Sighting).where(Sighting.search_id == search.id)
    return list(session.scalars(query.order_by(Sighting.said_at.desc(), Sighting.id.desc())))


def take_sighting(session: Session, search: LostSearch, seen: Sighting, *, now: datetime) -> bool:
    """Keep what a helper said and tell the open pages; False where there is no room for more."""
    query = sa.select(sa.func.count()).where(Sighting.search_id == search.id)
    if (session.scalar(query) or 0) >= MOST_SIGHTINGS:
        return False
    seen.search_id = search.id
    session.add(seen)
    audit.record(
        session,
        at=now,
        actor=f"link:{seen.link_id}",
        action="lost_sighting",
        subject=f"wearer:{search.wearer_id}",
    )
    announce(session, [("wearer", search.wearer_id, search.wearer_id)])
    return True


def usual_interval_s(session: Session, wearer: Wearer) -> int:
    """How often the band was last ordered to report, but by a search."""
    query = sa.select(BandOrder.interval_s).where(
        BandOrder.wearer_id == wearer.id,
        BandOrder.name == "interval",
        BandOrder.state.in_(TAKEN),
        BandOrder.order.not_like("%.lost%"),
        BandOrder.interval_s.is_not(None),
    )
    return session.scalar(query.order_by(BandOrder.given_at.desc()).limit(1)) or USUAL_INTERVAL_S


def interval_order(session: Session, search: LostSearch) -> BandOrder | None:
    """How the order to report fast, or as usual again, fares."""
    query = sa.select(BandOrder).where(
        BandOrder.wearer_id == search.wearer_id, BandOrder.order.like(f"%.lost{search.id}.interval%")
    )
    return session.scalar(query.order_by(BandOrder.given_at.desc(), BandOrder.id.desc()).limit(1))


def _order(
    session: Session, search: LostSearch, wearer: Wearer, *, who: Viewer, now: datetime, interval_s: int
) -> None:
    once = f"lost{search.id}.interval{'' if search.ended_at is None else '.end'}"
    order = DownCommand(name="interval", interval_s=interval_s)
    band_orders.give(session, wearer, order, who=who, once=once, now=now)


def _judge_anew(session: Session, wearer_id: int, now: datetime) -> None:
    """While she is looked for, whoever sees her sees where she is, consented or not."""
    scope = consents.in_force(session, [wearer_id], now).get(wearer_id, frozenset())
    if not scope >= consents.EVERYTHING:
        rights_changed(session, wearer_id)


def _record(
    session: Session, search: LostSearch, action: str, *, who: Viewer, now: datetime, detail: str = ""
) -> None:
    audit.record(
        session,
        at=now,
        actor=f"user:{who.user}",
        action=action,
        subject=f"wearer:{search.wearer_id}",
        detail=detail or f"search {search.id}",
    )
    announce(session, [("wearer", search.wearer_id, search.wearer_id)])
