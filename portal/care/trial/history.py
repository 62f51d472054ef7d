"""A wearer's stored history as it was heard: what a trial of fences or limits runs over.

Stored are readings, not frames: those of one wearer received in the same millisecond are one frame again.
Readings out of a band's store are left out, because they move no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway.model import (
    Alarm,
    Battery,
    BloodPressure,
    BodyTemp,
    Envelope,
    FenceSuspension,
    Fix,
    HeartRate,
    Reading,
    SpO2,
    Steps,
    Uplink,
    Why,
    Worn,
)
from gateway.told import PortalCommand
from portal.care.history import milliseconds
from portal.care.models import AlarmRecord, Command, FixHistory, VitalHistory, Wearer

SUSPENDING = ("suspend_fences", "resume_fences")
_command = msgspec.json.Decoder(PortalCommand).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Frames in the order of receipt; `cut_at`: where there were too many, the time of the oldest kept."""

    frames: tuple[Envelope, ...]
    cut_at: datetime | None


def heard(
    session: Session, wearer: Wearer, *, since: datetime, until: datetime, most: int, vitals: bool
) -> Heard:
    """Give what was measured in [since, until), the newest `most` readings of it.

    Positions alone, or with `vitals` everything but positions that say nothing of a measurement.
    """
    span = {"since_ms": milliseconds(since), "until_ms": milliseconds(until)}
    rows = _fixes(session, wearer, **span, most=most, moving=vitals)
    if vitals:
        rows += _vitals(session, wearer, **span, most=most)
        rows.sort(key=lambda row: row[1], reverse=True)
    cut_at = None
    if len(rows) > most:
        rows = rows[:most]
        cut_at = _time(rows[-1][1])
    rows.reverse()  # what one frame brought stands in its order again
    rows.sort(key=lambda row: row[0])
    frames = tuple(
        Envelope(
            uplink=Uplink(device=None, readings=tuple(row[2] for row in group), raw=b""),
            wire="",
            device="",
            wearer=wearer.code,
            received_at=_time(received_ms),
        )
        for received_ms, group in groupby(rows, key=lambda row: row[0])
    )
    return Heard(frames=frames, cut_at=cut_at)


Row = tuple[int, int, Reading]
"""When it was received and when it was measured, in milliseconds, and the reading."""


def _fixes(
    session: Session, wearer: Wearer, *, since_ms: int, until_ms: int, most: int, moving: bool
) -> list[Row]:
    columns = (
        FixHistory.received_ms,
        FixHistory.at_ms,
        FixHistory.lat,
        FixHistory.lon,
        FixHistory.valid,
        FixHistory.accuracy_m,
        FixHistory.speed_m_s,
        FixHistory.source,
    )
    query = sa.select(*columns).where(
        FixHistory.wearer_id == wearer.id,
        FixHistory.at_ms >= since_ms,
        FixHistory.at_ms < until_ms,
        FixHistory.backlog.is_(False),
    )
    if moving:
        query = query.where(FixHistory.speed_m_s.is_not(None))
    rows: Any = session.execute(query.order_by(FixHistory.at_ms.desc(), FixHistory.id.desc()).limit(most + 1))
    return [
        (
            received_ms,
            at_ms,
            Fix(
                lat=lat,
                lon=lon,
                valid=valid,
                accuracy_m=accuracy_m,
                speed_m_s=speed_m_s,
                source=source,
                at=_time(at_ms),
            ),
        )
        for received_ms, at_ms, lat, lon, valid, accuracy_m, speed_m_s, source in rows
    ]


def _vitals(session: Session, wearer: Wearer, *, since_ms: int, until_ms: int, most: int) -> list[Row]:
    columns = (
        VitalHistory.received_ms,
        VitalHistory.at_ms,
        VitalHistory.kind,
        VitalHistory.value,
        VitalHistory.second,
    )
    query = sa.select(*columns).where(
        VitalHistory.wearer_id == wearer.id,
        VitalHistory.kind.in_(READINGS),
        VitalHistory.at_ms >= since_ms,
        VitalHistory.at_ms < until_ms,
        VitalHistory.backlog.is_(False),
    )
    return [
        (received_ms, at_ms, READINGS[kind](value, second, _time(at_ms)))
        for received_ms, at_ms, kind, value, second in session.execute(
            query.order_by(VitalHistory.at_ms.desc(), VitalHistory.id.desc()).limit(most + 1)
        )
    ]


READINGS: dict[str, Any] = {
    "heart_rate": lambda value, _, at: HeartRate(heart_rate_bpm=value, at=at),
    "blood_pressure": lambda value, second, at: BloodPressure(
        systolic_mmhg=value, diastolic_mmhg=second or 0.0, at=at
    ),
    "spo2": lambda value, _, at: SpO2(spo2_pct=value, at=at),
    "body_temp": lambda value, _, at: BodyTemp(body_temp_c=value, at=at),
    "steps": lambda value, _, at: Steps(steps=int(value), at=at),
    "battery": lambda value, _, at: Battery(battery_pct=value, at=at),
    "worn": lambda value, _, at: Worn(worn=bool(value), at=at),
}
"""A kind of `VitalHistory`, and the reading it was."""


def raised(session: Session, wearer: Wearer, *, since: datetime, until: datetime) -> list[Alarm]:
    """Give what was really raised in [since, until), oldest first; drills are left out."""
    query = sa.select(AlarmRecord).where(
        AlarmRecord.wearer_id == wearer.id,
        AlarmRecord.at >= since,
        AlarmRecord.at < until,
        AlarmRecord.drill.is_(False),
    )
    return [
        Alarm(
            alarm_id=row.code,
            wearer=wearer.code,
            kind=row.kind,  # type: ignore[arg-type]  # as the gateway told it
            severity=row.severity,  # type: ignore[arg-type]  # the same
            why=msgspec.convert(row.why, Why),
            at=row.at,
            lat=row.lat,
            lon=row.lon,
            late=row.late,
        )
        for row in session.scalars(query.order_by(AlarmRecord.at, AlarmRecord.id))
    ]


def suspended(
    session: Session, wearer: Wearer, *, until: datetime
) -> Iterator[tuple[datetime, tuple[FenceSuspension, ...]]]:
    """Give each change of what fences were suspended, as far as it was ordered here and done.

    What was ordered on the gateway's own box is not known.
    """
    query = sa.select(Command).where(
        Command.gateway == wearer.gateway,
        Command.name.in_(SUSPENDING),
        Command.state == "done",
        Command.command.startswith(f"fences.{wearer.id}.", autoescape=True),
        Command.ended_at < until,
    )
    stand: dict[str, FenceSuspension] = {}
    for row in session.scalars(query.order_by(Command.ended_at, Command.number)):
        order, at = _command(row.body), row.ended_at or row.created_at
        fence = order.fence or ""
        if order.name == "resume_fences":
            stand = {name: one for name, one in stand.items() if fence not in ("", name)}
        elif order.until is not None:
            given_at = order.given_at or at
            stand[fence] = FenceSuspension(
                fence=fence, until=order.until, by=order.by or "", given_at=given_at
            )
        yield at, tuple(one for one in stand.values() if one.until > at)


def merged(frames: Iterable[Envelope], changes: Iterable[tuple[datetime, Any]]) -> Iterator[Any]:
    """Give frames with the changes of what was suspended among them, in the order of time."""
    rows = [(one.received_at, 1, one) for one in frames] + [(at, 0, change) for at, change in changes]
    rows.sort(key=lambda row: row[:2])
    return (row[2] for row in rows)


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
