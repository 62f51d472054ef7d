"""The history of readings by month: months made ahead on PostgreSQL, the too old dropped on both engines.

On PostgreSQL `fix_history` and `vital_history` are partitioned by `at_ms`, a month (UTC) a partition;
`…_rest` takes what no month covers, so that nothing is ever refused. SQLite has one table each.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

TABLES = ("fix_history", "vital_history")
MONTHS_AHEAD = 12
"""A portal that was not started for a year still has a place for every row: the rest."""
MONTH_LOCK = 7_304_214
"""PostgreSQL advisory lock of whoever makes or drops months."""
PIECE_ROWS = 20_000
"""SQLite deletes so many rows a statement, so that its statements stay short."""


def make_months(session: Session, now: dt.datetime, *, ahead: int = MONTHS_AHEAD) -> list[str]:
    """Make the month of `now` and those after it where they are missing; gives the partitions made.

    Rows of a month that lie in the rest already are moved. Nothing on SQLite. The caller commits.
    """
    if session.connection().dialect.name != "postgresql":
        return []
    session.execute(sa.text(f"SELECT pg_advisory_xact_lock({MONTH_LOCK})"))
    made = []
    first = dt.datetime(now.year, now.month, 1, tzinfo=dt.UTC)
    for _ in range(ahead + 1):
        after = _next_month(first)
        for table in TABLES:
            name = f"{table}_{first:%Y_%m}"
            if session.scalar(sa.text("SELECT to_regclass(:name)"), {"name": name}) is None:
                _make(session, table, name, _ms(first), _ms(after))
                made.append(name)
        first = after
    return made


def drop_older(session: Session, before: dt.datetime) -> int:
    """Drop every reading measured before this time, whole months as such; gives how many rows went.

    The caller commits.
    """
    limit_ms = _ms(before)
    gone = 0
    if session.connection().dialect.name == "postgresql":
        session.execute(sa.text(f"SELECT pg_advisory_xact_lock({MONTH_LOCK})"))
        for name in _months_before(session, before):
            gone += session.scalar(sa.text(f"SELECT count(*) FROM {name}")) or 0  # noqa: S608  # a name of ours
            session.execute(sa.text(f"DROP TABLE {name}"))
    for table in TABLES:
        gone += _delete_before(session, table, limit_ms)
    return gone


def months(session: Session) -> list[str]:
    """The months there are, oldest first; none on SQLite."""
    if session.connection().dialect.name != "postgresql":
        return []
    query = sa.text(
        "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
        "JOIN pg_class parent ON parent.oid = inhparent WHERE parent.relname = ANY(:tables)"
    )
    found = session.scalars(query, {"tables": list(TABLES)})
    return sorted(name for name in found if not name.endswith("_rest"))


def _make(session: Session, table: str, name: str, begin_ms: int, end_ms: int) -> None:
    """Make one month beside the table, move into it what the rest holds of it, then attach it."""
    said = f"at_ms >= {begin_ms} AND at_ms < {end_ms}"
    move = (
        f"WITH moved AS (DELETE FROM {table}_rest WHERE {said} RETURNING *) "  # noqa: S608  # names of ours
        f"INSERT INTO {name} SELECT * FROM moved"
    )
    statements = (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        move,
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({begin_ms}) TO ({end_ms})",
    )
    for statement in statements:
        session.execute(sa.text(statement))


def _months_before(session: Session, before: dt.datetime) -> list[str]:
    """The months that ended before this time."""
    limit = f"{before.astimezone(dt.UTC):%Y_%m}"
    return [name for name in months(session) if name[-len(limit) :] < limit]


def _delete_before(session: Session, table: str, limit_ms: int) -> int:
    if session.connection().dialect.name == "postgresql":
        done: Any = session.execute(
            sa.text(f"DELETE FROM {table} WHERE at_ms < :limit"),  # noqa: S608  # a name of ours
            {"limit": limit_ms},
        )
        return int(done.rowcount)
    gone = 0
    piece = sa.text(
        f"DELETE FROM {table} WHERE id IN "  # noqa: S608  # a name of ours
        f"(SELECT id FROM {table} WHERE at_ms < :limit LIMIT {PIECE_ROWS})"
    )
    while True:
        done = session.execute(piece, {"limit": limit_ms})
        gone += int(done.rowcount)
        if done.rowcount < PIECE_ROWS:
            return gone


def _next_month(first: dt.datetime) -> dt.datetime:
    return (first + dt.timedelta(days=32)).replace(day=1)


def _ms(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)
