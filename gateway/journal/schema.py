"""The tables of the journal and how they came to be; one migration a change, each in its own transaction."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import JournalDamaged
from gateway.migrations import bring_up_to_date

if TYPE_CHECKING:
    from sqlite_utils import Database


FIRST_TABLES = """
-- seq rises for ever, also past deletions: hence autoincrement
create table events (
    seq integer primary key autoincrement,
    at_ms integer not null, received_ms integer not null,
    kind text not null, device text, wearer text, wire text,
    payload blob not null, raw blob, crc integer not null);
create table states (owner text primary key, body blob not null) without rowid;
create table timers (
    owner text not null, name text not null, due_ms integer not null,
    primary key (owner, name)) without rowid;
create table outbox (
    seq integer not null, position integer not null, kind text not null, body blob not null, done_ms integer,
    primary key (seq, position)) without rowid;
create index outbox_open on outbox (seq) where done_ms is null;
create table alarms (
    alarm_id text primary key, seq integer not null, wearer text not null, kind text not null,
    severity text not null, at_ms integer not null, incident text, body blob not null);
create table incidents (
    incident_id text primary key, ref text not null, wearer text not null, kind text not null,
    state text not null, opened_ms integer not null, body blob not null);
create index incidents_open on incidents (opened_ms) where state not in ('resolved', 'cancelled');
create table legs (
    leg_id text primary key, incident text not null, round integer not null, contact text not null,
    channel text not null, purpose text not null, attempt integer not null,
    carrier text not null, reference text, state text not null, intended_ms integer not null,
    body blob not null);
-- a self-double is impossible
create unique index legs_once on legs (incident, round, contact, channel, purpose, attempt);
create index legs_open on legs (intended_ms)
    where state in ('intended', 'ambiguous', 'placed', 'ringing', 'answered');
create table quarantine (
    number integer primary key autoincrement, received_ms integer not null, wire text not null,
    protocol text not null, peer text not null, device text, reason text not null,
    offset integer not null, raw blob not null);
create table marks (name text primary key, value integer not null) without rowid;
"""


def first_tables(db: Database) -> None:
    """Events and everything that is committed together with them."""
    for statement in FIRST_TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)


def steps_of_incidents(db: Database) -> None:
    """Every event of every incident, exactly as the cascade judged it: the incident can be made again."""
    db.execute(
        "create table steps (incident text not null, number integer not null, body blob not null,"
        " primary key (incident, number)) without rowid"
    )


def length_of_quarantined(db: Database) -> None:
    """How long a quarantined frame was: what was cut short to be kept cannot be decoded again."""
    db.execute("alter table quarantine add column length integer not null default 0")


def versions_of_profiles(db: Database) -> None:
    """The newest versions of every wearer's profile; `follows_file`: until config.toml says otherwise."""
    db.execute(
        "create table profiles (wearer text not null, version integer not null, source text not null,"
        " restores integer, ordered_by text not null, at_ms integer not null,"
        " follows_file integer not null, body blob not null, primary key (wearer, version)) without rowid"
    )


STEPS: tuple[Callable[[Database], None], ...] = (
    first_tables,
    steps_of_incidents,
    length_of_quarantined,
    versions_of_profiles,
)
"""Every migration in order; a new one is appended, an old one never changes."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open (or make) the journal and bring its tables up to date; gives the one writing connection.

    A new file is for its owner alone (SQLite gives its companions the same mode): where people were, what
    their hearts did, and the login codes in the frames of terminals are nobody else's on this box.

    WAL with synchronous=FULL: a commit that returned is on the disk.
    Raises JournalDamaged when the file is no SQLite database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        connection.execute("pragma wal_autocheckpoint=2000")
        connection.execute("pragma temp_store=memory")
        connection.execute("pragma secure_delete=fast")  # what is wiped leaves nothing in its page
        bring_up_to_date(connection, "journal", STEPS)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise JournalDamaged(
            f"{path} cannot be used as a journal: {error}; move it aside and restart"
        ) from error
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the journal read-only; any thread may use it, one at a time.

    Raises FileNotFoundError when there is no journal yet.
    """
    if not path.exists():
        raise FileNotFoundError(f"no journal at {path}")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("pragma busy_timeout=2000")
    return connection
