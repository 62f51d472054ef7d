"""The store of bands: what the installer's commands write and the running gateway follows.

One small SQLite file beside the journal, readable by its owner alone. It is not part of the journal, because
two processes write it; so it has a rollback journal and never WAL (docs/adr/0012, docs/adr/0002).
The key of a band is never in it, only what `gateway.bands.keys` derives.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.bands.allow_list import StoredDevice
from gateway.bands.keys import Keys
from gateway.errors import NeedsHuman
from gateway.migrations import bring_up_to_date

if TYPE_CHECKING:
    from sqlite_utils import Database

WRITER_WAIT_MS = 10_000
RETRY_S = 0.02
TABLES = """
create table devices (
    device text primary key, wire_id text not null, protocol text not null, wearer text not null,
    model text not null, serial text not null, name text not null,
    verifier text not null, oscore_secret blob not null, login_code text not null,
    state text not null check (state in ('active', 'revoked')),
    added_ms integer not null, changed_ms integer not null) without rowid;
create unique index devices_wire_id on devices (wire_id) where state = 'active';
create table changes (
    number integer primary key autoincrement, at_ms integer not null,
    who text not null, device text not null, what text not null);
create index changes_device on changes (device);
"""
COLUMNS = (
    "device",
    "wire_id",
    "protocol",
    "wearer",
    "model",
    "serial",
    "name",
    "state",
    "added_ms",
    "changed_ms",
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log: who (a login name of this box) did what to which band; never a secret."""

    at_ms: int
    who: str
    device: str
    what: str


class DeviceStore:
    """The file, open; `changing` is one transaction, everything else only reads. One user at a time."""

    def __init__(self, path: Path, *, make: bool, wait_ms: int = WRITER_WAIT_MS) -> None:
        """Open it; `make` makes a missing one and brings an older one up to date.

        Raises FileNotFoundError when it is missing and not to be made, NeedsHuman when it is no such store.
        """
        if make:
            _make(path)
        elif not path.exists():
            raise FileNotFoundError(f"no device store at {path}")
        self.path = path
        # mode=rw also for who only reads: what a killed writer left half-done must be rolled back
        self._connection = sqlite3.connect(
            f"file:{_quoted(path)}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute(f"pragma busy_timeout={int(wait_ms)}")
            if make:
                self._connection.execute("pragma journal_mode=delete")
                self._connection.execute("pragma synchronous=full")
                _bring_up_to_date_beside_others(self._connection, wait_ms)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise NeedsHuman(f"{path} cannot be used as the store of devices: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def version(self) -> int:
        """A number that is another one after every commit of somebody else. Raises sqlite3.Error."""
        number: int = self._connection.execute("pragma data_version").fetchone()[0]
        return number

    def changes(self) -> int:
        """How many changes were ever made: the number of the last line of the log. Raises sqlite3.Error."""
        number: int = self._connection.execute("select coalesce(max(number), 0) from changes").fetchone()[0]
        return number

    def rows(self) -> tuple[StoredDevice, ...]:
        """Every band ever provisioned, revoked ones too, by identity. Raises sqlite3.Error, NeedsHuman."""
        found = self._connection.execute(
            "select verifier, oscore_secret, login_code, device, wire_id, protocol, wearer, model, serial,"
            " name, state, added_ms, changed_ms from devices order by device"
        ).fetchall()
        try:
            return tuple(
                msgspec.convert(
                    dict(zip(COLUMNS, rest, strict=True))
                    | {"keys": Keys(verifier, oscore_secret, login_code)},
                    StoredDevice,
                )
                for verifier, oscore_secret, login_code, *rest in found
            )
        except msgspec.ValidationError as error:
            raise NeedsHuman(f"{self.path} holds a row that is no band: {error}") from error

    def log(self, device: str) -> tuple[Change, ...]:
        """Every change of one band, oldest first."""
        found = self._connection.execute(
            "select at_ms, who, device, what from changes where device = ? order by number", (device,)
        ).fetchall()
        return tuple(
            Change(at_ms=at_ms, who=who, device=device, what=what) for at_ms, who, device, what in found
        )

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction: what was read inside still holds when it is committed; an exception undoes it.

        Raises NeedsHuman when the file stays locked or cannot be written.
        """
        try:
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
        except sqlite3.OperationalError as error:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise NeedsHuman(f"the store of devices {self.path} cannot be written: {error}") from error

    def put(self, row: StoredDevice, *, what: str, who: str, at_ms: int) -> None:
        """Write one band and its line of the log, inside `changing`; `added_ms` of an older row stays."""
        keys = row.keys
        self._connection.execute(
            "insert into devices values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict (device) do update set"
            " wire_id = excluded.wire_id, protocol = excluded.protocol, wearer = excluded.wearer,"
            " model = excluded.model, serial = excluded.serial, name = excluded.name,"
            " verifier = excluded.verifier, oscore_secret = excluded.oscore_secret,"
            " login_code = excluded.login_code, state = excluded.state, changed_ms = excluded.changed_ms",
            (
                *(row.device, row.wire_id, row.protocol, row.wearer, row.model, row.serial, row.name),
                *(keys.verifier, keys.oscore_secret, keys.login_code, row.state, at_ms, at_ms),
            ),
        )
        self._connection.execute(
            "insert into changes (at_ms, who, device, what) values (?, ?, ?, ?)",
            (at_ms, who, row.device, what),
        )


def first_tables(db: Database) -> None:
    """The bands, and the log of what was done to them."""
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)


STEPS: tuple[Callable[[Database], None], ...] = (first_tables,)
"""Every migration in order; a new one is appended, an old one never changes."""


def _bring_up_to_date_beside_others(connection: sqlite3.Connection, wait_ms: int) -> None:
    """The same, while another command may do it at this moment.

    Who has read and now wants to write beside another writer is refused at once, because waiting would be
    for ever: it lets go and begins anew, until `wait_ms` is over. Raises sqlite3.OperationalError then.
    """
    ends_s = time.monotonic() + wait_ms / 1000
    while True:
        try:
            bring_up_to_date(connection, "devices", STEPS)
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("rollback")
            if time.monotonic() >= ends_s:
                raise
            time.sleep(RETRY_S)
        else:
            return


def _make(path: Path) -> None:
    """Make an empty file of mode 0600; made by root, it belongs to whom the folder belongs: the gateway."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)  # put back from a backup, for everybody to read
        return
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    """A path inside a URI of SQLite."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
