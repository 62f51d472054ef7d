"""Guardianship: asked for with proof, judged, objected to, ended; what a guardian sees in each state."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
import sqlalchemy as sa
from PIL import Image

from portal.care.consent.sights import facts_of, sight_of
from portal.care.guardians import record as guardianships
from portal.care.guardians import roles as guardian_roles
from portal.care.guardians.models import GuardianClaim
from portal.care.models import AuditEntry, Change, Contact, Guardianship, Wearer
from portal.db import db
from portal.people.models import Grant, User
from portal.people.signup import account_of
from portal.policy import Role, Viewer, consents_as, guards, sees_wearer

from .conftest import NOW

ASKED = {
    "named": "张桂兰",
    "home": "3 号楼 2 单元 501",
    "relation": "侄女",
    "basis": "appointed",
    "decides": "yes",
    "proof": "指定监护人文书 2026-11",
}


@pytest.fixture
def told(gateway, samples):
    gateway.send(samples.ROSTER, samples.at_home())
    return gateway


def phoned(phone: str) -> User:
    return db.session.scalars(sa.select(User).where(User.phone == phone)).one()


def guardian_grants(user_id: int) -> int:
    rows = db.session.scalars(sa.select(Grant).where(Grant.user_id == user_id))
    return sum(row.known is Role.GUARDIAN for row in rows)


def actions(app) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.seq)))


def confirmed(people, **fields) -> None:
    """王秀英, a resident, asks, and the committee confirms."""
    assert people["resident"].post("/care/guardians/claim", **ASKED).status_code == 302
    answer = people["staff"].post("/care/guardians/claims/1/confirm", wearer="1", **fields)
    assert answer.status_code == 302


# ---------------------------------------------------------------- the store, on both engines


def test_confirming_gives_the_role_and_ending_takes_it_and_all_sight_at_once(
    store_app, store_gateway, samples
):
    store_gateway.send(samples.ROSTER, samples.at_home())
    with store_app.app_context():
        user, staff = phoned(samples.PHONES["resident"]), phoned(samples.PHONES["staff"])
        wearer = db.session.get_one(Wearer, 1)
        by = Viewer(user=staff.id, community=wearer.community, roles=frozenset({Role.STAFF}))
        claim = GuardianClaim(community=wearer.community, user_id=user.id, state="waiting", made_at=NOW)
        claim.named, claim.home, claim.relation, claim.basis, claim.proof = (
            "张桂兰",
            "501",
            "侄女",
            "family",
            "簿",
        )
        claim.decides = False
        guardianships.ask(db.session, claim)
        assert guardianships.waiting_count(db.session, by, NOW) == 1
        row = guardianships.confirm(db.session, claim, wearer, until=None, decides=True, by=by, at=NOW)
        db.session.commit()
        assert guardian_grants(user.id) == 1
        who = Viewer(user=user.id, community=wearer.community, roles=frozenset({Role.GUARDIAN}))
        db.session.refresh(wearer)
        assert guards(who, facts_of(wearer, NOW))
        assert consents_as(who, facts_of(wearer, NOW)) is not None
        guardianships.object_to(db.session, row, why="不认识", by=by, at=NOW)
        db.session.commit()
        paused = facts_of(wearer, NOW)
        assert sees_wearer(who, paused)
        assert not guards(who, paused)
        assert consents_as(who, paused) is None
        assert (sight_of(who, wearer).location, sight_of(who, wearer).health) == (False, False)
        assert guardianships.waiting_count(db.session, by, NOW) == 1
        before = db.session.scalar(sa.select(sa.func.max(Change.seq))) or 0
        guardianships.end(db.session, row, reason="材料不实", by=by, at=NOW)
        db.session.commit()
        assert guardian_grants(user.id) == 0
        assert not sees_wearer(who, facts_of(wearer, NOW))
        topics = set(db.session.scalars(sa.select(Change.topic).where(Change.seq > before)))
        assert topics == {"rights", "account"}


def test_who_proves_the_number_of_a_family_contact_is_a_guardian_there_and_a_stranger_is_not(
    store_app, store_gateway, samples
):
    store_gateway.send(samples.ROSTER)
    with store_app.app_context():
        family = db.session.scalars(sa.select(Contact).where(Contact.role == "family")).first()
        assert family is not None
        family.phone = "+8613900139001"
        db.session.commit()
        son, stranger = account_of("+8613900139001", "张强"), account_of("+8613900139002", "路人")
        assert guardian_roles.admit(db.session, at=NOW, user_id=son.id) == 1
        assert guardian_roles.admit(db.session, at=NOW, user_id=son.id) == 0
        assert guardian_roles.admit(db.session, at=NOW, user_id=stranger.id) == 0
        db.session.commit()
        assert (guardian_grants(son.id), guardian_grants(stranger.id)) == (1, 0)


# ---------------------------------------------------------------- the pages


def test_the_answer_is_the_same_for_a_wearer_who_is_there_and_one_who_is_not(told, people):
    asks = people["resident"]
    pages = []
    for name in ("张桂兰", "查无此人"):
        answer = asks.post("/care/guardians/claim", **(ASKED | {"named": name}))
        pages.append((answer.status_code, answer.headers["Location"]))
    assert pages[0] == pages[1] == (302, "/me/guardians")
    assert asks.get("/me/guardians").text.count("等居委会核对") == 2
    assert asks.get("/care/wearers/1/").status_code == 404


def test_a_claim_with_gaps_keeps_what_was_typed_and_a_fourth_waiting_one_is_not_taken(app, told, people):
    asks = people["resident"]
    gap = asks.post("/care/guardians/claim", **(ASKED | {"proof": ""}))
    assert gap.status_code == 422
    assert 'value="侄女"' in gap.text
    for number in range(4):
        asks.post("/care/guardians/claim", **(ASKED | {"home": f"{number} 号楼"}))
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count(GuardianClaim.id))) == 3


def test_the_photograph_of_the_proof_is_seen_by_who_sent_it_and_the_committee_alone(told, people):
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(picture, "JPEG")
    picture.seek(0)
    asks, staff = people["resident"], people["staff"]
    assert asks.post("/care/guardians/claim", **ASKED, paper=(picture, "a.jpg")).status_code == 302
    page = staff.get("/care/guardians/").text
    href = page.split("看材料照片")[0].rsplit('href="', 1)[1].split('"')[0]
    assert [people[who].get(href).status_code for who in ("resident", "staff", "guardian", "volunteer")] == [
        200,
        200,
        404,
        404,
    ]


def test_the_committee_confirms_refuses_with_a_reason_and_nobody_else_may(app, told, people):
    asks, staff = people["resident"], people["staff"]
    asks.post("/care/guardians/claim", **ASKED)
    asks.post("/care/guardians/claim", **(ASKED | {"named": "查无此人"}))
    assert "王秀英 申请监护 张桂兰" in staff.get("/care/guardians/").text
    for who in ("resident", "guardian", "grid_worker", "street"):
        assert people[who].post("/care/guardians/claims/1/confirm", wearer="1").status_code == 404
    staff.post("/care/guardians/claims/1/confirm", wearer="999")
    staff.post("/care/guardians/claims/1/confirm", wearer="1", until="2026-11-22")
    staff.post("/care/guardians/claims/2/refuse", reason=" ")
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count(Guardianship.id))) == 0
        assert {row.state for row in db.session.scalars(sa.select(GuardianClaim))} == {"waiting"}
    staff.post("/care/guardians/claims/1/confirm", wearer="1", until="2026-12-31")
    staff.post("/care/guardians/claims/2/refuse", reason="名册里没有这个人")
    page = asks.get("/me/guardians").text
    assert "监护中" in page
    assert "居委会说：名册里没有这个人" in page
    assert {"claim_guardianship", "confirm_guardianship", "refuse_guardianship"} <= set(actions(app))
    with app.app_context():
        row = db.session.scalars(sa.select(Guardianship)).one()
        assert not row.decides  # asked for, but the committee did not find it so
        assert row.until is not None
        assert row.holds(row.until - timedelta(seconds=1))
        assert not row.holds(row.until)
    assert asks.get("/care/wearers/1/").status_code == 200


def test_nobody_judges_a_claim_of_their_own(told, people):
    people["staff"].post("/care/guardians/claim", **ASKED)
    assert "申请监护" not in people["staff"].get("/care/guardians/").text
    assert people["staff"].post("/care/guardians/claims/1/confirm", wearer="1").status_code == 404
    assert people["admin"].post("/care/guardians/claims/1/confirm", wearer="1").status_code == 302


def test_the_wearer_objects_and_places_and_health_pause_until_the_committee_has_looked(app, told, people):
    confirmed(people)
    guardian, wearer, staff = people["resident"], people["wearer"], people["staff"]
    assert "王秀英" in wearer.get("/care/mine").text
    assert guardian.get("/care/wearers/1/vitals").status_code == 200
    for who in ("resident", "staff", "volunteer"):
        assert people[who].post("/care/guardians/1/object").status_code == 404
    assert "不该是" in wearer.get("/care/guardians/1/object").text
    assert wearer.post("/care/guardians/1/object", reason="我不认识她").status_code == 302
    assert guardian.get("/care/wearers/1/").status_code == 200
    assert "31.1559" not in guardian.get("/care/markers.json").text
    assert "我不认识她" not in guardian.get("/care/wearers/1/consents").text
    assert guardian.post("/care/wearers/1/consents/health/staff", answer="yes").status_code == 404
    assert "我不认识她" in staff.get("/care/guardians/").text
    staff.post("/care/guardians/1/keep", reason="户口簿已核对")
    assert "监护中" in guardian.get("/me/guardians").text
    assert "object_to_guardianship" in actions(app)
    assert people["guardian"].post("/care/guardians/1/object", reason="她是邻居").status_code == 302
    staff.post("/care/guardians/1/end", reason="材料不实")
    assert guardian.get("/care/wearers/1/").status_code == 404
    assert "材料不实" in guardian.get("/me/guardians").text
