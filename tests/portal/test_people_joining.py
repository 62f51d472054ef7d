"""Coming in: invitations, claims of a household, capacities, and how far a community has come."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa

from portal import demo
from portal.care.models import AuditEntry
from portal.db import db
from portal.people import claims, coverage, invitations
from portal.people.join_models import ClaimNotice, HouseholdClaim, Invitation
from portal.people.models import Grant, Organisation, Resident, User
from portal.people.models import Role as StoredRole
from portal.people.organisations import find
from portal.policy import Role

KEY = "secret-key-for-tests-only-0123456789"
DAY = dt.timedelta(days=1)


def account(name: str) -> User:
    return db.session.scalar(sa.select(User).where(User.name == name))


def newcomer(name: str = "孙新", phone: str = "+8613800139001") -> User:
    made = User(
        phone=phone,
        name=name,
        password=account("王秀英").password,
        fs_uniquifier=uuid.uuid4().hex,
        demo=True,
    )
    db.session.add(made)
    db.session.commit()
    return made


def home(code: str = "xinhe-b3-2-401") -> Organisation:
    return find(db.session, code)


def invite(place: Organisation, role: Role | None, now: dt.datetime, uses: int = 2) -> Invitation:
    return invitations.make(
        db.session,
        place,
        role=role,
        by=account("周敏").viewer,
        at=now,
        until=now + DAY,
        uses=uses,
        secret_key=KEY,
    )


# ---------------------------------------------------------------- claims


def test_a_claim_waits_until_the_committee_confirms_it(store_app, samples):
    with store_app.app_context():
        who, staff = newcomer(), account("周敏").viewer
        made = claims.make(db.session, who, home(), at=samples.NOW, said="我是女儿")
        assert made.state == "waiting"
        assert claims.make(db.session, who, home(), at=samples.NOW) is made, "twice is once"
        assert made in claims.waiting(db.session, staff)
        assert not claims.lives_there(db.session, who.id, home().id)
        claims.confirm(db.session, made, by=staff, at=samples.NOW)
        assert claims.lives_there(db.session, who.id, home().id)
        with pytest.raises(claims.Refused):
            claims.make(db.session, who, home(), at=samples.NOW)


def test_the_registers_own_telephone_confirms_at_once_and_ties_the_account(store_app, samples):
    with store_app.app_context():
        who = newcomer()
        person = db.session.scalar(sa.select(Resident).where(Resident.name == "陈秀英"))
        person.phone = who.phone
        made = claims.make(db.session, who, person.household, at=samples.NOW)
        assert (made.state, made.by_register, person.user_id) == ("confirmed", True, who.id)
        other = newcomer("周二", "+8613800139002")
        assert claims.make(db.session, other, person.household, at=samples.NOW).state == "waiting"


def test_who_lives_there_is_told_and_a_stranger_goes_back_to_the_committee(store_app, samples):
    with store_app.app_context():
        staff, first, second = account("周敏").viewer, newcomer(), newcomer("周二", "+8613800139002")
        for who in (first, second):
            claims.confirm(
                db.session, claims.make(db.session, who, home(), at=samples.NOW), by=staff, at=samples.NOW
            )
        told = claims.notices(db.session, first.id)
        assert [notice.claim.user_id for notice in told] == [second.id]
        claims.answer(db.session, told[0], known=False, at=samples.NOW)
        assert claims.notices(db.session, first.id) == []
        disputed = claims.waiting(db.session, staff)[0]
        assert disputed.user_id == second.id
        claims.undo(db.session, disputed, reason="不是", by=staff, at=samples.NOW)
        assert not claims.lives_there(db.session, second.id, home().id)
        assert claims.lives_there(db.session, first.id, home().id)
        assert disputed not in claims.waiting(db.session, staff)


def test_nobody_tries_every_door(store_app, samples):
    with store_app.app_context():
        who = newcomer()
        for door in ("101", "102", "201"):
            claims.make(db.session, who, home(f"xinhe-b4-1-{door}"), at=samples.NOW)
        with pytest.raises(claims.Refused, match="too_many"):
            claims.make(db.session, who, home("xinhe-b4-1-202"), at=samples.NOW)
        with pytest.raises(claims.Refused, match="closed"):
            claims.make(db.session, who, home("xinhe-b4"), at=samples.NOW)


# ---------------------------------------------------------------- invitations


def test_a_token_opens_its_invitation_and_stands_nowhere_in_the_store(store_app, samples):
    with store_app.app_context():
        made = invite(home("xinhe-b3"), None, samples.NOW)
        token = invitations.token_of(made, secret_key=KEY)
        assert invitations.find(db.session, token) is made
        assert invitations.find(db.session, token[:-1] + "x") is None
        assert token not in str(db.session.execute(sa.text("SELECT * FROM invitation")).all())
        assert invitations.token_of(made, secret_key="other") != token


def test_the_last_use_is_one_and_an_end_is_an_end(store_app, samples):
    with store_app.app_context():
        made = invite(home("xinhe-b3"), None, samples.NOW, uses=1)
        invitations.use(db.session, made, now=samples.NOW)
        with pytest.raises(invitations.UsedUp):
            invitations.use(db.session, made, now=samples.NOW)
        other = invite(home("xinhe-b3"), None, samples.NOW)
        assert invitations.counts(other, samples.NOW)
        assert not invitations.counts(other, samples.NOW + DAY)
        invitations.end(db.session, other, by=account("周敏").viewer, at=samples.NOW)
        assert not invitations.counts(other, samples.NOW)


def test_a_role_is_given_once_and_only_while_its_maker_could_give_it(store_app, samples):
    with store_app.app_context():
        community, who = find(db.session, "xinhe"), newcomer()
        made = invite(community, Role.VOLUNTEER, samples.NOW)
        assert invitations.accept(db.session, made, who, now=samples.NOW)
        db.session.refresh(who)
        assert not invitations.accept(db.session, made, who, now=samples.NOW)
        assert (made.uses_left, made.used) == (1, 1)
        db.session.execute(sa.delete(Grant).where(Grant.user_id == account("周敏").id))
        db.session.expire_all()
        with pytest.raises(invitations.NoLonger):
            invitations.accept(db.session, made, newcomer("周二", "+8613800139002"), now=samples.NOW)


def test_who_may_invite_whom():
    from portal.policy import Viewer

    staff = Viewer(user=1, scope="/1/3/", community="a", roles=frozenset({Role.STAFF}))
    street = Viewer(user=2, scope="/1/", roles=frozenset({Role.STREET}))
    building = Organisation(kind="building", path="/1/3/4/")
    committee = Organisation(kind="committee", path="/1/3/5/")
    assert invitations.may_invite(staff, building, None)
    assert not invitations.may_invite(street, building, None)
    assert invitations.may_invite(street, committee, Role.STAFF)
    assert not invitations.may_invite(staff, committee, Role.STAFF)
    assert not invitations.may_invite(staff, committee, None)


# ---------------------------------------------------------------- pages


def made_by(people, role: str, **fields) -> str:
    answer = people[role].post("/invitations/", **({"uses": "5", "days": "7"} | fields))
    assert answer.status_code == 302, answer.text
    return answer.location


def number_of(app, code: str) -> str:
    with app.app_context():
        return str(find(db.session, code).id)


def test_a_poster_leads_somebody_home(app, people, samples):
    """Scan, say the number, choose building, entrance and door, claim; the committee confirms."""
    poster = made_by(people, "staff", what="home", place=number_of(app, "xinhe-g1"))
    page = people["staff"].get(poster).text
    assert people["staff"].get(poster + "code.svg").mimetype == "image/svg+xml"
    link = page.split('class="address">http://portal.example:18088', 1)[1].split("<", 1)[0]
    stranger = samples.Browser(app)
    assert "开始" in stranger.get(link).text
    assert stranger.post(link + "/begin", token=stranger.token(link)).location == "/join/number"
    with app.app_context():
        newcomer()
    who = samples.Browser(app).sign_in("13800139001")
    assert "您住哪一栋" in who.get(link).text
    assert "8栋" not in who.get(link).text, "another grid"
    assert "您住哪个单元" in who.get(f"{link}?building={number_of(app, 'xinhe-b2')}").text
    wanted = number_of(app, "xinhe-b2-1-101")
    assert "是这里吗" in who.get(f"{link}?home={wanted}").text
    who.post(link + "/claim", home=wanted, said="我是户主")
    assert "等居委会核对" in who.get("/me/home").text
    queue = people["staff"].get("/claims/").text
    assert "孙新 认领 2栋1单元101" in queue
    with app.app_context():
        claim = db.session.scalar(sa.select(HouseholdClaim.id).where(HouseholdClaim.said == "我是户主"))
        assert db.session.scalar(sa.select(Invitation.used).order_by(Invitation.id.desc())) == 1
    people["staff"].post(f"/claims/{claim}/confirm")
    assert "2栋1单元101" in who.get("/me/home").text


def test_a_refusal_needs_a_reason_and_the_person_reads_it(app, people, samples):
    with app.app_context():
        newcomer()
    who = samples.Browser(app).sign_in("13800139001")
    who.post("/me/home/claim", home=number_of(app, "xinhe-b3-2-401"))
    with app.app_context():
        number = db.session.scalar(sa.select(sa.func.max(HouseholdClaim.id)))
    people["staff"].post(f"/claims/{number}/refuse", reason="")
    assert "等居委会核对" in who.get("/me/home").text
    people["staff"].post(f"/claims/{number}/refuse", reason="请带房产证来")
    assert "请带房产证来" in who.get("/me/home").text
    assert people["staff"].post(f"/claims/{number}/confirm").status_code == 404, "it was judged"


def test_an_invitation_to_a_role_ends_in_that_role(app, people, samples):
    poster = made_by(people, "staff", what="volunteer", place=number_of(app, "xinhe"))
    link = people["staff"].get(poster).text.split("http://portal.example:18088", 1)[1].split("<", 1)[0]
    with app.app_context():
        newcomer()
    who = samples.Browser(app).sign_in("13800139001")
    who.post(link + "/accept", token=who.token(link))
    with app.app_context():
        assert account("孙新").viewer.roles == {Role.VOLUNTEER}
    people["staff"].post(poster + "end")
    ended = who.get(link)
    assert ended.status_code == 404
    assert "这个邀请已经不能用了" in ended.text
    assert who.post(link + "/accept").status_code == 404


def test_nobody_gives_a_role_outside_or_above_their_own(app, people):
    street = number_of(app, "demo-street")
    staff = people["staff"]
    for what, place in (
        ("volunteer", street),
        ("staff", number_of(app, "xinhe-committee")),
        ("street", street),
    ):
        assert staff.post("/invitations/", what=what, place=place, uses="1", days="1").status_code == 422
    for role in ("resident", "guardian", "volunteer", "property", "grid_worker", "department", "wearer"):
        assert people[role].get("/invitations/").status_code == 404, role
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count(Grant.id))) == len(demo.LOGINS)


def test_one_person_with_two_roles_switches_and_that_is_on_record(app, people):
    with app.app_context():
        who = account("周敏")
        role = db.session.scalar(sa.select(StoredRole).where(StoredRole.name == "volunteer"))
        db.session.add(Grant(user_id=who.id, role_id=role.id, organisation_id=find(db.session, "xinhe").id))
        db.session.commit()
    staff = people["staff"]
    assert "以居委会工作人员身份" in staff.get("/").text
    assert staff.get("/register/").status_code == 200
    staff.post("/me/capacity", capacity="private")
    assert "以个人身份" in staff.get("/").text
    assert staff.get("/register/").status_code == 404
    assert staff.post("/me/capacity", capacity="999").status_code == 404
    with app.app_context():
        entry = db.session.scalar(sa.select(AuditEntry).where(AuditEntry.action == "act_as"))
        assert entry.detail == "grant:private"
    assert "身份</span>" not in people["resident"].get("/").text, "one capacity shows no switch"


# ---------------------------------------------------------------- coverage


def test_coverage_counts_households_once_and_only_open_ones(store_app, samples):
    with store_app.app_context():
        staff = account("周敏").viewer
        before = {row.name: row for row in coverage.buildings(db.session, staff)}
        first, second = newcomer(), newcomer("周二", "+8613800139002")
        for who in (first, second):
            claims.confirm(
                db.session,
                claims.make(db.session, who, home("xinhe-b9-1-101"), at=samples.NOW),
                by=staff,
                at=samples.NOW,
            )
        find(db.session, "xinhe-b9-4-702").closed_at = samples.NOW
        db.session.flush()
        after = {row.name: row for row in coverage.buildings(db.session, staff)}
        assert after["9栋"].claimed == before["9栋"].claimed + 1
        assert (before["9栋"].households, after["9栋"].households) == (56, 55)
        assert [row.name for row in coverage.buildings(db.session, staff)][:3] == ["1栋", "2栋", "3栋"]
        assert coverage.total(list(after.values())).households == 575


def test_coverage_is_a_page_and_a_table_for_those_who_keep_places(people):
    assert "12栋" in people["staff"].get("/coverage/").text
    assert people["street"].get("/coverage/").status_code == 200
    table = people["staff"].get("/coverage.csv")
    assert table.data.startswith(b"\xef\xbb\xbf")
    for role in ("resident", "grid_worker", "property"):
        assert people[role].get("/coverage/").status_code == 404


def test_the_demonstration_has_an_open_claim_and_an_invitation(store_app):
    demo.seed(store_app)
    with store_app.app_context():
        assert db.session.scalar(sa.select(sa.func.count(HouseholdClaim.id))) == 1
        assert db.session.scalar(sa.select(sa.func.count(Invitation.id))) == 1
        assert db.session.scalar(sa.select(sa.func.count()).select_from(ClaimNotice)) == 0
