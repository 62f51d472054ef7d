"""The whole portal: every view has a policy, every answer its headers, the store its migrations."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

import portal
from portal import FEATURES, create_app
from portal.db import Model, UtcDateTime, alembic, db, migrating, upgrade, writing
from portal.people.models import Organisation, User
from portal.policy import (
    CLOSED,
    NOBODY,
    SIGNED_IN,
    Facts,
    Policy,
    Role,
    Verdict,
    Viewer,
    commands_band,
    declare,
    declared,
    judge,
    only,
    sees_wearer,
)
from portal.security import policy_of

ROOT = Path(portal.__file__).parent


def test_every_view_declares_who_may_call_it(app):
    missing = [rule.endpoint for rule in app.url_map.iter_rules() if policy_of(app, rule.endpoint) is None]
    assert missing == []


def test_a_view_that_declares_nothing_is_open_to_nobody(app, people):
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    assert people["admin"].get("/forgotten").status_code == 404


def test_every_feature_with_views_is_wired_and_in_the_list(app):
    found = {f"portal.{path.parent.name}.views" for path in ROOT.glob("*/views.py")}
    assert found == set(FEATURES)
    assert {name.split(".")[1] for name in found} <= set(app.blueprints)


def test_the_factory_writes_nothing(tmp_path, samples):
    app = create_app(samples.make_settings(f"sqlite:///{tmp_path / 'new' / 'portal.db'}", tmp_path))
    assert list(tmp_path.iterdir()) == []
    upgrade(app)
    upgrade(app)
    with app.app_context():
        db.engine.dispose()
    assert (tmp_path / "new" / "portal.db").exists()


def test_the_migrations_make_exactly_the_models(store_app):
    with store_app.app_context():
        assert alembic.compare_metadata() == []


@pytest.mark.parametrize("engine", ["sqlite"])
def test_the_migrations_can_be_taken_back_and_made_again(app, engine):
    with app.app_context():
        with migrating():
            alembic.downgrade("v0001")
        assert "wearer" not in sa.inspect(db.engine).get_table_names()
        with migrating():
            alembic.upgrade()
        assert "wearer" in sa.inspect(db.engine).get_table_names()


def test_a_migration_keeps_what_hangs_on_a_table_it_makes_anew(store_app, store_gateway, samples):
    """Dropping the old table must not delete, by its cascades, the contacts and states that point at it."""
    store_gateway.send(samples.ROSTER, samples.at_home())
    with store_app.app_context():
        before = _counts("wearer", "wearer_contact", "wearer_state", "role_grant", "user_account")
        db.session.close()
        with migrating():
            alembic.downgrade("v0009")
            alembic.upgrade()
        assert _counts("wearer", "wearer_contact", "wearer_state", "role_grant", "user_account") == before
        users = db.session.scalars(sa.select(User)).all()
        assert {user.viewer.community for user in users} == {"xinhe", ""}
    assert min(before) > 0


def _counts(*tables: str) -> list[int]:
    return [db.session.scalar(sa.text(f"SELECT count(*) FROM {table}")) for table in tables]


def test_sqlite_is_hardened(app):
    with app.app_context(), db.engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        ]
    assert values == ["wal", 1, 2, 10_000]


def test_times_come_back_in_utc_and_naive_ones_are_refused(store_app, samples):
    kind = UtcDateTime()
    with store_app.app_context():
        dialect = db.engine.dialect
    with pytest.raises(ValueError, match="naive"):
        kind.process_bind_param(samples.NOW.replace(tzinfo=None), dialect)
    assert kind.process_result_value(kind.process_bind_param(samples.NOW, dialect), dialect) == samples.NOW


def test_writing_commits_at_the_end_and_nothing_on_an_error(store_app):
    def add(code: str) -> None:
        with writing() as session:
            session.add(Organisation(code=code, name=code, kind="community"))
            if code == "bad":
                raise RuntimeError

    with store_app.app_context():
        add("good")
        with pytest.raises(RuntimeError):
            add("bad")
        codes = set(db.session.scalars(sa.select(Organisation.code)))
    assert "good" in codes
    assert "bad" not in codes


def test_every_answer_carries_the_headers_that_protect_it(app, people):
    for path in ("/", "/login", "/nothing-here", "/care/", "/static/css/care.css", "/healthz"):
        with people["staff"].get(path) as answer:
            headers = answer.headers
        assert "default-src 'self'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin", path


def test_no_page_of_care_or_people_has_anything_inline():
    inline = re.compile(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|javascript:|https?://", re.IGNORECASE)
    for page in [*ROOT.glob("care/templates/**/*.html"), *ROOT.glob("people/templates/**/*.html")]:
        assert inline.search(page.read_text("utf-8")) is None, page.name


def test_words_a_program_fills_in_keep_the_place_where(people):
    page = people["staff"].get("/care/alarms/").text
    held = re.findall(r'data-(?:lost|off)="([^"]*)"', page)
    assert [words.count("%s") for words in held] == [1, 1]


def test_an_unknown_address_is_said_in_words_to_people_and_in_json_to_machines(client):
    page = client.get("/nothing-here")
    assert page.status_code == 404
    assert "这里没有您要找的内容" in page.text
    assert client.get("/api/nothing-here").json == {"error": "Not Found"}


def test_health_is_told_without_an_account(client):
    assert client.get("/healthz").json == {"status": "ok"}


# ---------------------------------------------------------------- policy, pure


def test_policies_decide_as_they_say():
    guardian = Viewer(user=1, roles=frozenset({Role.GUARDIAN}))
    staff = Viewer(user=2, roles=frozenset({Role.STAFF, Role.RESIDENT}))
    desk = only(Role.STAFF, Role.ADMIN)
    assert judge(None, staff) is Verdict.NOT_FOUND
    assert judge(CLOSED, staff) is Verdict.NOT_FOUND
    assert judge(Policy(anyone=True), NOBODY) is Verdict.ALLOWED
    assert judge(SIGNED_IN, NOBODY) is Verdict.SIGN_IN
    assert judge(SIGNED_IN, guardian) is Verdict.ALLOWED
    assert judge(desk, NOBODY) is Verdict.SIGN_IN
    assert judge(desk, guardian) is Verdict.NOT_FOUND
    assert judge(desk, staff) is Verdict.ALLOWED


def test_declaring_a_policy_leaves_the_view_as_it_was():
    def view() -> str:
        return "page"

    assert declare(SIGNED_IN)(view) is view
    assert declared(view) is SIGNED_IN
    assert declared(lambda: None) is None


@pytest.mark.parametrize(
    ("viewer", "sees"),
    [
        (NOBODY, False),
        (Viewer(user=1, community="a", phone="+86138", roles=frozenset({Role.RESIDENT})), False),
        (Viewer(user=1, community="a", roles=frozenset({Role.STAFF})), True),
        (Viewer(user=1, community="a", roles=frozenset({Role.GRID_WORKER})), True),
        (Viewer(user=1, community="b", roles=frozenset({Role.STAFF})), False),
        (Viewer(user=1, community="", roles=frozenset({Role.ADMIN})), False),
        (Viewer(user=1, community="b", phone="+86138", roles=frozenset({Role.GUARDIAN})), True),
        (Viewer(user=1, community="a", phone="+86139", roles=frozenset({Role.GUARDIAN})), False),
        (Viewer(user=1, community="a", phone="", roles=frozenset({Role.GUARDIAN})), False),
    ],
)
def test_who_sees_a_wearer(viewer, sees):
    facts = Facts(community="a", contact_phones=frozenset({"+86138", "+86137"}))
    assert sees_wearer(viewer, facts) is sees


@pytest.mark.parametrize(
    ("viewer", "may"),
    [
        (NOBODY, False),
        (Viewer(user=1, community="a", phone="+86138", roles=frozenset({Role.RESIDENT})), False),
        (Viewer(user=1, community="a", roles=frozenset({Role.STAFF})), True),
        (Viewer(user=1, community="b", roles=frozenset({Role.STAFF})), False),
        (Viewer(community="a", roles=frozenset({Role.STAFF})), False),
        (Viewer(user=1, community="a", roles=frozenset({Role.GRID_WORKER})), False),
        (Viewer(user=1, community="a", roles=frozenset({Role.ADMIN})), False),
        (Viewer(user=1, community="a", phone="+86138", roles=frozenset({Role.GRID_WORKER})), False),
        (Viewer(user=1, community="b", phone="+86138", roles=frozenset({Role.GUARDIAN})), True),
        (Viewer(user=1, community="a", phone="+86139", roles=frozenset({Role.GUARDIAN})), False),
        (Viewer(user=1, community="a", phone="", roles=frozenset({Role.GUARDIAN})), False),
    ],
)
def test_who_gives_orders_to_a_band(viewer, may):
    facts = Facts(community="a", contact_phones=frozenset({"+86138", "+86137"}))
    assert commands_band(viewer, facts) is may
    assert not may or sees_wearer(viewer, facts)


def test_policy_is_pure():
    """The policies import nothing that could look anything up."""
    tree = ast.parse((ROOT / "policy.py").read_text("utf-8"))
    modules = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules <= {"__future__", "collections", "dataclasses", "enum", "typing"}


def test_every_model_has_a_migration_table():
    tables = set(Model.metadata.tables)
    assert {"wearer", "incident", "change", "user_account"} <= tables
