"""The table of who may call what is current, and true: every address is asked as everybody."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import sqlalchemy as sa

from portal import access
from portal.care.models import Wearer
from portal.cases.models import Case
from portal.db import db
from portal.people.join_models import HouseholdClaim, Invitation
from portal.people.models import Organisation, Resident
from portal.policy import Role, Verdict
from portal.posts.models import Post
from portal.security import limiter

ROOT = Path(__file__).parents[2]
SEES = {
    "wearer": {Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN, Role.WEARER},
    "place": {Role.STAFF, Role.ADMIN, Role.STREET, Role.DISTRICT},
    "resident": {Role.STAFF, Role.GRID_WORKER, Role.ADMIN},
    "invitation": {Role.STAFF, Role.ADMIN, Role.STREET, Role.DISTRICT},
}
"""Of the rows asked for here, whom each rule lets see them; the other rules are only asked to refuse."""
UNSURE = {"wearer": {404, 503}, "place": set(), "resident": set(), "invitation": set()}
"""A page of a wearer may also be one of something they don't have, or need a library of the machine."""
ENDS = ("/login", "/me/")
"""Asked last: pages about one's sign-in may end it."""


@pytest.fixture
def world(app, gateway, samples, monkeypatch) -> dict[tuple[str, str], object]:
    """Something of everything an address can name, and no limits on how often it is asked."""
    monkeypatch.setattr(limiter, "enabled", False)
    gateway.send(samples.ROSTER, samples.at_home(), samples.incident())
    with app.app_context():
        known = {
            ("", "wearer_id"): db.session.scalar(sa.select(Wearer.id).where(Wearer.name == "张桂兰")),
            ("places", "place_id"): db.session.scalar(
                sa.select(Organisation.id).where(Organisation.code == "xinhe-b3")
            ),
            ("register", "resident_id"): db.session.scalar(sa.select(Resident.id)),
            ("claims", "claim_id"): db.session.scalar(sa.select(HouseholdClaim.id)),
            ("invitations", "invitation_id"): db.session.scalar(sa.select(Invitation.id)),
            ("cases", "number"): db.session.scalar(sa.select(Case.number)),
            ("posts", "number"): db.session.scalar(sa.select(Post.id)),
            ("posts", "name"): "notices",
            ("cases", "name"): "snapshot",
            ("care", "name"): "buildings",
        }
    assert all(known.values())
    return known


def address_of(app, line: access.Line, world) -> str:
    """An address of what exists, for each argument that is known here; of anything for the others."""
    rule = next(
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint == line.endpoint and rule.rule == line.path and line.method in (rule.methods or ())
    )
    blueprint, values = line.endpoint.partition(".")[0], {}
    for name in line.arguments:
        if name in (rule.defaults or {}):
            continue
        converter = rule._converters[name]
        plain = type(converter).__name__
        if plain == "AnyConverter":
            values[name] = next(iter(converter.items))
            continue
        spare = 1 if plain == "IntegerConverter" else "nothing-here"
        values[name] = world.get((blueprint, name), world.get(("", name), spare))
    with app.test_request_context():
        from flask import url_for

        return url_for(line.endpoint, **values)


def refusal(verdict: Verdict, path: str) -> set[int]:
    if verdict is Verdict.SIGN_IN:
        return {302, 401}
    assert verdict is Verdict.NOT_FOUND, path
    return {404}


def everybody(app, people, samples) -> list:
    return [samples.Browser(app), *(people[role.value] for role in Role)]


def test_the_page_is_current():
    made = runpy.run_path(str(ROOT / "docs" / "access_page.py"))["page"]()
    assert (ROOT / "docs" / "access.md").read_text("utf-8") == made, "run `make docs`"


def test_every_address_that_is_read_answers_as_the_table_says(app, people, samples, world):
    wrong = []
    asked = [line for line in access.lines(app) if line.method == "GET" and not line.machine]
    asked.sort(key=lambda line: line.path.startswith(ENDS))
    for number, browser in enumerate(everybody(app, people, samples)):
        role = access.COLUMNS[number]
        for line in asked:
            path, verdict = address_of(app, line, world), line.verdicts[number]
            with browser.get(path) as answer:
                status = answer.status_code
            if verdict is not Verdict.ALLOWED:
                fits = status in refusal(verdict, path)
            elif line.rule in SEES and role is not None and status not in UNSURE[line.rule]:
                fits = (status < 400) is (role in SEES[line.rule])
            else:
                fits = status < 500 and (status != 404 or bool(line.rule))
            if not fits:
                wrong.append((role, line.method, path, verdict, status))
    assert "\n".join(map(str, wrong)) == ""
    assert len(asked) > 60


def test_every_address_that_changes_something_refuses_whoever_has_no_right(app, people, samples, world):
    wrong = []
    asked = [line for line in access.lines(app) if line.method != "GET" and not line.machine]
    for number, browser in enumerate(everybody(app, people, samples)):
        token = browser.token("/me/" if number else "/login")
        for line in asked:
            verdict = line.verdicts[number]
            if verdict is Verdict.ALLOWED:
                continue
            path = address_of(app, line, world)
            headers = {"X-CSRFToken": token}
            status = browser.client.open(path, method=line.method, headers=headers, data={}).status_code
            if status not in refusal(verdict, path):
                wrong.append((access.COLUMNS[number], line.method, path, verdict, status))
    assert wrong == []
    assert len(asked) > 40


def test_a_wearer_is_not_found_by_a_neighbour_or_by_another_wearers_family(app, people, world):
    number = world["", "wearer_id"]
    with app.app_context():
        other = db.session.scalar(sa.select(Wearer.id).where(Wearer.name == "王德顺"))
    for page in ("", "vitals", "track", "alarms", "profile", "lost"):
        for role in ("resident", "volunteer", "property", "owners", "department", "street", "district"):
            assert people[role].get(f"/care/wearers/{number}/{page}").status_code == 404, (role, page)
        assert people["guardian"].get(f"/care/wearers/{other}/{page}").status_code == 404, page
    for order in ("orders", "lost", "profile/drop", "profile/restore"):
        browser = people["guardian"]
        assert browser.post(f"/care/wearers/{other}/{order}").status_code == 404, order
