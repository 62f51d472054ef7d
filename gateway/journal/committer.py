"""Turns a group of records into one transaction, in their order; nothing here waits or knows a thread.

Rows go in as multi-row INSERTs: one statement holds the GIL for a moment, hundreds would starve
beside a busy loop.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any
from zlib import crc32

from gateway.journal.records import Record, Rest

CHUNKS = (256, 64, 16, 4, 1)
PROFILES_KEPT = 20
"""Versions of each wearer's profile; the newest is never among those that go."""


class Committer:
    """Writes groups over one connection.

    `seq` is the highest seq ever committed;
    `rows` (events), `records` and `commits` are counted since this was made.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        row = connection.execute("select seq from sqlite_sequence where name = 'events'").fetchone()
        self.seq: int = row[0] if row else 0
        self.rows = 0
        self.records = 0
        self.commits = 0

    def commit(self, batch: Sequence[Record]) -> list[int]:
        """Commit these records in this order; gives each one's seq, 0 where it has no event.

        Raises sqlite3.Error; the transaction is then still open and nothing here has changed.
        """
        execute = self._connection.execute
        execute("begin immediate")
        seq = self.seq
        seqs: list[int] = []
        events: list[tuple[Any, ...]] = []
        states: dict[str, bytes] = {}
        timers: dict[tuple[str, str], int | None] = {}
        for record in batch:
            if record.has_rest:
                seq = max(seq, record.rest.skip_to)
            for row in record.events:
                seq += 1
                events.append((seq, *row, crc32(row.payload)))
            seqs.append(seq if record.events else 0)
            if record.states:
                states.update(record.states)
            if record.timers:
                timers.update(record.timers)
        self._insert("insert into events values", 10, events)
        self._insert("insert or replace into states values", 2, states.items())
        for record, record_seq in zip(batch, seqs, strict=True):
            if record.has_rest:
                self._write_rest(record.rest, record_seq)
        for (owner, name), due_ms in timers.items():
            if due_ms is None:
                execute("delete from timers where owner = ? and name = ?", (owner, name))
            else:
                execute("insert or replace into timers values (?, ?, ?)", (owner, name, due_ms))
        execute("commit")
        self.seq = seq
        self.rows += len(events)
        self.records += len(batch)
        self.commits += 1
        return seqs

    def _write_rest(self, rest: Rest, seq: int) -> None:
        """Write what most records do not have."""
        execute = self._connection.execute
        self._write_outbox(rest, seq)
        for alarm in rest.alarms:
            execute(
                "insert or ignore into alarms values (?, ?, ?, ?, ?, ?, ?, ?)",
                (alarm.alarm_id, seq, *alarm[1:]),
            )
        for incident in rest.incidents:
            execute("insert or replace into incidents values (?, ?, ?, ?, ?, ?, ?)", incident)
        for step in rest.steps:
            execute("insert into steps values (?, ?, ?)", step)
        for leg in rest.legs:
            execute("insert or ignore into legs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", leg)
        for change in rest.leg_changes:
            execute(
                "update legs set state = coalesce(?, state), carrier = coalesce(?, carrier),"
                " reference = coalesce(?, reference), intended_ms = coalesce(?, intended_ms)"
                " where leg_id = ?",
                (change.state, change.carrier, change.reference, change.intended_ms, change.leg_id),
            )
        for owner in rest.forgotten:
            execute("delete from states where owner = ?", (owner,))
        for wipe in rest.wiped:
            execute("update legs set body = x'' where incident = ?", wipe)
        self._write_quarantine(rest)
        for profile in rest.profiles:
            execute("insert into profiles values (?, ?, ?, ?, ?, ?, ?, ?)", profile)
            execute(
                "delete from profiles where wearer = :wearer and version not in (select version from profiles"
                " where wearer = :wearer order by version desc limit :kept)",
                {"wearer": profile.wearer, "kept": PROFILES_KEPT},
            )
        for name, value in rest.marks.items():
            execute("insert or replace into marks values (?, ?)", (name, value))

    def _write_quarantine(self, rest: Rest) -> None:
        for frame in rest.quarantine:
            self._connection.execute(
                "insert into quarantine"
                " (received_ms, wire, protocol, peer, device, reason, offset, raw, length)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                frame,
            )
        for number in rest.released:
            self._connection.execute("delete from quarantine where number = ?", (number,))

    def _write_outbox(self, rest: Rest, seq: int) -> None:
        """New effects, how those under way stand, and which are done."""
        execute = self._connection.execute
        for position, row in enumerate(rest.outbox):
            execute("insert or replace into outbox values (?, ?, ?, ?, null)", (seq, position, *row))
        for change in rest.outbox_changes:
            execute("update outbox set body = ? where seq = ? and position = ?", change)
        for done_seq, position in rest.done:
            execute(
                "update outbox set done_ms = ? where seq = ? and position = ?",
                (time.time_ns() // 1_000_000, done_seq, position),
            )

    def _insert(self, verb: str, width: int, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert rows in multi-row statements of a few fixed sizes, so that each is prepared once."""
        pending = list(rows)
        one = "(" + ",".join("?" * width) + ")"
        start = 0
        for size in CHUNKS:
            while len(pending) - start >= size:
                values = ",".join([one] * size)
                chunk = pending[start : start + size]
                self._connection.execute(f"{verb} {values}", tuple(chain.from_iterable(chunk)))
                start += size
