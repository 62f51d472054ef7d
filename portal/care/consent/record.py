"""Consents on record: given, withdrawn, and what may be kept of a wearer at all.

Giving and withdrawing are audited and announced here, in the session's transaction; the caller commits.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import BloodPressure, BodyTemp, Fix, HeartRate, Reading, SpO2, Steps
from portal.care.history import milliseconds
from portal.care.models import Consent, FixHistory, VitalHistory, Wearer
from portal.people.models import Resident
from portal.policy import Audience, Data

WORN = (Data.LOCATION, Data.HEALTH)
"""What a band tells of its wearer."""


BODY_KINDS = ("heart_rate", "blood_pressure", "spo2", "body_temp", "steps")
"""The same in the history."""
WHERE = ("fix_at", "lat", "lon", "accuracy_m", "source", "speed_m_s")
HOW = (
    *("heart_rate_at", "heart_rate_bpm", "blood_pressure_at", "systolic_mmhg", "diastolic_mmhg"),
    *("spo2_at", "spo2_pct", "body_temp_at", "body_temp_c", "steps_at", "steps"),
)
"""What of the newest values says where, and how, somebody is."""
BODY = (BloodPressure, BodyTemp, HeartRate, SpO2, Steps)
"""The readings that tell how somebody is; whether a band is worn and charged tells of the band."""


def of_reading(reading: Reading) -> Data | None:
    """Which sensitive data a reading is, None for one that only tells how the band is."""
    if isinstance(reading, Fix):
        return Data.LOCATION
    return Data.HEALTH if isinstance(reading, BODY) else None


def give(
    session: Session,
    wearer: Wearer,
    *,
    data: Data,
    audience: Audience,
    basis: str,
    given_by: str,
    at: datetime,
    proof: str = "",
    until: datetime | None = None,
    recorded_by: int | None = None,
) -> Consent:
    """Record a consent in the place of the one in force for the same data and audience, if any."""
    _end(session, wearer, data=data, audiences=(audience,), by=given_by, at=at)
    row = Consent(
        wearer_id=wearer.id,
        data=data.value,
        audience=audience.value,
        basis=basis,
        given_by=given_by,
        proof=proof,
        recorded_by=recorded_by,
        granted_at=at,
        until=until,
    )
    session.add(row)
    session.flush()
    return row


def withdraw(
    session: Session, wearer: Wearer, *, data: Data, audiences: Iterable[Audience], by: str, at: datetime
) -> int:
    """End every consent in force to these data for these audiences at once; gives how many there were."""
    return _end(session, wearer, data=data, audiences=tuple(audiences), by=by, at=at)


def erase(session: Session, wearer: Wearer, data: Data) -> int:
    """Delete what was kept of one kind, newest values and history; gives how many rows went.

    Alarms and incidents stay: they say that help was called, and their position is hidden like any other.
    """
    if data is Data.FACE:
        return 0
    table, where = _history(wearer, data)
    rows = cast("sa.CursorResult[Any]", session.execute(sa.delete(table).where(where))).rowcount
    if wearer.state is not None:
        for name in WHERE if data is Data.LOCATION else HOW:
            setattr(wearer.state, name, None)
    return int(rows)


def count(session: Session, wearer: Wearer, data: Data, *, since: datetime | None = None) -> int:
    """How many rows of history are kept of one kind, measured since a time or ever."""
    if data is Data.FACE:
        return 0
    table, where = _history(wearer, data)
    query = sa.select(sa.func.count()).select_from(table).where(where)
    if since is not None:
        query = query.where(table.at_ms >= milliseconds(since))
    return session.scalar(query) or 0


def _history(wearer: Wearer, data: Data) -> tuple[type[FixHistory | VitalHistory], sa.ColumnElement[bool]]:
    """Where one kind is kept of a wearer."""
    if data is Data.LOCATION:
        return FixHistory, FixHistory.wearer_id == wearer.id
    return VitalHistory, sa.and_(VitalHistory.wearer_id == wearer.id, VitalHistory.kind.in_(BODY_KINDS))


def _end(
    session: Session, wearer: Wearer, *, data: Data, audiences: tuple[Audience, ...], by: str, at: datetime
) -> int:
    rows = [
        row
        for row in session.scalars(
            sa.select(Consent).where(
                Consent.wearer_id == wearer.id,
                Consent.data == data.value,
                Consent.audience.in_([one.value for one in audiences]),
                Consent.withdrawn_at.is_(None),
            )
        )
        if row.holds(at)
    ]
    for row in rows:
        row.withdrawn_at, row.withdrawn_by = at, by
    return len(rows)


def know_for_demonstration(session: Session, wearer: Wearer) -> None:
    """Find an invented person who has an account in the register, by name; a live portal never guesses."""
    if wearer.resident_id is None:
        same = (Resident.community == wearer.community, Resident.name == wearer.name)
        query = sa.select(Resident.id).where(*same, Resident.user_id.is_not(None))
        wearer.resident_id = session.scalar(query.limit(1))


def give_for_demonstration(session: Session, wearer: Wearer, *, at: datetime) -> None:
    """Let the invented people of the demonstration consent, once: a withdrawal stays a withdrawal."""
    if session.scalar(sa.select(Consent.id).where(Consent.wearer_id == wearer.id).limit(1)) is not None:
        return
    for data in WORN:
        for audience in Audience:
            give(session, wearer, data=data, audience=audience, basis="demo", given_by="", at=at)


Scope = frozenset[tuple[Data, Audience]]
"""What is consented to, and for whom."""
EVERYTHING: Scope = frozenset((data, audience) for data in WORN for audience in Audience)
"""Whoever sees a wearer sees all a band tells of them, emergency or not."""


def in_force(session: Session, wearers: Iterable[int], at: datetime) -> dict[int, Scope]:
    """What each of these wearers consented to, as it holds at a time; those who did not are left out."""
    found: dict[int, set[tuple[Data, Audience]]] = {}
    query = sa.select(Consent).where(Consent.wearer_id.in_(wearers), Consent.withdrawn_at.is_(None))
    for row in session.scalars(query):
        if row.holds(at):
            found.setdefault(row.wearer_id, set()).add((Data(row.data), Audience(row.audience)))
    return {wearer_id: frozenset(scope) for wearer_id, scope in found.items()}


def kept(scope: Scope) -> frozenset[Data]:
    """What may be kept: what somebody may see."""
    return frozenset(data for data, _ in scope)
