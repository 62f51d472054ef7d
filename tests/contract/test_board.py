"""What every board keeps, whatever its file says: login, access, CSRF, an empty page that speaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from portal import create_app, demo
from portal.collect_vendor import ICONS
from portal.db import db, upgrade
from portal.posts.boards import boards
from portal.posts.models import Comment, Post, PostLike, PostRead
from portal.settings import PortalSettings

PHONES = {login.role.value: login.phone for login in demo.LOGINS}
MAP = Path(__file__).parents[2] / "data" / "seed"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("boards")
    settings = PortalSettings(
        mode="demo",
        community="xinhe",
        community_name="新河苑",
        map_dir=str(MAP),
        gateways={},
        database_url=f"sqlite:///{folder / 'portal.db'}",
        media_url=str(folder / "media"),
        secret_key="secret-key-for-tests-only-0123456789",
        password_salt="salt-for-tests-only-0123456789",
    )
    app = create_app(settings)
    upgrade(app)
    demo.seed(app)
    with app.app_context():
        for table in (Comment, PostLike, PostRead, Post):
            db.session.execute(sa.delete(table))
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


def token(page) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


@pytest.fixture(scope="module")
def signed_in(app):
    def make(role: str):
        client = app.test_client()
        client.post(
            "/login",
            data={
                "csrf_token": token(client.get("/login")),
                "phone": PHONES[role],
                "password": demo.DEMO_PASSWORD,
            },
        )
        return client

    return {role: make(role) for role in ("resident", "staff")}


every_board = pytest.mark.parametrize("name", list(boards()))


@every_board
def test_its_file_is_complete(name):
    board = boards()[name]
    assert board.icon in ICONS
    assert re.fullmatch(r"[a-z][a-z-]*", name)


@every_board
def test_it_is_open_to_whom_it_says(app, name):
    answer = app.test_client().get(f"/community/{name}/")
    if boards()[name].read == "anyone":
        assert answer.status_code == 200
    else:
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/login")


@every_board
def test_its_empty_page_says_what_will_be_here(signed_in, name):
    page = signed_in["resident"].get(f"/community/{name}/")
    assert page.status_code == 200
    assert boards()[name].empty["zh"] in page.text.replace("&#39;", "'")


@every_board
def test_only_its_writers_write(app, signed_in, name):
    assert app.test_client().get(f"/community/{name}/new").status_code == 302
    expected = 200 if boards()[name].write == "members" else 404
    assert signed_in["resident"].get(f"/community/{name}/new").status_code == expected
    assert signed_in["staff"].get(f"/community/{name}/new").status_code == 200


@every_board
def test_a_post_without_the_token_is_refused(app, signed_in, name):
    fields = {"title": "x", "body": "x", "do": "publish"}
    assert signed_in["staff"].post(f"/community/{name}/new", data=fields).status_code == 400
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Post)) == 0


@every_board
def test_its_page_has_one_heading_and_a_way_past_the_menu(signed_in, name):
    page = signed_in["resident"].get(f"/community/{name}/").text
    assert len(re.findall(r"<h1[ >]", page)) == 1
    assert 'class="skip" href="#main"' in page
