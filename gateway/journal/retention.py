"""Keeps the journal bounded: the oldest readings and figures go first; alarms and their audit never go."""

from __future__ import annotations

import sqlite3

CHUNK_ROWS = 5000
QUARANTINE_ROWS = 10_000
QUARANTINE_BYTES = 16 * 1024 * 1024


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold data (pages in use, free pages not counted)."""
    (pages,) = connection.execute("pragma page_count").fetchone()
    (free,) = connection.execute("pragma freelist_count").fetchone()
    (size,) = connection.execute("pragma page_size").fetchone()
    return int((pages - free) * size)


def drop_oldest(connection: sqlite3.Connection, *, max_size_bytes: int) -> int:
    """Delete the oldest readings and figures until the file fits, and the quarantine past its bounds.

    Gives the number of telemetry rows dropped; the marks `dropped_telemetry` and `dropped_quarantine` count.
    Each chunk is a transaction of its own, so a reader never waits long.
    """
    dropped = 0
    while used_bytes(connection) > max_size_bytes:
        connection.execute("begin immediate")
        count = connection.execute(
            "delete from events where seq in"
            " (select seq from events where kind in ('telemetry', 'health') order by seq limit ?)",
            (CHUNK_ROWS,),
        ).rowcount
        _count(connection, "dropped_telemetry", count)
        connection.execute("commit")
        dropped += count
        if count == 0:
            break
    _drop_quarantined(connection)
    return dropped


def _drop_quarantined(connection: sqlite3.Connection) -> None:
    """Keep the newest frames of the quarantine: so many, and so many bytes of them."""
    connection.execute("begin immediate")
    count = connection.execute(
        "delete from quarantine where number in (select number from"
        " (select number, row_number() over newest as place, sum(length(raw)) over newest as bytes"
        "  from quarantine window newest as (order by number desc)) where place > ? or bytes > ?)",
        (QUARANTINE_ROWS, QUARANTINE_BYTES),
    ).rowcount
    if count:
        _count(connection, "dropped_quarantine", count)
    connection.execute("commit")


def _count(connection: sqlite3.Connection, mark: str, count: int) -> None:
    connection.execute(
        "insert into marks values (?, ?) on conflict (name) do update set value = value + excluded.value",
        (mark, count),
    )
