"""The portal's store: one `db` for every feature, SQLite or PostgreSQL by URL, migrations by Alembic.

`db.session` belongs to the request (or to `with app.app_context()`) and is closed with it.
Nothing is committed unless a view says `db.session.commit()`.
A request that may write (POST and the like) takes SQLite's write lock at its first statement,
so that it never fails half-way because somebody else wrote in between; a GET only reads.
What must be written during a GET, or outside a request, uses `with writing() as session`.
"""

from __future__ import annotations

import datetime as dt
import inspect
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask, has_request_context, request
from flask_alembic import Alembic
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import DeclarativeBase, Session

from portal.settings import MAX_POLLS, PAGE_THREADS

BUSY_TIMEOUT_MS = 10_000
MOST_CONNECTIONS = 2 * (PAGE_THREADS + MAX_POLLS)
"""Two for each thread: the request's own session, and one beside it (`writing`, `reading`).

With fewer, threads that hold one and want another could wait for each other for ever.
"""
CHANNEL = "shouwang_changes"
"""What PostgreSQL's NOTIFY rings on when something was committed that others may be waiting for."""
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ_ONLY = "portal_read_only"
"""Execution option of a connection that never writes (the live poller)."""


class UtcDateTime(sa.types.TypeDecorator[dt.datetime]):
    """An aware datetime in UTC on both engines; naive values are refused, not guessed."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Give SQLite UTC without its offset (it keeps text), PostgreSQL the value itself."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a naive datetime has no place in the store"
            raise ValueError(message)
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Give back an aware datetime in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Model(DeclarativeBase):
    """The base of every table; constraints have names, so that migrations can speak of them."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dt.datetime: UtcDateTime()}  # noqa: RUF012  # SQLAlchemy reads it from the class


UNENFORCED = "foreign_keys_off"
_unenforced: ContextVar[bool] = ContextVar("unenforced", default=False)
"""Whether SQLite's foreign keys are off, for a migration."""

db = SQLAlchemy(session_options={"expire_on_commit": False})
alembic = Alembic(metadatas=Model.metadata, run_mkdir=False, command_name="db")


def init_app(app: Flask, database_url: str) -> None:
    """Give the application its engine and its migrations; opens no connection, creates no file."""
    url = sa.make_url(database_url)
    options: dict[str, Any] = {"url": url}
    if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
        options["url"] = url.set(database=str(Path(str(url.database)).absolute()))
        options |= {"pool_size": 16, "max_overflow": MOST_CONNECTIONS - 16}
    elif url.get_backend_name() == "postgresql":
        options |= {"pool_size": 8, "max_overflow": MOST_CONNECTIONS - 8, "pool_pre_ping": True}
    app.config["SQLALCHEMY_ENGINES"] = {"default": options}
    folder = Path(__file__).parent / "migrations"
    app.config["ALEMBIC"] = {
        "script_location": str(folder),
        "version_locations": [str(folder / "versions")],
    }
    app.config["ALEMBIC_CONTEXT"] = {
        "render_as_batch": True,
        "compare_server_default": True,
        "include_name": _is_compared,
    }
    db.init_app(app)
    _leave_out_async(app)
    alembic.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            _harden_sqlite(db.engine)


def _leave_out_async(app: Flask) -> None:
    """Take out the library's end of asynchronous sessions: we have none, and it starts a thread a request."""
    ends = app.teardown_appcontext_funcs
    ends[:] = [end for end in ends if not inspect.iscoroutinefunction(end)]


def upgrade(app: Flask) -> None:
    """Bring the database to the newest migration; makes the folder of an SQLite file.

    Idempotent; called by `serve` and by the tests, never at import or by the factory.
    """
    with app.app_context():
        database = db.engine.url.database
        if db.engine.dialect.name == "sqlite" and database and database != ":memory:":
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        with migrating():
            alembic.upgrade()
    with app.app_context():
        _check_references()


@contextmanager
def migrating() -> Iterator[None]:
    """Let migrations rebuild tables; needs an application context.

    SQLite changes a column by making the table anew and dropping the old one, and dropping a table
    others point at deletes, by their `ON DELETE CASCADE`, what points at it.
    So the references are not enforced meanwhile; `upgrade` checks them whole afterwards.
    """
    if db.engine.dialect.name != "sqlite":
        yield
        return
    token = _unenforced.set(True)
    try:
        yield
    finally:
        _unenforced.reset(token)


def _check_references() -> None:
    """Raise `sqlite3.IntegrityError` when a row of an SQLite file points at nothing."""
    if db.engine.dialect.name != "sqlite":
        return
    with reading() as session:
        broken = session.execute(sa.text("PRAGMA foreign_key_check")).all()
    if broken:
        raise sqlite3.IntegrityError(f"{len(broken)} rows point at nothing, the first in {broken[0][0]}")


def _is_compared(name: str | None, kind: str, _parents: object) -> bool:
    """Whether Alembic compares it: partitions are made as the months come, and no model names them."""
    return kind != "table" or not (name or "").startswith(("fix_history_", "vital_history_"))


@contextmanager
def writing() -> Iterator[Session]:
    """A session of its own with the write lock from the start; commits at the end, rolls back on error.

    Needs an application context.
    """
    with db.sessionmaker() as session:
        session.connection(execution_options={READ_ONLY: False})
        yield session
        session.commit()


@contextmanager
def reading() -> Iterator[Session]:
    """A session of its own that only reads, and holds nobody up however long it takes; rolls back at the end.

    Needs an application context.
    """
    with db.sessionmaker() as session:
        session.connection(execution_options={READ_ONLY: True})
        yield session


def nudge(session: Session) -> None:
    """Ring every process of the portal when this transaction commits, where the store can (PostgreSQL)."""
    if session.connection().dialect.name == "postgresql":
        session.execute(sa.text(f"NOTIFY {CHANNEL}"))


def _harden_sqlite(engine: sa.Engine) -> None:
    """WAL, full sync, foreign keys, patience; and BEGIN under our own control.

    The driver's own BEGIN comes late and deferred: a transaction that read first and writes later
    fails at once with SQLITE_BUSY_SNAPSHOT when somebody wrote in between, whatever the busy timeout.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "checkin")
    def _checkin(connection: Any, record: Any) -> None:
        if connection is not None and record.info.pop(UNENFORCED, False):
            connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if _unenforced.get():
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.info[UNENFORCED] = True
        connection.exec_driver_sql("BEGIN" if _only_reads(connection) else "BEGIN IMMEDIATE")


def _only_reads(connection: sa.Connection) -> bool:
    said = connection.get_execution_options().get(READ_ONLY)
    if said is not None:
        return bool(said)
    return has_request_context() and request.method in READING_METHODS
