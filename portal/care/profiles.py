"""Wearers' profiles in the store: every version their gateway told, the one in force.

The gateway's journal is the record; it alone counts the versions.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.told import ProfileInForce
from portal.care.models import ProfileVersion, Wearer

BY_CHARACTERS = 120
"""What the store's column holds."""


def take(session: Session, wearer: Wearer, told: ProfileInForce, *, now: datetime) -> None:
    """Keep a version; the same one told again changes nothing, another under its number takes its place."""
    query = sa.select(ProfileVersion).where(ProfileVersion.wearer_id == wearer.id)
    row = session.scalar(query.where(ProfileVersion.version == told.version))
    if row is None:
        row = ProfileVersion(wearer_id=wearer.id, version=told.version)
        session.add(row)
    row.source, row.at, row.restores = told.source, min(told.at, now), told.restores
    row.by = told.by[:BY_CHARACTERS]
    row.body = msgspec.json.encode(told.profile).decode()
    session.flush()


def versions(session: Session, wearer: Wearer) -> list[ProfileVersion]:
    """Every version of a wearer's profile, the one in force first."""
    query = sa.select(ProfileVersion).where(ProfileVersion.wearer_id == wearer.id)
    return list(session.scalars(query.order_by(ProfileVersion.version.desc())))


def in_force(session: Session, wearer: Wearer) -> ProfileVersion | None:
    """The version in force: the one of the highest number, None where the gateway has told of none."""
    query = sa.select(ProfileVersion).where(ProfileVersion.wearer_id == wearer.id)
    return session.scalar(query.order_by(ProfileVersion.version.desc()).limit(1))
