"""What is over its time is deleted, on both engines; what is not, and what was called for help, stays."""

from __future__ import annotations

import argparse
import threading
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from portal import retention, retention_desk
from portal.care.lost.models import LostSearch, ShareLink, Sighting
from portal.care.models import (
    AlarmRecord,
    AuditEntry,
    Command,
    Consent,
    FixHistory,
    Incident,
    VitalHistory,
    Wearer,
)
from portal.db import db
from portal.people.account_models import SignIn
from portal.people.join_models import Invitation
from portal.people.models import Organisation, User


@pytest.fixture
def swept(store_app, store_gateway, samples):
    """A portal that has heard of its wearers, and a sweep at the sample's time."""
    store_gateway.send(samples.ROSTER, samples.at_home())

    def sweep(**days: int) -> dict[str, int]:
        settings = msgspec.structs.replace(store_app.config["PORTAL"], **days)
        with store_app.app_context():
            foreseen = retention.count(settings, samples.NOW)
            gone = retention.sweep(settings, samples.NOW)
        assert foreseen == gone
        return {name: number for name, number in gone.items() if number}

    return sweep


def fix(at, wearer: int = 1) -> FixHistory:
    ms = round(at.timestamp() * 1000)
    return FixHistory(
        wearer_id=wearer, at_ms=ms, received_ms=ms, lat=31.0, lon=121.0, valid=True, backlog=False
    )


def pulse(at, wearer: int = 1) -> VitalHistory:
    ms = round(at.timestamp() * 1000)
    return VitalHistory(
        wearer_id=wearer, kind="heart_rate", at_ms=ms, received_ms=ms, value=70.0, backlog=False
    )


def add(app, *rows) -> None:
    with app.app_context():
        db.session.add_all(rows)
        db.session.commit()


def rows(app, model) -> int:
    with app.app_context():
        return db.session.scalar(sa.select(sa.func.count()).select_from(model))


def test_telemetry_goes_after_its_days_and_not_one_day_before(store_app, swept, samples):
    before = rows(store_app, FixHistory)
    old = (fix(samples.NOW - timedelta(days=days)) for days in (900, 200, 181))
    young = (fix(samples.NOW - timedelta(days=179)), pulse(samples.NOW - timedelta(days=179)))
    add(store_app, *old, *young, pulse(samples.NOW - timedelta(days=400)))
    assert swept() == {"telemetry": 4}
    assert rows(store_app, FixHistory) == before + 1
    assert swept() == {}
    assert swept(telemetry_days=30) == {"telemetry": 2}


def test_the_newest_place_of_a_band_long_silent_goes_as_well(store_app, swept, samples):
    with store_app.app_context():
        wearer = db.session.get(Wearer, 1)
        wearer.state.fix_at = samples.NOW - timedelta(days=181)
        db.session.commit()
    assert swept() == {"newest": 1}
    with store_app.app_context():
        state = db.session.get(Wearer, 1).state
        assert (state.fix_at, state.lat, state.lon) == (None, None, None)
        assert state.heart_rate_bpm is not None


@pytest.mark.parametrize(("days", "gone"), [(29, False), (31, True)])
def test_what_nobody_may_see_since_long_goes_and_what_somebody_may_see_stays(
    store_app, swept, samples, days, gone
):
    with store_app.app_context():
        ended = samples.NOW - timedelta(days=days)
        location = sa.update(Consent).where(Consent.wearer_id == 1, Consent.data == "location")
        db.session.execute(location.values(withdrawn_at=ended, granted_at=ended))
        one = sa.update(Consent).where(
            Consent.wearer_id == 1, Consent.data == "health", Consent.audience == "staff"
        )
        db.session.execute(one.values(withdrawn_at=ended, granted_at=ended))
        db.session.commit()
    kept = rows(store_app, VitalHistory)
    assert swept() == ({"withdrawn": 1} if gone else {})
    assert rows(store_app, VitalHistory) == kept
    with store_app.app_context():
        assert (db.session.get(Wearer, 1).state.lat is None) is gone


def search(app, samples, ended) -> int:
    made = LostSearch(
        wearer_id=1, started_at=samples.NOW - timedelta(days=60), started_by="周敏", called="张奶奶"
    )
    made.description, made.phone, made.interval_s = "蓝外套", "+8613800138090", 600
    made.ended_at, made.open_for = ended, None if ended else 1
    add(app, made)
    until = samples.NOW + timedelta(days=1) if ended is None else ended
    link = ShareLink(search_id=made.id, wearer_id=1, token_hash=f"{made.id}", seed="s", purpose="邻居")
    link.made_by, link.made_at, link.until = "周敏", samples.NOW - timedelta(days=60), until
    seen = Sighting(search_id=made.id, said_at=samples.NOW, seen_at=samples.NOW, words="桥边", phone="1")
    add(app, link, seen)
    return made.id


