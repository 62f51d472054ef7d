"""A wearer's way out of the store, worked through, and the alarms and heart rate of the same hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from portal.care.history import milliseconds
from portal.care.models import AlarmRecord, FixHistory, VitalHistory, Wearer
from portal.care.track.stays import Stay, Totals, stays, totals
from portal.care.track.way import Gap, Row, Track, gaps, impossible, pieces, rough, track_of

MOST_FIXES = 200_000
"""More of one window are cut off at the end, and the page says so."""
MOST_ALARMS = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """What is known of one window."""

    exact: Track
    """The fixes the way is made of."""
    rough: Track
    """Estimates: shown as places somebody may have been near."""
    set_aside: int
    """Fixes nobody could have been at."""
    cut: bool
    gaps: Sequence[Gap]
    pieces: Sequence[tuple[int, int]]
    stays: Sequence[Stay]
    totals: Totals


def way(session: Session, wearer: Wearer, *, start: datetime, end: datetime, most: int = MOST_FIXES) -> Way:
    """The way of a wearer in [start, end), from everything stored that was a valid position."""
    rows = _fixes(session, wearer, start, end, most + 1)
    return worked_through(track_of(rows[:most]), cut=len(rows) > most)


def worked_through(track: Track, *, cut: bool = False) -> Way:
    """A track with what can be said of it."""
    vague = rough(track)
    sharp = track.only(~vague)
    wrong = impossible(sharp)
    exact, estimates = sharp.only(~wrong), track.only(vague)
    between = gaps(exact, estimates.at_ms)
    stretches = pieces(len(exact), between)
    stayed = stays(exact, stretches)
    return Way(
        exact=exact,
        rough=estimates,
        set_aside=int(wrong.sum()),
        cut=cut,
        gaps=between,
        pieces=stretches,
        stays=stayed,
        totals=totals(exact, stretches, stayed),
    )


def alarms(session: Session, wearer: Wearer, *, start: datetime, end: datetime) -> list[AlarmRecord]:
    """What was raised in [start, end), oldest first; drills are left out."""
    query = sa.select(AlarmRecord).where(
        AlarmRecord.wearer_id == wearer.id,
        AlarmRecord.at >= start,
        AlarmRecord.at < end,
        AlarmRecord.drill.is_(False),
    )
    return list(session.scalars(query.order_by(AlarmRecord.at, AlarmRecord.id).limit(MOST_ALARMS)))


def heart_rates(
    session: Session, wearer: Wearer, *, start: datetime, end: datetime
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times in milliseconds and beats a minute of [start, end), in the order of time."""
    query = sa.select(VitalHistory.at_ms, VitalHistory.value).where(
        VitalHistory.wearer_id == wearer.id,
        VitalHistory.kind == "heart_rate",
        VitalHistory.at_ms >= milliseconds(start),
        VitalHistory.at_ms < milliseconds(end),
    )
    rows: Any = session.execute(query.order_by(VitalHistory.at_ms).limit(MOST_FIXES)).all()
    at_ms, values = zip(*rows, strict=True) if rows else ((), ())
    return np.asarray(at_ms, dtype=np.int64), np.asarray(values, dtype=np.float64)


def newest_before(session: Session, wearer: Wearer, before: datetime) -> int | None:
    """When the newest valid fix before a moment was measured, in milliseconds."""
    query = sa.select(sa.func.max(FixHistory.at_ms)).where(
        FixHistory.wearer_id == wearer.id, FixHistory.valid, FixHistory.at_ms < milliseconds(before)
    )
    return session.scalar(query)


def _fixes(session: Session, wearer: Wearer, start: datetime, end: datetime, most: int) -> list[Row]:
    """Rows as the driver gives them: the layers above it cost half a second for a hundred thousand."""
    query = (
        sa.select(FixHistory.at_ms, FixHistory.lat, FixHistory.lon, FixHistory.accuracy_m, FixHistory.source)
        .where(
            FixHistory.wearer_id == wearer.id,
            FixHistory.at_ms >= milliseconds(start),
            FixHistory.at_ms < milliseconds(end),
            FixHistory.valid,
        )
        .order_by(FixHistory.at_ms, FixHistory.id)
        .limit(most)
    )
    cursor: Any = session.connection().execute(query).cursor
    found: list[Row] = cursor.fetchall()
    return found
