"""Brings the tables of a SQLite file up to date; one migration a change, each in its own transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def bring_up_to_date(
    connection: sqlite3.Connection, name: str, steps: Sequence[Callable[[Database], None]]
) -> None:
    """Apply those of `steps` this file has not had yet, each with its record in one transaction.

    sqlite-utils keeps the record, under `name`, and does the work, but it is imported only when there is
    work: it imports pandas where that is installed, which would cost every start half a second.
    """
    known = connection.execute("select 1 from sqlite_master where name = '_sqlite_migrations'").fetchone()
    applied = connection.execute("select name from _sqlite_migrations").fetchall() if known else []
    if {step for (step,) in applied} >= {step.__name__ for step in steps}:
        return
    from sqlite_utils import Database  # noqa: PLC0415 (see above)
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415 (see above)

    migrations = Migrations(name)
    for step in steps:
        migrations()(step)
    migrations.apply(Database(connection))
