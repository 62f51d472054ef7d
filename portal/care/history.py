"""The history of readings: appended by the thousand, never changed.

On SQLite one prepared statement over all rows, on PostgreSQL COPY: both without the ORM,
which would cost ten times as much a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.model import BandAlarm, Fix, Reading
from portal.care.latest import VITAL_KINDS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FIX_COLUMNS = (
    "wearer_id",
    "at_ms",
    "received_ms",
    "lat",
    "lon",
    "accuracy_m",
    "speed_m_s",
    "source",
    "valid",
    "backlog",
)
VITAL_COLUMNS = ("wearer_id", "kind", "at_ms", "received_ms", "value", "second", "backlog")


@dataclass(slots=True)
class HistoryRows:
    """Rows gathered from one batch, written together by `write`."""

    fixes: list[tuple[Any, ...]] = field(default_factory=list)
    vitals: list[tuple[Any, ...]] = field(default_factory=list)

    def add(
        self, wearer_id: int, reading: Reading, *, at: datetime, received_at: datetime, backlog: bool
    ) -> None:
        """Gather one reading measured `at`; an alarm of the band is no reading and is left out."""
        at_ms, received_ms = milliseconds(at), milliseconds(received_at)
        if isinstance(reading, Fix):
            self.fixes.append(
                (
                    wearer_id,
                    at_ms,
                    received_ms,
                    reading.lat,
                    reading.lon,
                    reading.accuracy_m,
                    reading.speed_m_s,
                    reading.source,
                    reading.valid,
                    backlog,
                )
            )
            return
        if isinstance(reading, BandAlarm):
            return
        kind, first, second = VITAL_KINDS[type(reading)]
        value = float(getattr(reading, first))
        other = None if second is None else float(getattr(reading, second))
        self.vitals.append((wearer_id, kind, at_ms, received_ms, value, other, backlog))

    def write(self, session: Session) -> None:
        """Write everything gathered in the session's transaction."""
        _append(session, "fix_history", FIX_COLUMNS, self.fixes)
        _append(session, "vital_history", VITAL_COLUMNS, self.vitals)


def milliseconds(at: datetime) -> int:
    """Epoch milliseconds of an aware datetime."""
    return round(at.timestamp() * 1000)


def _append(session: Session, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    connection = session.connection()
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        raw: Any = connection.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  # constants of this module
    connection.exec_driver_sql(statement, rows)
