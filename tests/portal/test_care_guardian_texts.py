"""Guardians and texts: the family hears of a claim, who asked hears the answer, a guardian steps down."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
import sqlalchemy as sa

from gateway.telemetry import masked
from portal.care.models import AuditEntry, Contact, Guardianship, Wearer
from portal.db import db
from portal.people.models import User

ASKED = {
    "named": "张桂兰",
    "home": "3 号楼 2 单元 501",
    "relation": "侄女",
    "basis": "appointed",
    "decides": "yes",
    "proof": "指定监护人文书 2026-11",
}
CLAIM = "/care/guardians/claim"


@pytest.fixture
def told(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, samples.at_home())
    return store_gateway


@pytest.fixture
def people(store_app, samples):
    """A signed-in browser of each demonstration role, on either engine."""

    class People(dict):
        def __missing__(self, role: str):
            self[role] = samples.Browser(store_app).sign_in(samples.PHONES[role])
            return self[role]

    return People()


def texts(gateway) -> list[tuple[str, str]]:
    return [(one["phone"], one["text"]) for one in gateway.commands() if one["name"] == "send_text"]


def ask(people, **changed):
    resident = people["resident"]
    return resident.post(CLAIM, token=resident.token(CLAIM), **(ASKED | changed))


def judge(people, what: str, **fields):
    staff = people["staff"]
    return staff.post(f"/care/guardians/{what}", token=staff.token("/me/"), **fields)


def own_number(app) -> str:
    """The wearer's own number, who is family of themself."""
    with app.app_context():
        wearer = db.session.get_one(Wearer, 1)
        return wearer.resident.account.phone


def test_the_family_is_texted_once_about_a_claim_and_never_who_asked(store_app, told, people, samples):
    for _ in range(3):
        assert ask(people).status_code == 302
    assert ask(people, home="五百零一").status_code == 302
    sent = texts(told)
    assert {phone for phone, _ in sent} == {
        samples.SON.phone,
        samples.DAUGHTER.phone,
        own_number(store_app),
    }
    assert len(sent) == 3
    assert all("王秀英 申请做张桂兰的监护人" in words for _, words in sent)


def test_no_log_names_a_number_that_was_texted(told, people, caplog, samples):
    caplog.set_level(logging.DEBUG)
    ask(people)
    judge(people, "claims/1/confirm", wearer="1")
    assert len(texts(told)) == 7
    logged = masked(caplog.text)
    for phone in (samples.SON.phone, samples.DAUGHTER.phone, samples.PHONES["resident"]):
        assert phone.removeprefix("+86") not in logged


def test_an_english_reader_texts_the_family_in_chinese(told, people):
    people["resident"].post("/language", token=people["resident"].token("/me/"), language="en")
    ask(people)
    assert all("申请做张桂兰的监护人" in words for _, words in texts(told))


def test_a_claim_for_nobody_here_texts_nobody_and_answers_the_same(told, people):
    there, nowhere = ask(people), ask(people, named="没有这个人")
    assert (there.status_code, there.location) == (nowhere.status_code, nowhere.location)
    assert len(texts(told)) == 3


def test_who_asked_is_texted_the_answer_once_and_the_family_when_it_was_yes(told, people, samples):
    ask(people)
    before = len(texts(told))
    assert judge(people, "claims/1/confirm", wearer="1", decides="yes").status_code == 302
    assert judge(people, "claims/1/confirm", wearer="1", decides="yes").status_code == 404
    sent = texts(told)[before:]
    mine = [words for phone, words in sent if phone == samples.PHONES["resident"]]
    assert len(mine) == 1
    assert "居委会已确认您是张桂兰的监护人" in mine[0]
    assert len(sent) == 4
    assert sum("不对？请打居委会电话" in words for _, words in sent) == 3


def test_a_refusal_is_texted_without_its_reason_and_to_nobody_else(told, people, samples):
    ask(people)
    before = len(texts(told))
    judge(people, "claims/1/refuse", reason="材料看不清")
    ((phone, words),) = texts(told)[before:]
    assert phone == samples.PHONES["resident"]
    assert "没有通过" in words
    assert "材料看不清" not in words