def test_a_search_long_over_keeps_that_it_was_and_nothing_of_who_helped(store_app, swept, samples):
    over = search(store_app, samples, samples.NOW - timedelta(days=31))
    search(store_app, samples, None)
    search(store_app, samples, samples.NOW - timedelta(days=29))
    assert swept() == {"descriptions": 1, "sightings": 1, "share_links": 1}
    assert (rows(store_app, LostSearch), rows(store_app, Sighting), rows(store_app, ShareLink)) == (3, 2, 2)
    with store_app.app_context():
        row = db.session.get(LostSearch, over)
        assert (row.description, row.phone, row.called) == ("", "", "张奶奶")


def test_ended_sign_ins_invitations_and_sent_texts_go_and_those_in_use_stay(store_app, swept, samples):
    with store_app.app_context():
        user = db.session.scalar(sa.select(User.id).limit(1))
        place = db.session.scalar(sa.select(Organisation.id).limit(1))
    old, young = samples.NOW - timedelta(days=91), samples.NOW - timedelta(days=29)

    def sign_in(name, at, ended):
        return SignIn(digest=name, user_id=user, way="sms", started_at=at, seen_at=at, ended_at=ended)

    def invitation(name, until):
        return Invitation(
            kind="building",
            organisation_id=place,
            nonce=name,
            digest=name,
            made_at=old,
            until=until,
            uses_left=1,
        )

    def text(number, state, ended):
        made = Command(gateway="gw-1", number=number, command=f"text-{number}", name="send_text", body="{}")
        made.state, made.created_at, made.ended_at = state, old, ended
        return made

    add(store_app, sign_in("a", old, old), sign_in("b", old, young), sign_in("c", young, None))
    add(store_app, invitation("a", old), invitation("b", young), invitation("c", samples.NOW))
    add(store_app, text(901, "done", old), text(902, "done", young), text(903, "queued", None))
    assert swept() == {"sign_ins": 1, "invitations": 1, "texts": 1}


def test_alarms_incidents_and_the_record_stay_and_each_sweep_is_one_entry(store_app, swept, samples):
    before = [rows(store_app, model) for model in (AlarmRecord, Incident)]
    entries = rows(store_app, AuditEntry)
    add(store_app, fix(samples.NOW - timedelta(days=900)))
    swept(telemetry_days=1, withdrawn_days=1)
    assert [rows(store_app, model) for model in (AlarmRecord, Incident)] == before
    assert rows(store_app, AuditEntry) == entries + 1
    with store_app.app_context():
        last = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq.desc())).first()
        assert (last.actor, last.action) == ("portal", "retention")
        assert "telemetry 1" in last.detail
        assert not retention.due(samples.NOW + timedelta(hours=23))
        assert retention.due(samples.NOW + timedelta(hours=25))


def test_the_command_counts_without_deleting_and_then_deletes(store_app, swept, samples, capsys):
    del swept
    add(store_app, fix(samples.NOW - timedelta(days=3_000)))
    settings = store_app.config["PORTAL"]

    def ask(*, dry: bool) -> str:
        options = argparse.Namespace(config=None, dry_run=dry)
        assert retention_desk.run(options, lambda _config: settings) == 0
        return capsys.readouterr().out

    assert "telemetry 1\n" in ask(dry=True)
    assert "telemetry 1\n" in ask(dry=True)
    assert "telemetry 1\n" in ask(dry=False)
    assert "telemetry 0\n" in ask(dry=True)
    assert retention_desk.run(argparse.Namespace(config=None, dry_run=True), lambda _config: None) == 2


def test_the_thread_sweeps_at_its_start_and_ends_when_told(store_app, swept, samples):
    del swept
    add(store_app, fix(samples.NOW - timedelta(days=900)))
    entries = rows(store_app, AuditEntry)

    class Once(threading.Event):
        def wait(self, _timeout=None):
            self.set()
            return True

    retention.keep_swept(store_app, Once())
    retention.keep_swept(store_app, Once())
    assert rows(store_app, AuditEntry) == entries + 2, "one sweep and one look at whether the record is whole"
