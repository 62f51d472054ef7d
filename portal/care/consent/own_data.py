"""What is kept of one wearer as a ZIP of JSON and CSV (PIPL art. 45: to look up, copy, take along)."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.care.consent.who_looked import looks_at
from portal.care.models import AlarmRecord, Consent, FixHistory, Guardianship, VitalHistory, Wearer
from portal.people.models import User
from portal.sheets import csv_chunks

MOST_ROWS = 500_000
"""Of one table, the newest; a band that reports every minute for half a year makes half as many."""
SPOOL_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
FIXES = ("at", "received_at", "lat", "lon", "accuracy_m", "speed_m_s", "source", "valid", "backlog")
VITALS = ("at", "received_at", "kind", "value", "second", "backlog")
ALARMS = ("at", "kind", "severity", "lat", "lon", "late", "drill")


def packed(session: Session, wearer: Wearer, user: User | None, at: datetime) -> IO[bytes]:
    """The archive, ready to be read from its beginning; the caller closes it."""
    file = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  # whoever sends it closes it
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        about = msgspec.json.encode(_about(session, wearer, user, at))
        archive.writestr("data.json", msgspec.json.format(about))
        for name, heads, rows in (
            ("fixes.csv", FIXES, _history(session, FixHistory, wearer, FIXES)),
            ("vitals.csv", VITALS, _history(session, VitalHistory, wearer, VITALS)),
            ("alarms.csv", ALARMS, _alarms(session, wearer)),
        ):
            with archive.open(name, "w") as table:
                for chunk in csv_chunks(_with_heads(heads, rows)):
                    table.write(chunk)
    file.seek(0)
    return file


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The archive piece by piece; it is closed at the end, also when nobody reads on."""
    with file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _about(session: Session, wearer: Wearer, user: User | None, at: datetime) -> dict[str, Any]:
    consents = session.scalars(sa.select(Consent).where(Consent.wearer_id == wearer.id).order_by(Consent.id))
    guards = session.scalars(sa.select(Guardianship).where(Guardianship.wearer_id == wearer.id))
    return {
        "made_at": at,
        "wearer": _columns(wearer, ("name", "birth_year", "home", "community")),
        "newest": {} if wearer.state is None else _columns(wearer.state, None),
        "account": None if user is None else _columns(user, ("name", "phone", "made_at")),
        "contacts": [_columns(row, ("name", "phone", "relation", "role")) for row in wearer.contacts],
        "consents": [
            _columns(row, ("data", "audience", "basis", "given_by", "granted_at", "until", "withdrawn_at"))
            for row in consents
        ],
        "guardianships": [
            {"name": row.user.name}
            | _columns(row, ("relation", "basis", "state", "decides", "claimed_at", "judged_at", "until"))
            for row in guards
        ],
        "looks": [
            {"who": look.who, "what": look.words, "purpose": look.purpose, "at": look.at}
            for look in looks_at(session, wearer, at)
        ],
        "most_rows_a_table": MOST_ROWS,
    }


def _columns(row: Any, names: Sequence[str] | None) -> dict[str, Any]:
    if names is None:
        names = [one.key for one in sa.inspect(row).mapper.column_attrs if one.key != "wearer_id"]
    return {name: getattr(row, name) for name in names}


def _with_heads(heads: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[Sequence[object]]:
    yield heads
    yield from rows


def _history(
    session: Session, table: type[FixHistory | VitalHistory], wearer: Wearer, names: Sequence[str]
) -> Iterator[Sequence[object]]:
    query = sa.select(table.at_ms, table.received_ms, *(getattr(table, name) for name in names[2:]))
    query = query.where(table.wearer_id == wearer.id).order_by(table.at_ms.desc()).limit(MOST_ROWS)
    for row in session.execute(query.execution_options(yield_per=1_000)):
        yield (_utc(row[0]), _utc(row[1]), *row[2:])


def _alarms(session: Session, wearer: Wearer) -> Iterator[Sequence[object]]:
    query = sa.select(AlarmRecord).where(AlarmRecord.wearer_id == wearer.id).order_by(AlarmRecord.at.desc())
    for row in session.scalars(query.limit(MOST_ROWS)):
        yield (row.at.isoformat(), *(getattr(row, name) for name in ALARMS[1:]))


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
