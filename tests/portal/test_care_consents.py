"""Consents: given one by one by who may, withdrawn at once by who may, and what follows from it."""

from __future__ import annotations

import http.client
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from rigs.neighbourhood import telemetry

from gateway.model import Fix, HeartRate
from portal.care.models import AuditEntry, Consent, FixHistory, Guardianship, VitalHistory, Wearer
from portal.db import db
from portal.people.models import User
from portal.policy import Data

ROOT = "/care/wearers/1/consents"
PLACE = "31.1559"


@pytest.fixture
def told(gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home())
    return gateway


def none_yet(app) -> None:
    with app.app_context():
        db.session.execute(sa.delete(Consent))
        db.session.commit()


def rows(app) -> list[tuple[str, str, str, bool]]:
    with app.app_context():
        found = db.session.scalars(sa.select(Consent).where(Consent.wearer_id == 1).order_by(Consent.id))
        return [(row.data, row.audience, row.basis, row.withdrawn_at is None) for row in found]


def decides(app, samples, phone: str) -> None:
    """The committee found that this account decides for 张桂兰."""
    with app.app_context():
        user = db.session.scalars(sa.select(User).where(User.phone == phone)).one()
        made = Guardianship(wearer_id=1, user_id=user.id, relation="女儿", basis="appointed", decides=True)
        made.state, made.claimed_at = "confirmed", samples.NOW
        db.session.add(made)
        db.session.commit()


def test_a_wearer_gives_one_consent_and_no_other_comes_with_it(app, told, people):
    none_yet(app)
    wearer = people["wearer"]
    page = wearer.get(f"{ROOT}/location/guardians").text
    assert "不同意会怎样" in page
    assert "checked" not in page
    assert wearer.post(f"{ROOT}/location/guardians", answer="yes", until="365").status_code == 302
    assert rows(app) == [("location", "guardians", "own", True)]
    told.send(told_fix())
    assert "31.1561" in people["guardian"].get("/care/markers.json").text
    assert "31.1561" not in people["staff"].get("/care/markers.json").text


def told_fix(pulse: float = 81):
    return telemetry(Fix(lat=31.1561, lon=121.1065, valid=True), HeartRate(heart_rate_bpm=pulse))


def test_saying_no_changes_nothing_and_a_form_left_open_keeps_what_was_typed(app, told, people):
    none_yet(app)
    wearer, staff = people["wearer"], people["staff"]
    assert wearer.post(f"{ROOT}/health/staff", answer="no", until="365").status_code == 302
    assert wearer.post(f"{ROOT}/health/staff", answer="yes").status_code == 422
    kept = staff.post(f"{ROOT}/health/staff", answer="yes", signed="张桂兰", signer="wearer")
    assert kept.status_code == 422
    assert 'value="张桂兰"' in kept.text
    assert rows(app) == []


def test_a_daughter_who_is_only_called_decides_nothing_and_one_who_decides_does(app, told, people, samples):
    none_yet(app)
    daughter = people["guardian"]
    fields = {"answer": "yes", "until": "open", "signer": "guardian28", "shown": "诊断证明 2026-11"}
    assert daughter.get(f"{ROOT}/location/guardians").status_code == 404
    assert daughter.post(f"{ROOT}/location/guardians", **fields).status_code == 404
    decides(app, samples, samples.PHONES["guardian"])
    assert daughter.post(f"{ROOT}/location/guardians", **fields).status_code == 302
    assert rows(app) == [("location", "guardians", "guardian", True)]
    with app.app_context():
        row = db.session.scalars(sa.select(Consent)).one()
        assert row.given_by.startswith("李晓梅 · 法定监护人")
        assert row.proof == "诊断证明 2026-11"


@pytest.mark.parametrize("role", ["grid_worker", "admin", "resident"])
def test_others_decide_nothing(app, told, people, role):
    assert people[role].post(f"{ROOT}/location/staff/withdraw").status_code == 404
    assert all(row[3] for row in rows(app))


def test_a_withdrawal_is_asked_once_hides_at_once_keeps_nothing_new_and_is_on_record(app, told, people):
    wearer, guardian = people["wearer"], people["guardian"]
    assert "求救和报警照常" in wearer.get(f"{ROOT}/location/all/withdraw").text
    assert PLACE in guardian.get("/care/markers.json").text
    assert wearer.post(f"{ROOT}/location/all/withdraw").status_code == 302
    assert PLACE not in guardian.get("/care/markers.json").text
    told.send(told_fix())
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(FixHistory)) == 1
        last = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.seq.desc())).first()
        assert (last.action, last.subject) == ("withdraw_consent", "wearer:1")
        assert last.detail.startswith("location all own")


