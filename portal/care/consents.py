"""Consents on record: given, withdrawn, and what may be kept of a wearer at all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import BloodPressure, BodyTemp, Fix, HeartRate, Reading, SpO2, Steps
from portal.care.models import Consent, Wearer
from portal.policy import Audience, Data

WORN = (Data.LOCATION, Data.HEALTH)
"""What a band tells of its wearer."""


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
    """Record a consent; the caller commits, audits and announces it."""
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
    return row


def give_for_demonstration(session: Session, wearer: Wearer, *, at: datetime) -> None:
    """Let the invented people of the demonstration consent, once: a withdrawal stays a withdrawal."""
    if session.scalar(sa.select(Consent.id).where(Consent.wearer_id == wearer.id).limit(1)) is not None:
        return
    for data in WORN:
        for audience in Audience:
            give(session, wearer, data=data, audience=audience, basis="demo", given_by=wearer.name, at=at)


def kept(session: Session, wearers: Iterable[int], at: datetime) -> dict[int, frozenset[Data]]:
    """What of each of these wearers may be kept at a time: what somebody may see, by a consent in force."""
    found: dict[int, set[Data]] = {}
    query = sa.select(Consent).where(Consent.wearer_id.in_(wearers), Consent.withdrawn_at.is_(None))
    for row in session.scalars(query):
        if row.holds(at):
            found.setdefault(row.wearer_id, set()).add(Data(row.data))
    return {wearer_id: frozenset(data) for wearer_id, data in found.items()}
