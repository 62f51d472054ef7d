"""What is kept of a wearer: taken along as a file, deleted on request, by who decides and nobody else."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import sqlalchemy as sa

from portal.care.consent import own_data
from portal.care.models import AlarmRecord, AuditEntry, FixHistory, VitalHistory, Wearer
from portal.db import db, reading

ROOT = "/care/wearers/1/kept"


@pytest.fixture
def told(gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home())
    return gateway


def last_entry(app) -> AuditEntry:
    with app.app_context():
        return db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq.desc())).first()


def kept(app) -> tuple[int, int]:
    with app.app_context():
        fixes = db.session.scalar(sa.select(sa.func.count()).select_from(FixHistory))
        return fixes, db.session.scalar(sa.select(sa.func.count()).select_from(VitalHistory))


def test_a_wearer_takes_everything_along_and_it_is_on_record(app, told, people):
    wearer = people["wearer"]
    assert "下载全部资料" in wearer.get(ROOT).text
    answer = wearer.post(f"{ROOT}.zip")
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.namelist() == ["data.json", "fixes.csv", "vitals.csv", "alarms.csv"]
    assert archive.testzip() is None
    about = json.loads(archive.read("data.json"))
    assert about["wearer"]["name"] == "张桂兰"
    assert len(about["consents"]) == 4
    assert about["looks"][0]["what"] == "下载了全部资料"
    fixes = archive.read("fixes.csv").decode("utf-8-sig").splitlines()
    assert fixes[0] == "at,received_at,lat,lon,accuracy_m,speed_m_s,source,valid,backlog"
    assert len(fixes) == 1 + kept(app)[0] == 2
    assert "31.1559" in fixes[1]
    entry = last_entry(app)
    assert (entry.action, entry.subject, entry.detail) == ("export_data", "wearer:1", "own")


@pytest.mark.parametrize("role", ["guardian", "grid_worker", "admin", "resident", "staff"])
def test_nobody_else_takes_it_along(app, told, people, role):
    assert people[role].post(f"{ROOT}.zip").status_code == 404


def test_a_stranger_to_the_decision_deletes_nothing(app, told, people):
    before = kept(app)
    for role in ("guardian", "grid_worker", "admin", "resident"):
        assert people[role].post(f"{ROOT}/erase", sure="yes", reason="x").status_code == 404
    assert kept(app) == before


def test_deleting_is_asked_for_twice_and_leaves_what_was_called_for_help(app, told, people):
    wearer, before = people["wearer"], kept(app)
    assert wearer.post(f"{ROOT}/erase").status_code == 422
    assert kept(app) == before
    with app.app_context():
        alarms = db.session.scalar(sa.select(sa.func.count()).select_from(AlarmRecord))
    assert wearer.post(f"{ROOT}/erase", sure="yes").status_code == 302
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(AlarmRecord)) == alarms
        body = VitalHistory.kind.in_(("heart_rate", "blood_pressure", "spo2", "body_temp", "steps"))
        assert db.session.scalar(sa.select(sa.func.count()).where(body)) == 0
        assert db.session.get(Wearer, 1).state.lat is None
    assert kept(app)[0] == 0
    entry = last_entry(app)
    assert (entry.action, entry.detail.startswith("own location 1 health ")) == ("erase_data", True)


def test_staff_delete_only_with_a_reason_and_it_is_on_record(app, told, people):
    staff = people["staff"]
    assert "下载全部资料" not in staff.get(ROOT).text
    assert staff.post(f"{ROOT}/erase", sure="yes").status_code == 422
    typed = staff.post(f"{ROOT}/erase", reason="本人来居委会要求")
    assert typed.status_code == 422
    assert "本人来居委会要求" in typed.text
    assert staff.post(f"{ROOT}/erase", sure="yes", reason="本人来居委会要求").status_code == 302
    assert last_entry(app).detail.endswith("本人来居委会要求")


def test_the_archive_is_made_on_both_engines(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, samples.at_home())
    with store_app.test_request_context(), reading() as session:
        file = own_data.packed(session, session.get_one(Wearer, 1), None, samples.NOW)
        archive = zipfile.ZipFile(io.BytesIO(b"".join(own_data.chunks(file))))
        assert len(archive.read("fixes.csv").decode().splitlines()) == 2
        assert json.loads(archive.read("data.json"))["account"] is None
