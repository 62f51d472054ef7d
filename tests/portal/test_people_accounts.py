"""Accounts: signing in by phone, sessions, limits, roles, the language of pages, the demonstration."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
import pytest
import sqlalchemy as sa

from portal import demo
from portal.db import db
from portal.people.models import Grant, Organisation, User, viewer_of
from portal.people.models import Role as StoredRole
from portal.policy import Role


@pytest.mark.parametrize(
    "typed", ["+8613800138002", "13800138002", "138 0013 8002", "138-0013-8002", "8613800138002"]
)
def test_a_phone_may_be_typed_as_people_type_it(browser, typed):
    browser.sign_in(typed)
    assert "李晓梅" in browser.get("/me/").text


@pytest.mark.parametrize(
    ("phone", "password"),
    [
        ("13800138002", "wrong"),
        ("13900000000", demo.DEMO_PASSWORD),
        ("", demo.DEMO_PASSWORD),
        ("x" * 50, "x"),
    ],
)
def test_a_wrong_phone_and_a_wrong_password_are_told_alike(browser, phone, password):
    answer = browser.post("/login", phone=phone, password=password)
    assert answer.status_code == 200
    assert "手机号或密码不对" in answer.text
    assert browser.get("/me/").status_code == 302


def test_passwords_are_kept_as_argon2(app):
    with app.app_context():
        kept = set(db.session.scalars(sa.select(User.password)))
    assert all(password.startswith("$argon2id$") for password in kept)


def test_a_page_for_accounts_sends_a_stranger_to_sign_in_and_back(browser):
    answer = browser.get("/care/alarms/")
    assert (answer.status_code, answer.location) == (302, "/login?next=/care/alarms/")
    token = browser.token()
    signed = browser.client.post(
        answer.location,
        data={"csrf_token": token, "phone": "13800138090", "password": demo.DEMO_PASSWORD},
    )
    assert signed.location == "/care/alarms/"


def stays(location: str) -> bool:
    """Whether a browser that follows this stays on the site; it reads a bare backslash as a slash."""
    parts = urlsplit(location.replace("\\", "/"))
    return not parts.scheme and not parts.netloc


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_nobody_is_sent_out_of_the_house(browser, target):
    signed = browser.client.post(
        f"/login?next={target}",
        data={"csrf_token": browser.token(), "phone": "13800138090", "password": demo.DEMO_PASSWORD},
    )
    assert stays(signed.headers.get("Location", "/"))
    switched = browser.post("/language", language="en", next=target)
    assert stays(switched.location)


def test_a_fetch_without_an_account_is_told_401_in_json(client):
    answer = client.get("/care/markers.json", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json) == (401, {"error": "sign_in"})


def test_the_session_cookie_is_out_of_reach_of_scripts_and_strangers(app, browser):
    token = browser.token()
    answer = browser.post("/login", token=token, phone="13800138090", password=demo.DEMO_PASSWORD)
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith("shouwang="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_over_https_the_cookies_are_secure(sqlite_url, tmp_path, samples):
    settings = msgspec.structs.replace(
        samples.make_settings(sqlite_url, tmp_path), public_url="https://portal.example"
    )
    app = samples.make_app(settings)
    assert app.config["SESSION_COOKIE_SECURE"]
    assert app.config["REMEMBER_COOKIE_SECURE"]


def test_every_form_needs_its_token(people):
    for path in ("/language", "/logout", "/login"):
        assert people["staff"].client.post(path, data={}).status_code in {302, 400}, path
    assert people["staff"].get("/me/").status_code == 200, "a forged sign-out signed nobody out"


def test_signing_out_ends_the_session(browser):
    browser.sign_in("13800138090")
    browser.post("/logout", token=browser.token("/me/"))
    assert browser.get("/me/").status_code == 302


def test_guessing_is_slowed_down(app, browser):
    token = browser.token()
    answers = [
        browser.post("/login", token=token, phone="13900000000", password="guess").status_code
        for _ in range(12)
    ]
    assert answers[:3] == [200, 200, 200]
    assert answers[-1] == 429


def test_an_account_that_was_closed_is_signed_out_at_once(app, people):
    staff = people["staff"]
    assert staff.get("/me/").status_code == 200
    with app.app_context():
        db.session.execute(sa.update(User).where(User.name == "周敏").values(active=False))
        db.session.commit()
    assert staff.get("/me/").status_code == 302


def test_the_language_is_chinese_until_it_is_switched(people):
    staff = people["staff"]
    assert 'lang="zh-Hans"' in staff.get("/me/").text
    staff.post("/language", language="en", next="/me/")
    assert 'lang="en"' in staff.get("/me/").text
    staff.post("/language", language="fr", next="/me/")
    assert 'lang="en"' in staff.get("/me/").text


def test_a_role_nobody_knows_grants_nothing():
    here = Organisation(id=1, code="xinhe", name="新河苑", kind="community", path="/1/", community="xinhe")
    held = [Grant(role=StoredRole(name=name), organisation=here) for name in ("staff", "emperor")]
    assert viewer_of(User(id=1, name="周敏", phone=""), held).roles == {Role.STAFF}


# ---------------------------------------------------------------- the demonstration


def test_there_is_an_account_of_each_role_and_seeding_again_adds_none(store_app):
    demo.seed(store_app)
    with store_app.app_context():
        users = list(db.session.scalars(sa.select(User)))
        assert len(users) == len(demo.LOGINS)
        assert {role for user in users for role in user.viewer.roles} == set(Role)
        above = {Role.STREET, Role.DISTRICT}
        for user in users:
            assert user.viewer.community == ("" if user.viewer.roles & above else "xinhe")


def test_the_demonstration_is_furnished_once(store_app):
    def rows():
        with store_app.app_context():
            tables = ("post", "case", "duty_turn", "user_account")
            return [db.session.scalar(sa.text(f'SELECT count(*) FROM "{table}"')) for table in tables]

    demo.fill_duty(store_app)
    once = rows()
    demo.seed(store_app)
    demo.fill_duty(store_app)
    assert rows() == once
    assert min(once) > 0


def live(sqlite_url, tmp_path, samples):
    return samples.make_app(msgspec.structs.replace(samples.make_settings(sqlite_url, tmp_path), mode="live"))


def test_a_live_portal_makes_no_demonstration_accounts(sqlite_url, tmp_path, samples):
    with pytest.raises(demo.DemoRefused):
        demo.seed(live(sqlite_url, tmp_path, samples))


def test_a_live_portal_lets_no_demonstration_account_in(sqlite_url, tmp_path, samples):
    app = live(sqlite_url, tmp_path, samples)
    browser = samples.Browser(app)
    answer = browser.post("/login", phone="13800138093", password=demo.DEMO_PASSWORD)
    assert "手机号或密码不对" in answer.text
    assert browser.get("/me/").status_code == 302


def test_a_session_of_a_demonstration_account_ends_when_the_portal_goes_live(
    sqlite_url, tmp_path, samples, people
):
    cookie = people["admin"].client.get_cookie("shouwang").value
    browser = samples.Browser(live(sqlite_url, tmp_path, samples))
    browser.client.set_cookie("shouwang", cookie)
    assert browser.get("/me/").status_code == 302


def test_every_page_of_a_demonstration_says_so(people, browser, sqlite_url, tmp_path, samples):
    assert "演示站点" in people["guardian"].get("/care/").text
    assert "演示站点" in browser.get("/login").text
    assert "演示站点" not in samples.Browser(live(sqlite_url, tmp_path, samples)).get("/login").text
