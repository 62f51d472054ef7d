"""What a look is for: the family is not asked, others say it in one tap, an emergency says it for them."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from gateway.model import HeartRate
from portal.care.models import AuditEntry, Wearer
from portal.db import db, writing
from portal.people import identity
from portal.people.models import Resident

ROOT = "/care/wearers/1"
KEY = "secret-key-for-tests-only-0123456789"
NUMBER = "990101194303150027"


@pytest.fixture
def told(gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home())
    return gateway


def looks(app) -> list[tuple[str, str]]:
    with app.app_context():
        query = sa.select(AuditEntry.action, AuditEntry.detail).order_by(AuditEntry.seq)
        return [tuple(row) for row in db.session.execute(query)]


def choose(browser, why: str, onward: str = f"{ROOT}/vitals"):
    return browser.post(f"{ROOT}/why", token=browser.token("/me/"), why=why, next=onward)


@pytest.mark.parametrize("role", ["staff", "grid_worker", "admin"])
def test_who_is_not_of_the_family_says_why_before_vital_signs_and_it_is_recorded(app, told, people, role):
    asked = people[role].get(f"{ROOT}/vitals")
    assert "为什么查看张桂兰的身体情况" in asked.text
    assert "心率" not in asked.text
    assert looks(app) == []
    answer = choose(people[role], "doctor")
    assert (answer.status_code, answer.location) == (303, f"{ROOT}/vitals")
    assert "76" in people[role].get(f"{ROOT}/vitals").text
    assert looks(app) == [("view_vitals", "doctor 2026-11-23 1 d")]


@pytest.mark.parametrize(
    "path", ["vitals.csv", "vitals.pdf", "vitals.fhir.json", "track.csv", "track.gpx", "track.kml"]
)
def test_no_file_leaves_before_it_is_said_what_for_and_none_unrecorded(app, told, people, path):
    refused = people["staff"].get(f"{ROOT}/{path}")
    assert (refused.status_code, refused.mimetype) == (428, "text/html")
    assert "为什么查看张桂兰" in refused.text
    assert looks(app) == []
    choose(people["staff"], "report", f"{ROOT}/{path}")
    with people["staff"].get(f"{ROOT}/{path}") as sent:
        assert sent.status_code == 200
        assert "attachment" in sent.headers["Content-Disposition"]
    ((action, detail),) = looks(app)
    assert action.startswith("export_")
    assert detail.startswith("report ")


def test_a_choice_holds_for_ten_minutes_and_for_one_wearer(app, told, people, samples):
    staff = people["staff"]
    choose(staff, "watch")
    assert "为什么查看" in staff.get("/care/wearers/2/vitals").text
    app.config["NOW"] = lambda: samples.NOW + timedelta(minutes=9, seconds=59)
    assert "为什么查看" not in staff.get(f"{ROOT}/vitals").text
    app.config["NOW"] = lambda: samples.NOW + timedelta(minutes=10)
    assert "为什么查看" in staff.get(f"{ROOT}/vitals").text


def test_a_cookie_keeps_the_newest_choices_only(app, told, people):
    with app.app_context(), writing() as session:
        first = session.get_one(Wearer, 1)
        for n in range(40):
            session.add(
                Wearer(
                    code=f"w{n}", gateway=first.gateway, community="xinhe", name=f"居民{n}", position=n + 5
                )
            )
    staff = people["staff"]
    token = staff.token("/me/")
    for wearer in range(1, 41):
        staff.post(f"/care/wearers/{wearer}/why", token=token, why="watch", next="/care/")
    with staff.client.session_transaction() as session:
        assert len(session["why"]) == 20
        assert "40" in session["why"]


def test_the_page_of_a_wearer_shows_no_numbers_before_and_tells_them_after(app, told, people):
    staff = people["staff"]
    page = staff.get(f"{ROOT}/").text
    assert "为什么查看张桂兰的身体情况" in page
    assert "132/84" not in page
    assert "还没有健康的授权" not in page
    assert looks(app) == []
    choose(staff, "watch", f"{ROOT}/")
    page = staff.get(f"{ROOT}/").text
    assert "132/84" in page
    assert "为什么查看" not in page
    assert looks(app) == [("view_vitals", "watch")]


def test_the_family_is_not_asked_and_their_purpose_is_care(app, told, people):
    assert "为什么查看" not in people["guardian"].get(f"{ROOT}/vitals?why=doctor").text
    assert looks(app) == [("view_vitals", "care 2026-11-23 1 d")]


def test_an_open_emergency_is_the_purpose_and_asks_nobody(app, told, people, samples):
    told.send(samples.incident())
    assert "76" in people["staff"].get(f"{ROOT}/vitals?why=doctor").text
    assert people["staff"].get(f"{ROOT}/track").status_code == 200
    assert [detail.split(" ")[0] for _, detail in looks(app)] == ["emergency", "emergency"]


def test_a_drill_is_no_emergency_and_who_looks_is_asked(told, people, samples):
    told.send(samples.incident(drill=True))
    assert "为什么查看" in people["staff"].get(f"{ROOT}/vitals").text


def test_a_purpose_nobody_offered_is_refused_and_one_leads_nowhere_else(told, people):
    staff = people["staff"]
    for why in ("", "care", "own", "curiosity"):
        assert choose(staff, why).status_code == 400
        assert "为什么查看" in staff.get(f"{ROOT}/vitals?why={why}").text
    assert choose(staff, "watch", "https://elsewhere.example/").location == f"{ROOT}/"
    assert choose(people["resident"], "watch").status_code == 404
    assert (
        people["guardian"].post("/care/wearers/2/why", token=people["guardian"].token("/me/")).status_code
        == 404
    )


def test_a_program_says_why_in_the_address_or_sees_no_vital_signs(app, told, people):
    address = "/api/care/v1/wearers/1"
    assert people["staff"].get(address).json["vitals"] == []
    assert looks(app) == []
    found = people["staff"].get(f"{address}?why=watch").json["vitals"]
    assert {one["name"] for one in found} >= {"heart_rate_bpm", "systolic_mmhg"}
    assert looks(app) == [("view_vitals", "watch")]
    assert people["guardian"].get(address).json["vitals"] == found


def test_what_staff_said_is_read_by_the_family_and_by_the_wearer(told, people):
    choose(people["staff"], "doctor")
    people["staff"].get(f"{ROOT}/vitals")
    for role, path in (("guardian", f"{ROOT}/consents"), ("wearer", "/care/mine")):
        page = people[role].get(path).text
        assert "看了身体情况" in page, role
        assert "为了给医生看" in page, role


def test_the_rules_of_who_looks_are_the_same_on_both_engines(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, samples.telemetry(HeartRate(heart_rate_bpm=81)))
    staff = samples.Browser(store_app).sign_in(samples.PHONES["staff"])
    choose(staff, "alarm")
    assert "81" in staff.get(f"{ROOT}/vitals").text
    assert looks(store_app) == [("view_vitals", "alarm 2026-11-23 1 d")]


# ---------------------------------------------------------------- identity numbers


@pytest.fixture
def numbered(app, told) -> str:
    """The page of 张桂兰 in the register, with an identity number."""
    with app.app_context(), writing() as session:
        found = session.get_one(Resident, session.get_one(Wearer, 1).resident_id)
        found.id_number_sealed = identity.seal(NUMBER, secret_key=KEY)
        return f"/register/{found.id}"


def test_who_opened_her_identity_number_and_what_for_is_read_by_her_and_her_family(told, people, numbered):
    staff = people["staff"]
    assert NUMBER not in staff.get(f"{numbered}/").text
    shown = staff.post(f"{numbered}/identity", token=staff.token("/me/"), purpose="service")
    assert NUMBER in shown.text
    for role, path in (("guardian", f"{ROOT}/consents"), ("wearer", "/care/mine")):
        page = people[role].get(path).text
        assert "看了身份证号" in page, role
        assert "为了替本人办事" in page, role


def test_while_she_calls_for_help_her_number_asks_no_purpose_and_that_is_recorded(
    app, told, people, numbered, samples
):
    told.send(samples.incident())
    staff = people["staff"]
    assert "用途记为紧急救助" in staff.get(f"{numbered}/").text
    assert NUMBER in staff.post(f"{numbered}/identity", token=staff.token("/me/")).text
    assert looks(app)[-1] == ("view_id_number", "emergency")
