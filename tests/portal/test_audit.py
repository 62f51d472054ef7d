"""The audit record: only ever appended to, and whatever is done to it all the same is found."""

from __future__ import annotations

from itertools import pairwise

import pytest
import sqlalchemy as sa

from portal import audit
from portal.care.models import AuditAnchor, AuditEntry
from portal.db import reading, writing

TRIGGERS = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS audit_entry_no_update",
        "DROP TRIGGER IF EXISTS audit_entry_no_delete",
    ),
    "postgresql": ("ALTER TABLE audit_entry DISABLE TRIGGER ALL",),
}


@pytest.fixture
def recorded(store_app, samples):
    """A record of five entries, inside an application context."""
    with store_app.app_context():
        for number in range(1, 6):
            add(samples, number)
        yield store_app.config["PORTAL"].secret_key


def add(samples, number: int) -> None:
    with writing() as session:
        audit.record(session, at=samples.NOW, actor="user:1", action="view", subject=f"wearer:{number}")


def tamper(*statements) -> None:
    """What somebody with the database can do: switch the triggers off, then anything."""
    with writing() as session:
        for statement in TRIGGERS[session.connection().dialect.name]:
            session.execute(sa.text(statement))
        for statement in statements:
            session.execute(statement)


def remove(*numbers: int):
    return sa.delete(AuditEntry).where(AuditEntry.seq.in_(numbers))


def found(key: str, told: str = "") -> tuple[int | None, str] | None:
    with reading() as session:
        broken = audit.verify(session, key=key, told=told)
    return None if broken is None else (broken.seq, broken.reason)


def first_broken() -> int | None:
    with reading() as session:
        return audit.broken_at(session)


def test_a_record_as_it_was_written_is_whole(recorded):
    assert found(recorded) is None
    assert first_broken() is None


@pytest.mark.parametrize(
    "statement", [sa.update(AuditEntry).values(subject="wearer:9"), sa.delete(AuditEntry)]
)
def test_the_database_refuses_to_change_and_to_delete(recorded, statement):
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), writing() as session:
        session.execute(statement)
    assert found(recorded) is None


def test_a_changed_entry_is_named(recorded):
    tamper(sa.update(AuditEntry).where(AuditEntry.seq == 3).values(subject="wearer:9"))
    assert found(recorded) == (3, "changed")
    assert first_broken() == 3


def test_a_removed_entry_is_missed_at_the_one_after_it(recorded):
    tamper(remove(3))
    assert found(recorded) == (4, "missing")


def test_an_end_that_was_cut_off_is_missed_even_after_more_was_written(recorded, samples):
    tamper(remove(4, 5))
    assert found(recorded) == (5, "cut")
    add(samples, 6)
    assert found(recorded) == (5, "cut")


def test_seals_made_to_fit_again_do_not_fit_the_anchor(recorded):
    with reading() as session:
        rows = list(session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq)))
    rows[2].subject = "wearer:9"
    for before, row in pairwise(rows[1:]):
        row.previous = before.seal
        row.seal = audit.seal_of(row)
    fitted = [
        sa.update(AuditEntry)
        .where(AuditEntry.seq == row.seq)
        .values(subject=row.subject, previous=row.previous, seal=row.seal)
        for row in rows[2:]
    ]
    tamper(*fitted)
    assert first_broken() is None
    assert found(recorded) == (5, "cut")


def test_an_anchor_made_without_the_key_or_taken_away_is_told(recorded, samples):
    tamper(sa.update(AuditAnchor).values(entries=4))
    assert found(recorded) == (5, "anchor")
    tamper(sa.delete(AuditAnchor))
    add(samples, 6)
    assert found(recorded) == (6, "anchor")


def test_a_record_put_back_as_it_once_was_does_not_hold_what_was_told_elsewhere(recorded, samples):
    with reading() as session:
        old = session.execute(sa.select(AuditAnchor.__table__)).one()._asdict()
    for number in (6, 7):
        add(samples, number)
    with reading() as session:
        line = audit.anchor_line(session)
    assert found(recorded, line) is None
    tamper(remove(6, 7), sa.update(AuditAnchor).values(old))
    assert found(recorded) is None
    assert found(recorded, line) == (7, "rolled_back")
