"""The history by month: made ahead, nothing refused, nothing lost by the move, old months dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from portal.care.models import FixHistory, VitalHistory
from portal.care.partitions import drop_older, make_months, months
from portal.db import alembic, db

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def fix(at: datetime, wearer: int = 1) -> FixHistory:
    ms = round(at.timestamp() * 1000)
    return FixHistory(
        wearer_id=wearer, at_ms=ms, received_ms=ms, lat=31.0, lon=121.0, valid=True, backlog=False
    )


def pulse(at: datetime) -> VitalHistory:
    ms = round(at.timestamp() * 1000)
    return VitalHistory(wearer_id=1, kind="heart_rate", at_ms=ms, received_ms=ms, value=70.0, backlog=False)


def count(model) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(model))


@pytest.fixture
def postgres(store_app):
    with store_app.app_context():
        if db.engine.dialect.name != "postgresql":
            pytest.skip("SQLite has no partitions")
        yield store_app


def test_what_is_too_old_goes_and_what_is_not_stays(store_app):
    with store_app.app_context():
        make_months(db.session, NOW - timedelta(days=100), ahead=4)
        old = [fix(NOW - timedelta(days=days)) for days in (1_000, 100, 60, 31)]
        db.session.add_all([*old, pulse(NOW - timedelta(days=90))])
        db.session.add_all([fix(NOW - timedelta(days=29)), pulse(NOW)])
        db.session.commit()
        assert drop_older(db.session, NOW - timedelta(days=30)) == 5
        db.session.commit()
        assert (count(FixHistory), count(VitalHistory)) == (1, 1)
        assert drop_older(db.session, NOW - timedelta(days=30)) == 0


def test_months_are_made_once_and_whole_months_are_dropped(postgres):
    assert make_months(db.session, NOW, ahead=1) == [
        "fix_history_2026_11",
        "vital_history_2026_11",
        "fix_history_2026_12",
        "vital_history_2026_12",
    ]
    assert make_months(db.session, NOW, ahead=1) == []
    db.session.add_all([fix(NOW), pulse(NOW)])
    db.session.flush()
    assert db.session.scalar(sa.text("SELECT count(*) FROM fix_history_2026_11")) == 1
    assert drop_older(db.session, datetime(2026, 12, 1, tzinfo=UTC)) == 2
    assert months(db.session) == ["fix_history_2026_12", "vital_history_2026_12"]


def test_what_came_before_its_month_was_made_is_moved_into_it(postgres):
    db.session.add(fix(NOW + timedelta(days=9)))
    db.session.commit()
    make_months(db.session, NOW)
    db.session.commit()
    assert db.session.scalar(sa.text("SELECT count(*) FROM fix_history_rest")) == 0
    assert db.session.scalar(sa.text("SELECT count(*) FROM fix_history_2026_12")) == 1
    assert count(FixHistory) == 1


def test_rows_and_their_numbers_outlive_the_move_in_both_directions(postgres):
    db.session.add_all([fix(NOW), fix(NOW - timedelta(days=400))])
    db.session.commit()
    make_months(db.session, NOW)
    db.session.commit()
    for target in ("v0011", "heads"):
        db.session.close()
        if target == "heads":
            alembic.upgrade()
        else:
            alembic.downgrade(target)
        assert count(FixHistory) == 2
        db.session.add(fix(NOW))
        db.session.flush()
        assert db.session.scalar(sa.select(sa.func.max(FixHistory.id))) == 3
        db.session.rollback()
        db.session.close()
        with db.engine.begin() as connection:
            connection.execute(sa.text("SELECT setval('fix_history_id_seq', 2)"))