def test_without_a_gateway_to_text_everything_else_happens(store_app, told, people, samples):
    store_app.config["NOW"] = lambda: samples.NOW + timedelta(minutes=30)
    assert ask(people).status_code == 302
    assert judge(people, "claims/1/confirm", wearer="1").status_code == 302
    assert texts(told) == []


# ---------------------------------------------------------------- stepping down


@pytest.fixture
def guardian(told, people):
    """王秀英 guards 张桂兰 and decides for her."""
    ask(people)
    judge(people, "claims/1/confirm", wearer="1", decides="yes")
    return people["resident"]


LEAVE = "/care/guardians/1/leave"


def test_a_guardian_steps_down_and_sees_nothing_from_then_on(store_app, told, people, guardian):
    assert guardian.get("/care/wearers/1/").status_code == 200
    assert LEAVE in guardian.get("/me/guardians").text
    page = guardian.get(LEAVE).text
    assert "最后一位监护人" in page
    assert "只有您能代张桂兰决定授权" in page
    assert guardian.post(LEAVE, token=guardian.token(LEAVE)).status_code == 422
    assert guardian.get("/care/wearers/1/").status_code == 200
    before = len(texts(told))
    token = guardian.token(LEAVE)
    assert guardian.post(LEAVE, token=token, sure="yes").location == "/me/guardians"
    assert guardian.post(LEAVE, token=token, sure="yes").status_code == 404
    assert guardian.get("/care/wearers/1/").status_code == 404
    assert "自己退出" in guardian.get("/me/guardians").text
    assert len(texts(told)[before:]) == 3, "the son, the daughter and she herself, once"
    with store_app.app_context():
        last = db.session.scalars(
            sa.select(AuditEntry).where(AuditEntry.action == "leave_guardianship")
        ).one()
        assert last.subject == "wearer:1"


def test_the_family_the_wearer_and_the_committee_see_who_stepped_down(told, people, guardian):
    guardian.post(LEAVE, token=guardian.token(LEAVE), sure="yes")
    for role, path in (
        ("guardian", "/care/wearers/1/consents"),
        ("wearer", "/care/mine"),
        ("staff", "/care/guardians/"),
    ):
        page = people[role].get(path).text
        assert "自己退出" in page, role
        assert "王秀英" in page, role


def test_a_guardian_who_is_still_called_is_told_so_and_stays_in_the_family(store_app, guardian, samples):
    with store_app.app_context():
        row = Contact(wearer_id=1, code="aunt", name="王秀英", relation="侄女", role="family", position=9)
        row.phone = samples.PHONES["resident"]
        db.session.add(row)
        db.session.commit()
    assert "求救照样打给您" in guardian.get(LEAVE).text
    guardian.post(LEAVE, token=guardian.token(LEAVE), sure="yes")
    assert guardian.get("/care/wearers/1/").status_code == 200


def test_a_second_guardian_makes_nobody_the_last(store_app, told, people, guardian, samples):
    with store_app.app_context():
        other = db.session.scalars(sa.select(User).where(User.phone == samples.PHONES["guardian"])).one()
        row = Guardianship(wearer_id=1, user_id=other.id, relation="女儿", basis="family", decides=True)
        row.state, row.claimed_at = "confirmed", samples.NOW
        db.session.add(row)
        db.session.commit()
    page = guardian.get(LEAVE).text
    assert "最后一位监护人" not in page
    assert "只有您能代" not in page


def test_nobody_steps_down_for_somebody_else(told, people, guardian):
    for role in ("staff", "guardian", "wearer", "admin"):
        assert people[role].get(LEAVE).status_code == 404
        refused = people[role].post(LEAVE, token=people[role].token("/me/"), sure="yes")
        assert refused.status_code == 404
    assert guardian.get("/care/guardians/99999999999999/leave").status_code == 404
