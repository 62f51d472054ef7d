"""Sign-ins that can be seen and ended, and what ends them by itself."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.care.models import Change
from portal.db import db, writing
from portal.people.account_models import SignIn
from portal.people.models import Grant, User
from portal.people.sign_ins import browser_of, masked
from portal.settings import MAX_POLLS, PAGE_THREADS

from .conftest import NOW, PHONES, Browser, Gateway

CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36"
NEW = {"new_password": "a new one 7", "new_password_confirm": "a new one 7"}


def person(app, role: str = "guardian", *, kept: bool = False) -> Browser:
    browser = Browser(app)
    more = {"remember": "y"} if kept else {}
    browser.post("/login", phone=PHONES[role], password="shouwang-demo", **more)
    assert browser.get("/me/").status_code == 200
    return browser


def signed_in(browser: Browser) -> bool:
    return browser.get("/me/").status_code == 200


def later(app, **time: float) -> None:
    at = NOW + timedelta(**time)
    app.config["NOW"] = lambda: at


def wait_until(true) -> None:
    ends_at = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends_at, db.engine.pool.status()
        time.sleep(0.01)


def cookie(browser: Browser) -> str:
    return browser.client.get_cookie("shouwang").value


def test_the_page_names_browser_network_and_way(store_app):
    browser = Browser(store_app)
    browser.client.environ_base |= {"HTTP_USER_AGENT": CHROME, "REMOTE_ADDR": "203.0.113.77"}
    browser.sign_in(PHONES["guardian"])
    page = browser.get("/me/sign-ins").text
    assert "Chrome · Android" in page
    assert "203.0.*.*" in page
    assert "203.0.113.77" not in page
    assert "就是这台" in page
    browser.get("/")
    assert "个人身份" in browser.get("/me/sign-ins").text
    assert "工作身份" in person(store_app, "staff").get("/me/sign-ins").text


def test_as_many_at_once_as_there_are_threads_do_not_wait_for_each_other_for_ever(store_app):
    """Each notes that the sign-in is in use, in a session beside its own, while somebody holds that row."""
    known = {"Cookie": f"shouwang={cookie(person(store_app))}"}
    later(store_app, hours=1)
    count = PAGE_THREADS + MAX_POLLS
    with store_app.app_context(), ThreadPoolExecutor(count) as threads:
        with writing() as holding:
            holding.execute(sa.update(SignIn).values(way=SignIn.way))
            clients = [store_app.test_client(use_cookies=False) for _ in range(count)]
            asked = [threads.submit(client.get, "/me/", headers=known) for client in clients]
            wait_until(lambda: db.engine.pool.checkedout() == 2 * count)
        assert {one.result().status_code for one in asked} == {200}


def test_ending_one_signs_that_browser_out_at_its_next_request(store_app):
    mine, other = person(store_app), person(store_app)
    found = re.search(r'action="(/me/sign-ins/\d+/end)"', mine.get("/me/sign-ins").text).group(1)
    with store_app.app_context():
        before = db.session.scalar(sa.select(sa.func.count()).where(Change.topic == "account"))
    assert mine.post(found).status_code == 302
    with store_app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).where(Change.topic == "account")) == before + 1
    assert not signed_in(other)
    assert signed_in(mine)


def test_ending_all_others_leaves_this_one(store_app):
    mine, others = person(store_app), [person(store_app) for _ in range(3)]
    mine.post("/me/sign-ins/end-others")
    assert [signed_in(other) for other in others] == [False] * 3
    assert signed_in(mine)


def test_nobody_ends_a_sign_in_of_somebody_else(store_app):
    person(store_app)
    with store_app.app_context():
        other = db.session.scalars(sa.select(SignIn.id)).first()
    assert person(store_app, "resident").post(f"/me/sign-ins/{other}/end").status_code == 404
    assert person(store_app, "resident").post(f"/me/sign-ins/{10**12}/end").status_code == 404


def test_a_cookie_from_before_signing_out_is_worth_nothing(store_app):
    browser = person(store_app)
    old = cookie(browser)
    browser.post("/logout")
    thief = Browser(store_app)
    thief.client.set_cookie("shouwang", old)
    assert not signed_in(thief)


def test_a_session_planted_before_signing_in_is_not_the_one_after(store_app):
    """Session fixation: neither the cookie nor anything put into it by somebody else lives on."""
    browser = Browser(store_app)
    browser.get("/login")
    with browser.client.session_transaction() as session:
        session |= {"sign_in": "planted", "capacity": "99", "code:x": "seen", "language": "zh"}
    planted = cookie(browser)
    token = browser.token()
    browser.sign_in(PHONES["guardian"])
    with browser.client.session_transaction() as session:
        assert session["sign_in"] != "planted"
        assert not {"capacity", "code:x"} & set(session)
        assert session["language"] == "zh"
    attacker = Browser(store_app)
    attacker.client.set_cookie("shouwang", planted)
    assert not signed_in(attacker)
    assert browser.post("/me/sign-ins/end-others", token=token).status_code == 400


def test_the_store_holds_no_name_that_signs_in(store_app):
    browser = person(store_app)
    with browser.client.session_transaction() as session:
        name = session["sign_in"]
    with store_app.app_context():
        assert name not in db.session.scalars(sa.select(SignIn.digest)).all()


@pytest.mark.parametrize(
    ("role", "kept", "idle", "over"),
    [
        ("staff", True, {"minutes": 59}, {"minutes": 61}),
        ("guardian", False, {"hours": 11}, {"hours": 13}),
        ("guardian", True, {"days": 59}, {"days": 61}),
    ],
)
def test_a_sign_in_lies_idle_only_so_long_and_shorter_in_an_office(app, role, kept, idle, over):
    browser = person(app, role, kept=kept)
    later(app, **idle)
    assert signed_in(browser)
    browser = person(app, role, kept=kept)
    at = app.config["NOW"]() + timedelta(**over)
    app.config["NOW"] = lambda: at
    assert not signed_in(browser)


@pytest.mark.parametrize(("role", "hours"), [("staff", 12), ("guardian", 24)])
def test_a_sign_in_in_use_ends_at_its_absolute_limit(app, role, hours):
    browser = person(app, role)
    for half in range(1, 2 * hours):
        later(app, hours=half / 2)
        assert signed_in(browser), half
    later(app, hours=hours, minutes=1)
    assert not signed_in(browser)


def test_only_a_kept_sign_in_outlives_the_browser(app):
    for kept in (True, False):
        browser = Browser(app)
        more = {"remember": "y"} if kept else {}
        answer = browser.post("/login", phone=PHONES["guardian"], password="shouwang-demo", **more)
        [set_cookie] = answer.headers.getlist("Set-Cookie")
        assert ("Expires=" in set_cookie) is kept


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(app):
    app.config["SESSION_COOKIE_SECURE"] = True
    answer = Browser(app).client.get("/login", base_url="https://portal.example")
    for set_cookie in answer.headers.getlist("Set-Cookie"):
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(set_cookie.split("; "))


def test_a_new_password_signs_every_other_device_out(store_app):
    Gateway(store_app).send()
    mine, other = person(store_app), person(store_app)
    wrong = mine.post("/me/password", password="x", **NEW)
    assert "密码不对" in wrong.text
    answer = mine.post("/me/password", password="shouwang-demo", **NEW)
    assert answer.location == "/me/security"
    assert signed_in(mine)
    assert not signed_in(other)
    Browser(store_app).sign_in(PHONES["guardian"], "a new one 7")


def test_failures_in_a_row_lock_the_password_for_longer_and_longer_and_the_owner_is_texted(store_app):
    gateway = Gateway(store_app)
    gateway.send()

    def attempt(password: str) -> int:
        return Browser(store_app).post("/login", phone=PHONES["guardian"], password=password).status_code

    for _ in range(5):
        assert attempt("guess") == 200
    assert attempt("shouwang-demo") == 200
    texts = [order for order in gateway.commands() if order["name"] == "send_text"]
    assert [(text["phone"], text["purpose"]) for text in texts] == [(PHONES["guardian"], "notice")]
    later(store_app, minutes=1.1)
    assert attempt("guess") == 200
    later(store_app, minutes=2.2)
    assert attempt("shouwang-demo") == 200
    later(store_app, minutes=3.2)
    assert attempt("shouwang-demo") == 302
    with store_app.app_context():
        query = sa.select(User.failed_sign_ins, User.locked_until).where(User.phone == PHONES["guardian"])
        assert db.session.execute(query).one() == (0, None)


def test_a_locked_password_leaves_the_code_by_text(store_app):
    gateway = Gateway(store_app)
    gateway.send()
    for _ in range(6):
        Browser(store_app).post("/login", phone=PHONES["guardian"], password="guess")
    browser = Browser(store_app)
    browser.post("/login/code/send", identity=PHONES["guardian"])
    text = [order["text"] for order in gateway.commands() if order["purpose"] == "code"][-1]
    code = re.search(r"\d{6}", text).group()
    browser.post("/login/code", identity=PHONES["guardian"], passcode=code)
    assert signed_in(browser)


# ---------------------------------------------------------------- number and closing


def test_another_number_is_proved_and_the_old_one_told(store_app):
    gateway = Gateway(store_app)
    gateway.send()
    browser = person(store_app)
    assert browser.post("/me/phone", phone="139 8888 0001").location == "/me/phone/code"
    text = gateway.commands()[-1]
    assert text["phone"] == "+8613988880001"
    code = re.search(r"\d{6}", text["text"]).group()
    assert browser.post("/me/phone/code", code="000000").status_code == 422
    assert browser.post("/me/phone/code", code=code).location == "/me/security"
    notice = gateway.commands()[-1]
    assert (notice["phone"], notice["purpose"]) == (PHONES["guardian"], "notice")
    Browser(store_app).sign_in("13988880001")


def test_a_number_that_has_an_account_is_not_taken_over(store_app):
    gateway = Gateway(store_app)
    gateway.send()
    browser = person(store_app)
    browser.post("/me/phone", phone=PHONES["resident"])
    code = re.search(r"\d{6}", gateway.commands()[-1]["text"]).group()
    assert "已经有账号了" in browser.post("/me/phone/code", code=code).text


def test_a_closed_account_names_nobody_and_lets_nobody_in(store_app):
    browser = person(store_app)
    assert browser.post("/me/close").status_code == 422
    assert browser.post("/me/close", sure="yes").status_code == 302
    assert not signed_in(browser)
    again = Browser(store_app).post("/login", phone=PHONES["guardian"], password="shouwang-demo")
    assert again.status_code == 200
    with store_app.app_context():
        [closed] = db.session.scalars(sa.select(User).where(User.closed_at.is_not(None)))
        assert (closed.name, closed.phone, closed.active) == ("已注销", None, False)
        assert db.session.scalars(sa.select(Grant).where(Grant.user_id == closed.id)).all() == []


def test_the_last_administrator_stays(store_app):
    assert "唯一的管理员" in person(store_app, "admin").post("/me/close", sure="yes").text


# ---------------------------------------------------------------- pure


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.77", "203.0.*.*"),
        ("2001:db8::1", "2001:0db8:*"),
        ("::1", "0000:0000:*"),
        (None, ""),
        ("no address", ""),
    ],
)
def test_an_address_loses_what_names_one_device(address, expected):
    assert masked(address) == expected


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (CHROME, "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0", "微信 · iPhone"),
        ("curl/8.0", ""),
    ],
)
def test_a_browser_is_named_in_a_few_words(agent, expected):
    assert browser_of(agent) == expected
