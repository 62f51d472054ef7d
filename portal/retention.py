"""What is kept no longer than it is needed (PIPL art. 19, 47): a sweep a day deletes what is over its time.

Alarms, incidents and the audit record are never touched: they say that help was called, and who looked.
Each sweep is one entry of the audit record, with how many rows of each kind went.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from portal import audit, media
from portal.audits import check
from portal.care.consent import record as consents
from portal.care.history import milliseconds
from portal.care.lost.models import LostSearch, ShareLink, Sighting
from portal.care.models import (
    OPEN_STATES,
    Command,
    Consent,
    FixHistory,
    Incident,
    VitalHistory,
    Wearer,
    WearerState,
)
from portal.care.partitions import drop_older, make_months
from portal.care.sites.models import BandKey
from portal.care.sites.told import KEY_KEPT
from portal.db import db, reading, writing
from portal.people.account_models import SignIn
from portal.people.join_models import Invitation
from portal.people.sign_ins import PRIVATE_KEPT
from portal.policy import Data
from portal.words import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask
    from sqlalchemy.orm import Session

    from portal.settings import PortalSettings

ACTION, ACTOR, SUBJECT = "retention", "portal", "portal"
EVERY = timedelta(days=1)
STEP = timedelta(days=1)
"""SQLite has one writer: telemetry goes a day a transaction, so that gateways are not kept waiting."""
LOOK_EVERY_S = 3_600.0
NEWEST = (
    ("fix_at", consents.WHERE),
    ("heart_rate_at", ("heart_rate_at", "heart_rate_bpm")),
    ("blood_pressure_at", ("blood_pressure_at", "systolic_mmhg", "diastolic_mmhg")),
    ("spo2_at", ("spo2_at", "spo2_pct")),
    ("body_temp_at", ("body_temp_at", "body_temp_c")),
    ("steps_at", ("steps_at", "steps")),
)
"""Of the newest values: when each was measured, and what goes with it."""

HISTORY = (FixHistory, VitalHistory)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """Rows of one table that are over their time."""

    name: str
    table: type[Any]
    where: sa.ColumnElement[bool]


def keep_swept(app: Flask, stop: Event) -> None:
    """Do the work of the day, where it was not done today, until told to stop; for a thread of its own.

    It is to sweep, and then to say in the log where the audit record ends (`check.anchor_daily`).
    What fails is said in the log and tried again an hour later.
    """
    while not stop.is_set():
        try:
            with app.app_context():
                if due(now()):
                    log.info("kept no longer than needed: %s", told(sweep(app.config["PORTAL"], now())))
        except (SQLAlchemyError, OSError):
            log.exception("what is over its time could not be deleted")
        try:
            with app.app_context():
                check.anchor_daily(now())
        except (SQLAlchemyError, OSError):
            log.exception("the end of the audit record could not be told")
        stop.wait(LOOK_EVERY_S)


def due(at: datetime) -> bool:
    """Whether the last sweep on record is a day ago; needs an application context."""
    entry = {"actor": ACTOR, "action": ACTION, "subject": SUBJECT}
    with reading() as session:
        return not audit.recorded_since(session, **entry, since=at - EVERY)


def sweep(settings: PortalSettings, at: datetime) -> dict[str, int]:
    """Delete what is over its time and put it on record; gives how many rows of each kind went.

    Needs an application context. Telemetry goes in short transactions, everything else in one with the entry.
    """
    before = at - timedelta(days=settings.telemetry_days)
    gone = {"telemetry": _drop_telemetry(before, at)}
    with writing() as session:
        gone["newest"] = _forget_newest(session, before)
        gone["withdrawn"] = sum(
            consents.erase(session, wearer, data) for wearer, data in _withdrawn(session, settings, at)
        )
        gone["descriptions"] = _run(session, _forget_descriptions(settings, at))
        gone["pictures"] = _drop_pictures(session, settings, at)
        for over in _overs(settings, at):
            gone[over.name] = _run(session, sa.delete(over.table).where(over.where))
        audit.record(session, at=at, actor=ACTOR, action=ACTION, subject=SUBJECT, detail=told(gone))
    return gone


def count(settings: PortalSettings, at: datetime) -> dict[str, int]:
    """How many rows of each kind a sweep would take now; changes nothing, needs an application context."""
    before = at - timedelta(days=settings.telemetry_days)
    with reading() as session:
        found = {"telemetry": sum(_rows(session, row, row.at_ms < milliseconds(before)) for row in HISTORY)}
        stale = (getattr(WearerState, name) < before for name, _ in NEWEST)
        found["newest"] = sum(_rows(session, WearerState, one) for one in stale)
        found["withdrawn"] = sum(
            consents.count(session, wearer, data, since=before)
            for wearer, data in _withdrawn(session, settings, at)
        )
        found["descriptions"] = _rows(session, LostSearch, _described(settings, at))
        found["pictures"] = len(_pictures(session, settings, at))
        for over in _overs(settings, at):
            found[over.name] = _rows(session, over.table, over.where)
    return found


def told(counts: Mapping[str, int]) -> str:
    """Counts as one line, `telemetry 12 newest 0 …`."""
    return " ".join(f"{name} {number}" for name, number in counts.items())


def _overs(settings: PortalSettings, at: datetime) -> list[Over]:
    """The tables of which whole rows go, those that point at others first."""
    lost = at - timedelta(days=settings.search_days)
    signed = at - timedelta(days=settings.sign_in_days)
    invited = at - timedelta(days=settings.invitation_days)
    texted = at - timedelta(days=settings.text_days)
    ended = sa.select(LostSearch.id).where(LostSearch.ended_at < lost)
    return [
        Over(name="sightings", table=Sighting, where=Sighting.search_id.in_(ended)),
        Over(
            name="share_links",
            table=ShareLink,
            where=sa.or_(ShareLink.until < lost, ShareLink.revoked_at < lost),
        ),
        Over(
            name="sign_ins",
            table=SignIn,
            where=sa.or_(
                SignIn.ended_at < signed,
                SignIn.seen_at < signed - PRIVATE_KEPT.idle,
                SignIn.started_at < signed - PRIVATE_KEPT.absolute,
            ),
        ),
        Over(
            name="invitations",
            table=Invitation,
            where=sa.or_(Invitation.until < invited, Invitation.ended_at < invited),
        ),
        Over(
            name="texts",
            table=Command,
            where=sa.and_(Command.name == "send_text", Command.state != "queued", Command.ended_at < texted),
        ),
        Over(name="band_keys", table=BandKey, where=BandKey.at < at - KEY_KEPT),
    ]


def _drop_telemetry(before: datetime, at: datetime) -> int:
    """Drop the history older than a time, and make the months to come."""
    with writing() as session:
        make_months(session, at)
    gone, limit = 0, before
    if db.engine.dialect.name == "sqlite":
        limit = min(before, _oldest(before) + STEP)
    while True:
        with writing() as session:
            gone += drop_older(session, limit)
        if limit >= before:
            return gone
        limit = min(before, max(limit, _oldest(before)) + STEP)


def _oldest(default: datetime) -> datetime:
    """When the oldest reading was measured, this where there is none older."""
    with reading() as session:
        found = [session.scalar(sa.select(sa.func.min(row.at_ms))) for row in HISTORY]
    known = [milliseconds(default), *(at_ms for at_ms in found if at_ms is not None)]
    return datetime.fromtimestamp(min(known) / 1000, UTC)


def _forget_newest(session: Session, before: datetime) -> int:
    """Clear the newest values that are over their time as well: a band long silent keeps nobody's place."""
    gone = 0
    for measured, names in NEWEST:
        cleared = sa.update(WearerState).where(getattr(WearerState, measured) < before)
        gone += _run(session, cleared.values(dict.fromkeys(names)))
    return gone