def test_what_was_kept_goes_only_when_asked_and_only_when_nobody_may_see_it(app, told, people):
    wearer = people["wearer"]
    assert 'name="erase"' not in wearer.get(f"{ROOT}/location/staff/withdraw").text
    wearer.post(f"{ROOT}/location/staff/withdraw", erase="yes")
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(FixHistory)) == 1
    wearer.post(f"{ROOT}/location/guardians/withdraw", erase="yes")
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(FixHistory)) == 0
        state = db.session.get(Wearer, 1).state
        assert (state.lat, state.fix_at) == (None, None)
        assert state.heart_rate_bpm == 76
        assert db.session.scalar(sa.select(sa.func.count()).select_from(VitalHistory)) > 0


def test_a_consent_ends_by_itself_when_its_time_is_over(app, told, people, samples):
    none_yet(app)
    people["wearer"].post(f"{ROOT}/location/guardians", answer="yes", until="90")
    told.send(told_fix())
    assert "31.1561" in people["guardian"].get("/care/markers.json").text
    app.config["NOW"] = lambda: samples.NOW + timedelta(days=91)
    assert "31.1561" not in people["guardian"].get("/care/markers.json").text


def test_alarms_are_the_same_with_and_without(app, told, people, samples):
    people["wearer"].post(f"{ROOT}/location/all/withdraw")
    people["wearer"].post(f"{ROOT}/health/all/withdraw")
    told.send(samples.incident("notifying"))
    board = people["guardian"].get("/care/alarms/").text
    assert "按下求救" in board
    assert PLACE in people["guardian"].get("/care/markers.json").text


def test_a_wearer_sees_themself_who_may_see_them_and_who_looked(app, told, people):
    people["guardian"].get("/care/wearers/1/track?day=2026-11-23")
    page = people["wearer"].get("/care/mine").text
    for words in ("张桂兰，您好", "76", "132/84", "李晓梅", "周敏", "看了行踪", "家人照护", "全部收回"):
        assert words in page, words
    assert people["guardian"].get("/care/mine").status_code == 404


def test_who_looked_is_for_the_family_and_the_wearer(app, told, people):
    people["staff"].get("/care/wearers/1/track?day=2026-11-23&why=family")
    assert "家属请我们看" in people["guardian"].get(ROOT).text
    assert "看了行踪" not in people["grid_worker"].get(ROOT).text


def test_a_stream_that_is_open_ends_within_two_seconds_of_a_withdrawal(app, streams, told, people):
    guardian = people["guardian"]
    cookie = guardian.client.get_cookie("shouwang").value
    line = http.client.HTTPConnection("127.0.0.1", streams.settings.stream_port, timeout=10)
    line.request("GET", "/care/stream?after=0", headers={"Cookie": f"shouwang={cookie}"})
    answer = line.getresponse()
    assert answer.status == 200
    began = time.monotonic()
    people["wearer"].post(f"{ROOT}/location/all/withdraw")
    rest = answer.read()
    assert time.monotonic() - began < 2
    assert b"31.1561" not in rest
    line.close()


def test_nothing_is_consented_to_for_face_by_what_was_given_for_others(app, told, people):
    assert Data.FACE.value not in {row[0] for row in rows(app)}


def test_a_stream_that_is_open_ends_within_two_seconds_of_a_consent_being_over_its_time(
    app, streams, told, people, samples
):
    with app.app_context():
        ends = samples.NOW + timedelta(days=90)
        db.session.execute(sa.update(Consent).where(Consent.data == "location").values(until=ends))
        db.session.commit()
    guardian = people["guardian"]
    cookie = guardian.client.get_cookie("shouwang").value
    line = http.client.HTTPConnection("127.0.0.1", streams.settings.stream_port, timeout=10)
    line.request("GET", "/care/stream?after=0", headers={"Cookie": f"shouwang={cookie}"})
    answer = line.getresponse()
    assert answer.status == 200
    assert b"data:" in answer.read1()
    assert streams.call(lambda: streams.hub.viewers) == 1
    app.config["NOW"] = lambda: ends - timedelta(microseconds=1)
    assert not streams.call(lambda: any(streams.hub._is_over(one) for one in streams.hub._viewers))
    began = time.monotonic()
    app.config["NOW"] = lambda: ends
    assert b"event: roster" in answer.read()
    assert time.monotonic() - began < 2
    line.close()
