"""Keeps the journal bounded: the oldest telemetry goes first; alarms, incidents and their audit never go."""

from __future__ import annotations

import sqlite3

CHUNK_ROWS = 5000


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold data (pages in use, free pages not counted)."""
    (pages,) = connection.execute("pragma page_count").fetchone()
    (free,) = connection.execute("pragma freelist_count").fetchone()
    (size,) = connection.execute("pragma page_size").fetchone()
    return int((pages - free) * size)


def drop_oldest(connection: sqlite3.Connection, *, max_size_bytes: int, quarantine_rows: int) -> int:
    """Delete oldest telemetry until the file fits, and the quarantine's oldest rows past its bound.

    Gives the number of telemetry rows dropped, and adds it to the mark `dropped_telemetry`.
    Each chunk is a transaction of its own, so a reader never waits long.
    """
    dropped = 0
    while used_bytes(connection) > max_size_bytes:
        connection.execute("begin immediate")
        count = connection.execute(
            "delete from events where seq in"
            " (select seq from events where kind = 'telemetry' order by seq limit ?)",
            (CHUNK_ROWS,),
        ).rowcount
        connection.execute(
            "insert into marks values ('dropped_telemetry', ?)"
            " on conflict (name) do update set value = value + excluded.value",
            (count,),
        )
        connection.execute("commit")
        dropped += count
        if count == 0:
            break
    connection.execute(
        "delete from quarantine where number <= (select max(number) from quarantine) - ?", (quarantine_rows,)
    )
    return dropped