def _withdrawn(session: Session, settings: PortalSettings, at: datetime) -> list[tuple[Wearer, Data]]:
    """Wearers of whom something is kept that for long enough nobody may see, and what.

    Not while they call for help or are looked for: then those who are called may see it.
    """
    limit = at - timedelta(days=settings.withdrawn_days)
    needed = sa.select(Incident.wearer_id).where(Incident.state.in_(OPEN_STATES))
    sought = sa.select(LostSearch.open_for).where(LostSearch.open_for.is_not(None))
    query = sa.select(Consent).where(Consent.wearer_id.not_in(needed), Consent.wearer_id.not_in(sought))
    ends: dict[tuple[int, Data], datetime | None] = {}
    for row in session.scalars(query):
        if Data(row.data) not in consents.WORN:
            continue
        key = (row.wearer_id, Data(row.data))
        end = min((one for one in (row.until, row.withdrawn_at) if one is not None), default=None)
        known = ends.get(key, end)
        ends[key] = None if end is None or known is None else max(known, end)
    over = [key for key, end in ends.items() if end is not None and end < limit]
    found = ((session.get(Wearer, wearer_id), data) for wearer_id, data in over)
    return [(wearer, data) for wearer, data in found if wearer is not None]


def _described(settings: PortalSettings, at: datetime) -> sa.ColumnElement[bool]:
    ended = LostSearch.ended_at < at - timedelta(days=settings.search_days)
    return sa.and_(ended, sa.or_(LostSearch.description != "", LostSearch.phone != ""))


def _forget_descriptions(settings: PortalSettings, at: datetime) -> sa.Update:
    """What somebody wore, and whom helpers rang, leaves a search that is long over; that it was, stays."""
    return sa.update(LostSearch).where(_described(settings, at)).values(description="", phone="")


def _pictures(session: Session, settings: PortalSettings, at: datetime) -> list[media.Media]:
    """Pictures of faces that belong to a search long over."""
    ended = sa.select(LostSearch.id).where(LostSearch.ended_at < at - timedelta(days=settings.search_days))
    query = sa.select(media.Media).where(
        media.Media.subject_kind == "lost", media.Media.subject_id.in_(ended)
    )
    return list(session.scalars(query))


def _drop_pictures(session: Session, settings: PortalSettings, at: datetime) -> int:
    found = _pictures(session, settings, at)
    for picture in found:
        media.store().remove(picture.id)
        session.delete(picture)
    return len(found)


def _rows(session: Session, table: type[Any], where: sa.ColumnElement[bool]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0


def _run(session: Session, statement: sa.Delete | sa.Update) -> int:
    done = session.execute(statement.execution_options(synchronize_session=False))
    return int(cast("sa.CursorResult[Any]", done).rowcount)
