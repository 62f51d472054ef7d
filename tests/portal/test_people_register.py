"""The register: found by two characters, identity numbers sealed, every change and look on record."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from portal.care.models import AuditEntry
from portal.db import db
from portal.fields import id_number_is_valid
from portal.people import identity, register
from portal.people.models import Resident, ResidentGram, User
from portal.people.register import Asked, age_of, years_before
from portal.policy import Role, Viewer

KEY = "secret-key-for-tests-only-0123456789"
TODAY = dt.date(2026, 11, 23)


def well_formed(body: str) -> str:
    return next(body + last for last in "0123456789X" if id_number_is_valid(body + last))


NUMBER = well_formed("99000019430315212")


def staff() -> Viewer:
    return db.session.scalar(sa.select(User).where(User.name == "周敏")).viewer


def names(**asked) -> list[str]:
    rows, _ = register.page_of(db.session, staff(), Asked(**asked), today=TODAY)
    return [row.name for row in rows]


@pytest.mark.parametrize(
    ("text", "name"), [("桂兰", "张桂兰"), ("张桂", "张桂兰"), ("张桂兰", "张桂兰"), ("兰", "张桂兰")]
)
def test_two_characters_of_a_name_find_somebody(store_app, text, name):
    with store_app.app_context():
        assert name in names(text=text)
        assert "王德顺" not in names(text=text)


def test_a_household_finds_who_lives_there_and_a_telephone_whose_it_is(store_app, samples):
    with store_app.app_context():
        assert names(text="3-2-401") == ["张桂兰"]
        found = db.session.scalar(sa.select(Resident).where(Resident.name == "王德顺"))
        register.put(db.session, found, {"phone": "+8613800130001"}, by=staff(), at=samples.NOW)
        assert names(text="13800130001") == ["王德顺"]
        assert names(text="0013") == ["王德顺"]
        assert names(text="没有这个人") == []


def test_filters_are_by_place_tag_and_age(store_app):
    with store_app.app_context():
        from portal.people.organisations import find

        in_grid = names(place=find(db.session, "xinhe-g1").path)
        assert "张桂兰" in in_grid
        assert "刘素珍" not in in_grid
        alone = names(tag="lives_alone", age_from=80)
        assert "张桂兰" in alone
        assert "陈秀英" not in alone, "born in 1950"
        assert len(names(age_from=90)) < len(names(age_from=60))


def test_ages_count_full_years():
    assert age_of(dt.date(1946, 11, 23), TODAY) == 80
    assert age_of(dt.date(1946, 11, 24), TODAY) == 79
    assert age_of(None, TODAY) is None
    assert years_before(dt.date(2028, 2, 29), 1) == dt.date(2027, 2, 28)


def test_a_renamed_person_is_found_by_the_new_name_only(store_app, samples):
    with store_app.app_context():
        found = db.session.scalar(sa.select(Resident).where(Resident.name == "赵永年"))
        register.put(db.session, found, {"name": "赵长年"}, by=staff(), at=samples.NOW)
        assert names(text="永年") == []
        assert names(text="长年") == ["赵长年"]
        db.session.delete(found)
        db.session.flush()
        left = sa.select(sa.func.count()).where(ResidentGram.resident_id == found.id)
        assert db.session.scalar(left) == 0


# ---------------------------------------------------------------- identity numbers


def test_a_number_is_sealed_anew_each_time_and_found_by_its_digest():
    one, other = identity.seal(NUMBER, secret_key=KEY), identity.seal(NUMBER, secret_key=KEY)
    assert one != other
    assert NUMBER not in one
    assert identity.unseal(one, secret_key=KEY) == NUMBER
    assert identity.digest(NUMBER.lower(), secret_key=KEY) == identity.digest(NUMBER, secret_key=KEY)
    assert identity.digest(NUMBER, secret_key="other") != identity.digest(NUMBER, secret_key=KEY)
    with pytest.raises(identity.Unreadable):
        identity.unseal(one, secret_key="other")


def test_a_number_tells_birth_and_sex_and_hides_its_middle():
    assert identity.born(NUMBER) == dt.date(1943, 3, 15)
    assert identity.sex(NUMBER) == "female"
    assert identity.masked(NUMBER) == "990" + "*" * 13 + NUMBER[-2:]
    assert identity.masked("12") == "**"
    assert identity.born("1") is None


def test_no_number_stands_readable_in_the_store(store_app, samples):
    with store_app.app_context():
        person = Resident(community="xinhe", tags=[])
        values = {
            "name": "甲",
            "sex": "",
            "birth_date": None,
            "phone": "",
            "relation": "",
            "tags": [],
            "note": "",
        }
        register.put(db.session, person, values, by=staff(), at=samples.NOW, id_number=NUMBER, secret_key=KEY)
        db.session.commit()
        stored = db.session.execute(sa.text("SELECT * FROM resident WHERE name = '甲'")).one()
        assert NUMBER not in str(stored)
        record = db.session.execute(sa.text("SELECT * FROM audit_entry")).all()
        assert NUMBER not in str(record)


def page_of(app, name: str) -> str:
    with app.app_context():
        return f"/register/{db.session.scalar(sa.select(Resident.id).where(Resident.name == name))}"


def test_a_number_is_shown_only_on_a_press_with_a_purpose_and_that_is_on_record(app, people):
    keeper, address = people["staff"], page_of(app, "张桂兰")
    with app.app_context():
        sealed = db.session.scalar(sa.select(Resident.id_number_sealed).where(Resident.name == "张桂兰"))
    number = identity.unseal(sealed, secret_key=KEY)
    assert number not in keeper.get(address + "/").text
    assert number not in keeper.get(address + "/edit").text
    keeper.post(address + "/identity", purpose="")
    with app.app_context():
        assert db.session.scalar(sa.select(AuditEntry).where(AuditEntry.action == "view_id_number")) is None
    shown = keeper.post(address + "/identity", purpose="service")
    assert number in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    with app.app_context():
        entry = db.session.scalar(sa.select(AuditEntry).where(AuditEntry.action == "view_id_number"))
        assert (entry.detail, entry.subject) == ("service", "resident:" + address.rsplit("/", 1)[1])
    assert number not in keeper.get(address + "/").text
    assert "替本人办事" in keeper.get(address + "/").text
    assert number not in keeper.get("/register/export.csv").text


def test_a_grid_worker_reads_the_register_without_numbers_and_changes_nothing(app, people):
    worker, address = people["grid_worker"], page_of(app, "张桂兰")
    assert "身份证" not in worker.get(address + "/").text
    for path in ("/identity", "/edit", "/left"):
        assert worker.post(address + path, purpose="service").status_code == 404
    assert worker.get("/register/export.csv").status_code == 404
    for role in ("resident", "guardian", "volunteer", "street", "property", "wearer", "department"):
        assert people[role].get(address + "/").status_code == 404, role


def test_a_grid_worker_of_one_grid_reads_only_that(store_app):
    with store_app.app_context():
        from portal.people.organisations import find

        grid = find(db.session, "xinhe-g1")
        worker = Viewer(
            user=1, community="xinhe", scope=grid.path, part=grid.path, roles=frozenset({Role.GRID_WORKER})
        )
        rows, _ = register.page_of(db.session, worker, Asked(), today=TODAY)
        assert rows
        assert all(row.household.path.startswith(grid.path) for row in rows)
        other = db.session.scalar(sa.select(Resident.id).where(Resident.name == "刘素珍"))
        assert register.one(db.session, worker, other) is None


# ---------------------------------------------------------------- writing


def test_somebody_is_registered_with_what_the_number_says(app, people):
    keeper = people["staff"]
    answer = keeper.post("/register/new", name="钱多多", home="4栋1单元101", id_number=NUMBER, tags="tenant")
    assert answer.status_code == 302
    with app.app_context():
        found = db.session.scalar(sa.select(Resident).where(Resident.name == "钱多多"))
        assert (found.birth_date, found.sex, found.tags) == (dt.date(1943, 3, 15), "female", ["tenant"])
        assert found.household.code == "xinhe-b4-1-101"
    again = keeper.post("/register/new", name="另一人", id_number=NUMBER)
    assert again.status_code == 422
    assert "钱多多" in again.text


def test_a_wrong_form_keeps_what_was_typed_and_names_each_field(people):
    answer = people["staff"].post(
        "/register/new", name="", home="99栋9单元909", id_number="123", phone="1", birth_date="2999-01-01"
    )
    assert answer.status_code == 422
    for field in ("name", "home", "id_number", "phone", "birth_date"):
        assert f'id="error-{field}"' in answer.text, field
    assert 'value="99栋9单元909"' in answer.text


def test_changes_are_on_record_by_field_and_no_change_is_none(app, people):
    keeper, address = people["staff"], page_of(app, "刘素珍")
    same = {
        "name": "刘素珍",
        "home": "10栋2单元302",
        "sex": "female",
        "relation": "户主",
        "tags": "empty_nest",
    }
    with app.app_context():
        born = db.session.scalar(sa.select(Resident.birth_date).where(Resident.name == "刘素珍"))
    same["birth_date"] = born.isoformat()
    keeper.post(address + "/edit", **same)
    keeper.post(address + "/edit", **(same | {"phone": "13800130002", "note": "听力不好"}))
    with app.app_context():
        entries = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "edit_resident")).all()
        assert [entry.detail for entry in entries] == ["phone, note"]
    assert "电话、备注" in keeper.get(address + "/").text


def test_who_moved_away_leaves_the_list_and_can_come_back(app, people):
    keeper, address = people["staff"], page_of(app, "徐文彬")
    keeper.post(address + "/left", left="1")
    assert "徐文彬" not in keeper.get("/register/?text=徐文彬").text.split("</form>", 3)[-1]
    assert "徐文彬" in keeper.get("/register/?left=1").text
    keeper.post(address + "/left", left="0")
    assert "徐文彬" in keeper.get("/register/?text=文彬").text
