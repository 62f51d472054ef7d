"""The tree of places: paths stay right whatever is moved, and nobody changes what is not inside their own."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from portal.care.models import Wearer
from portal.db import db
from portal.people import organisations
from portal.people.addresses import household_name, households, natural, spot_of
from portal.people.models import Organisation, Resident
from portal.policy import Role, Viewer, changes_place, keeps_place, may_grant


def find(code: str) -> Organisation:
    found = organisations.find(db.session, code)
    assert found is not None
    return found


def paths_hold() -> bool:
    rows = {row.id: row for row in db.session.scalars(sa.select(Organisation))}
    above = {number: rows[row.parent_id].path if row.parent_id else "/" for number, row in rows.items()}
    return all(row.path == f"{above[row.id]}{row.id}/" for row in rows.values())


@pytest.mark.parametrize(
    ("address", "spot"),
    [
        ("3栋2单元401", ("3", "2", "401")),
        ("新河苑 3 栋 2 单元 401 室", ("3", "2", "401")),
        ("３－２－４０１", ("3", "2", "401")),
        ("12号楼1001", ("12", "", "1001")),
        ("3#2-401", ("3", "2", "401")),
        ("东门岗亭", None),
        ("", None),
    ],
)
def test_addresses_are_read_as_people_write_them(address, spot):
    assert spot_of(address) == spot


def test_buildings_are_sorted_as_people_count():
    assert sorted(["10栋", "2栋", "1栋", "东门"], key=natural) == ["1栋", "2栋", "10栋", "东门"]
    assert household_name(2, 4, 1) == "2单元401"


def test_the_demonstration_has_grids_buildings_and_households(store_app):
    with store_app.app_context():
        rows = db.session.execute(sa.select(Organisation.kind, sa.func.count()).group_by(Organisation.kind))
        kinds = {kind: count for kind, count in rows}  # noqa: C416
        assert (kinds["grid"], kinds["building"], kinds["household"]) == (3, 12, 576)
        assert households(db.session, "xinhe").find("10栋2单元302").name == "2单元302"
        assert paths_hold()


def test_a_moved_building_takes_everything_in_it_along(store_app, store_gateway, samples):
    """The paths of its households and of the wearers who live there follow, and nothing else moves."""
    store_gateway.send(samples.ROSTER)
    with store_app.app_context():
        building, grid = find("xinhe-b3"), find("xinhe-g3")
        home = households(db.session, "xinhe").find("3栋2单元401")
        number, old = home.id, building.path
        wearer = db.session.scalar(sa.select(Wearer).limit(1))
        wearer.place, wears = home.path, wearer.id
        db.session.flush()
        others = db.session.scalar(sa.select(sa.func.count()).where(organisations.inside(grid.path)))
        within = db.session.scalar(sa.select(sa.func.count()).where(organisations.inside(old)))
        organisations.move(db.session, building, grid)
        db.session.commit()
    with store_app.app_context():
        moved = db.session.get(Organisation, number)
        assert moved.path.startswith(find("xinhe-g3").path)
        assert db.session.get(Wearer, wears).place == moved.path
        now_in = db.session.scalar(
            sa.select(sa.func.count()).where(organisations.inside(find("xinhe-g3").path))
        )
        assert now_in == others + within
        assert paths_hold()


def test_a_place_cannot_stand_in_itself_or_in_a_narrower_one(store_app):
    with store_app.app_context():
        building, home = find("xinhe-b3"), find("xinhe-b3-2-401")
        for place, under in ((building, home), (building, building), (find("xinhe-g1"), building)):
            with pytest.raises(organisations.Misplaced):
                organisations.move(db.session, place, under)
        with pytest.raises(organisations.Misplaced):
            organisations.add(db.session, code="x", name="x", kind="household", parent=find("xinhe-g1"))


def test_a_place_somebody_lives_in_is_not_closed(store_app, samples):
    with store_app.app_context():
        home = find("xinhe-b3-2-401")
        with pytest.raises(organisations.Inhabited) as said:
            organisations.close(db.session, find("xinhe-b3"), at=samples.NOW)
        assert said.value.count >= 1
        db.session.execute(
            sa.update(Resident).where(Resident.household_id == home.id).values(left_at=samples.NOW)
        )
        assert organisations.close(db.session, home, at=samples.NOW) == 1
        assert households(db.session, "xinhe").find("3栋2单元401") is None
        organisations.reopen(db.session, find("xinhe-b3-2-401"))
        assert households(db.session, "xinhe").find("3栋2单元401") is not None


# ---------------------------------------------------------------- who may what, pure

STAFF = Viewer(user=1, scope="/1/2/3/", community="a", roles=frozenset({Role.STAFF}))
STREET = Viewer(user=2, scope="/1/2/", roles=frozenset({Role.STREET}))


def test_places_are_kept_inside_ones_own_and_never_ones_own_itself():
    assert keeps_place(STAFF, "/1/2/3/")
    assert not changes_place(STAFF, "/1/2/3/")
    assert changes_place(STAFF, "/1/2/3/9/")
    assert not keeps_place(STAFF, "/1/2/")
    assert not keeps_place(STAFF, "/1/2/33/")
    assert changes_place(STREET, "/1/2/3/")
    assert not keeps_place(Viewer(user=3, scope="/1/2/3/", roles=frozenset({Role.RESIDENT})), "/1/2/3/")
    assert not keeps_place(Viewer(user=3, scope="", roles=frozenset({Role.STAFF})), "/1/2/3/")


@pytest.mark.parametrize(
    ("viewer", "role", "path", "kind", "may"),
    [
        (STAFF, Role.VOLUNTEER, "/1/2/3/", "community", True),
        (STAFF, Role.GRID_WORKER, "/1/2/3/4/", "grid", True),
        (STAFF, Role.PROPERTY, "/1/2/3/5/", "property", True),
        (STAFF, Role.PROPERTY, "/1/2/3/", "community", False),
        (STAFF, Role.VOLUNTEER, "/1/2/4/", "community", False),
        (STAFF, Role.STAFF, "/1/2/3/6/", "committee", False),
        (STAFF, Role.STREET, "/1/2/", "street", False),
        (STREET, Role.STAFF, "/1/2/3/6/", "committee", True),
        (STREET, Role.STREET, "/1/2/", "street", False),
        (STREET, Role.DISTRICT, "/1/", "district", False),
        (
            Viewer(user=9, scope="/1/2/3/", roles=frozenset({Role.RESIDENT})),
            Role.VOLUNTEER,
            "/1/2/3/",
            "community",
            False,
        ),
        (
            Viewer(scope="/1/2/3/", roles=frozenset({Role.STAFF})),
            Role.VOLUNTEER,
            "/1/2/3/",
            "community",
            False,
        ),
    ],
)
def test_who_gives_which_role_where(viewer, role, path, kind, may):
    assert may_grant(viewer, role, path=path, kind=kind) is may


# ---------------------------------------------------------------- pages


def number_of(app, code: str) -> int:
    with app.app_context():
        return find(code).id


def test_staff_make_the_households_of_a_building_at_once(app, people):
    staff = people["staff"]
    grid = number_of(app, "xinhe-g1")
    staff.post(f"/places/{grid}/add", kind="building", name="13栋")
    with app.app_context():
        made = db.session.scalar(sa.select(Organisation).where(Organisation.name == "13栋"))
    staff.post(f"/places/{made.id}/many", units="4", floors="6", doors="2")
    page = staff.post(f"/places/{made.id}/many", units="4", floors="6", doors="2")
    assert page.status_code == 302
    with app.app_context():
        names = db.session.scalars(
            sa.select(Organisation.name).where(Organisation.parent_id == made.id)
        ).all()
        assert len(names) == 48
        assert {"1单元101", "4单元602"} <= set(names)
        assert households(db.session, "xinhe").find("13栋4单元602") is not None


def test_a_bad_form_keeps_what_was_typed_and_names_each_field(app, people):
    building = number_of(app, "xinhe-b3")
    answer = people["staff"].post(f"/places/{building}/many", units="44", floors="", doors="2")
    assert answer.status_code == 422
    assert 'id="error-many-units"' in answer.text
    assert 'id="error-many-floors"' in answer.text
    assert 'value="44"' in answer.text


def test_two_places_under_one_have_two_names(app, people):
    grid = number_of(app, "xinhe-g1")
    answer = people["staff"].post(f"/places/{grid}/add", kind="building", name="3栋")
    assert answer.status_code == 422
    assert "这里已经有 3栋 了" in answer.text


def test_a_place_is_renamed_moved_closed_and_opened_on_its_page(app, people):
    staff, building = people["staff"], number_of(app, "xinhe-b7")
    staff.post(f"/places/{building}/rename", name="7号楼")
    staff.post(f"/places/{building}/move", under=str(number_of(app, "xinhe-g3")))
    with app.app_context():
        found = db.session.get(Organisation, building)
        assert (found.name, found.parent.code) == ("7号楼", "xinhe-g3")
        for person in db.session.scalars(
            sa.select(Resident).where(Resident.household.has(organisations.inside(found.path)))
        ):
            person.household_id = None
        db.session.commit()
    assert (
        "已停用"
        in staff.client.post(
            f"/places/{building}/close", data={"csrf_token": staff.token()}, follow_redirects=True
        ).text
    )
    assert "恢复使用" in staff.get(f"/places/{building}/").text
    staff.post(f"/places/{building}/open")
    assert "确认停用" in staff.get(f"/places/{building}/").text


def test_a_place_with_people_says_how_many_before_it_can_be_closed(app, people):
    staff = people["staff"]
    answer = staff.client.post(
        f"/places/{number_of(app, 'xinhe-b3')}/close",
        data={"csrf_token": staff.token()},
        follow_redirects=True,
    )
    assert "人登记居住" in answer.text


def test_nobody_reaches_a_place_above_or_beside_their_own(app, people):
    above, own = number_of(app, "demo-street"), number_of(app, "xinhe")
    for role in ("resident", "guardian", "volunteer", "property", "wearer", "grid_worker"):
        assert people[role].get(f"/places/{own}/").status_code == 404, role
    staff = people["staff"]
    assert staff.get(f"/places/{above}/").status_code == 404
    assert staff.post(f"/places/{own}/rename", name="别的").status_code == 404
    assert staff.post(f"/places/{own}/move", under=str(above)).status_code == 404
    assert people["street"].get(f"/places/{above}/").status_code == 200
    assert people["street"].post(f"/places/{above}/close").status_code == 404
    assert staff.get("/places/999999999999/").status_code == 404
