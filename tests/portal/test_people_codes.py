"""Signing in, and making an account, with a code that the gateway texts."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import url_for

from gateway.told import CommandDone
from portal.care.models import Command
from portal.db import db
from portal.people import signup
from portal.people.account_models import PhoneCode, SignIn
from portal.people.models import User
from portal.policy import ANYONE, declare

from .conftest import NOW, PHONES, Browser, Gateway

DAUGHTER = "13800138002"
STRANGER = "13912345678"


@pytest.fixture
def store_app(store_app):
    """A portal with a page that invites, as those of the register do."""

    @store_app.get("/an-invitation")
    @declare(ANYONE)
    def follow():
        return signup.invite("/me/?from=invitation", name="赵敏")

    return store_app


@pytest.fixture
def heard(store_gateway: Gateway) -> Gateway:
    """A gateway that was heard just now."""
    store_gateway.send()
    return store_gateway


def texts_of(gateway: Gateway, after: int = 0) -> list[dict]:
    return [order for order in gateway.commands(after) if order["name"] == "send_text"]


def ask(browser: Browser, phone: str):
    return browser.post("/login/code/send", identity=phone)


def digits(gateway: Gateway) -> str:
    return re.search(r"\d{6}", texts_of(gateway)[-1]["text"]).group()


def enter(browser: Browser, phone: str, code: str, **more):
    return browser.post("/login/code", identity=phone, passcode=code, **more)


def signed_in(browser: Browser) -> bool:
    return browser.get("/me/").status_code == 200


def later(app, minutes: float) -> None:
    at = NOW + timedelta(minutes=minutes)
    app.config["NOW"] = lambda: at


def test_a_code_by_text_signs_in(store_app, heard):
    browser = Browser(store_app)
    assert ask(browser, "138 0013 8002").status_code == 200
    order = texts_of(heard)[0]
    assert order["phone"] == PHONES["guardian"]
    assert order["purpose"] == "code"
    assert order["until"] == "2026-11-23T06:05:00Z"
    answer = enter(browser, "+86" + DAUGHTER, digits(heard))
    assert (answer.status_code, answer.location) == (302, "/")
    assert signed_in(browser)


def test_the_answer_is_the_same_without_an_account_and_nothing_is_sent(store_app, heard):
    known, unknown = ask(Browser(store_app), DAUGHTER), ask(Browser(store_app), STRANGER)
    assert unknown.status_code == known.status_code

    def plain(page: str, phone: str) -> str:
        page = re.sub(r'name="csrf_token" value="[^"]+"', "", page)
        return page.replace(phone, "NUMBER")

    assert plain(unknown.text, STRANGER) == plain(known.text, DAUGHTER)
    assert [order["phone"] for order in texts_of(heard)] == [PHONES["guardian"]]
    wrong = enter(Browser(store_app), STRANGER, "123456").text
    assert plain(wrong, STRANGER) == plain(enter(Browser(store_app), DAUGHTER, "000000").text, DAUGHTER)


def test_a_code_is_taken_once(store_app, heard):
    browser = Browser(store_app)
    ask(browser, DAUGHTER)
    code = digits(heard)
    enter(browser, DAUGHTER, code)
    second = Browser(store_app)
    assert "验证码不对" in enter(second, DAUGHTER, code).text
    assert not signed_in(second)


def test_a_code_is_worth_nothing_after_five_minutes(store_app, heard):
    browser = Browser(store_app)
    ask(browser, DAUGHTER)
    code = digits(heard)
    later(store_app, 5.01)
    enter(browser, DAUGHTER, code)
    assert not signed_in(browser)


def test_only_the_newest_code_counts(store_app, heard):
    browser = Browser(store_app)
    ask(browser, DAUGHTER)
    first = digits(heard)
    later(store_app, 1.1)
    ask(browser, DAUGHTER)
    newest = digits(heard)
    assert newest != first
    enter(browser, DAUGHTER, first)
    assert not signed_in(browser)
    enter(browser, DAUGHTER, newest)
    assert signed_in(browser)


def test_after_five_wrong_tries_the_right_code_is_refused(store_app, heard):
    browser = Browser(store_app)
    ask(browser, DAUGHTER)
    code = digits(heard)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for _ in range(5):
        enter(browser, DAUGHTER, wrong)
    enter(browser, DAUGHTER, code)
    assert not signed_in(browser)


def test_a_number_is_sent_one_code_a_minute_and_five_an_hour(store_app, heard):
    ask(Browser(store_app), DAUGHTER)
    soon = ask(Browser(store_app), DAUGHTER)
    assert "请 60 秒后再要" in soon.text
    for minute in range(2, 10, 2):
        later(store_app, minute)
        heard.send()
        ask(Browser(store_app), DAUGHTER)
    later(store_app, 12)
    heard.send()
    assert "请 48 分钟后再试" in ask(Browser(store_app), DAUGHTER).text
    assert len(texts_of(heard)) == 5


def test_an_address_is_bounded_whatever_numbers_it_names(store_app, heard):
    with store_app.app_context():
        before = db.session.scalar(sa.select(sa.func.count()).select_from(PhoneCode))
    answers = [ask(Browser(store_app), f"139123{number:05}").status_code for number in range(12)]
    assert answers[:10] == [200] * 10
    assert answers[-1] == 429
    with store_app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(PhoneCode)) - before == 10


def test_without_a_gateway_the_page_says_so_and_offers_the_password(store_app):
    answer = ask(Browser(store_app), DAUGHTER)
    assert "短信现在发不出去。请用密码登录" in answer.text
    assert 'href="/login"' in answer.text
    with store_app.app_context():
        assert db.session.scalars(sa.select(Command)).all() == []


def test_a_gateway_not_heard_for_long_is_asked_nothing(store_app, heard):
    later(store_app, 10)
    assert "短信现在发不出去" in ask(Browser(store_app), DAUGHTER).text


def test_the_code_stands_in_no_log_and_leaves_the_store_when_it_was_sent(store_app, heard, caplog):
    caplog.set_level(logging.DEBUG)
    ask(Browser(store_app), DAUGHTER)
    code = digits(heard)
    heard.send(CommandDone(command=texts_of(heard)[0]["command"], done=True, reason=""))
    with store_app.app_context():
        body = db.session.scalars(sa.select(Command.body)).one()
        rows = db.session.scalars(sa.select(PhoneCode)).all()
    assert code not in body
    assert all(code not in row.secret for row in rows)
    assert code not in caplog.text


def test_a_demonstration_account_gets_no_code_while_the_portal_is_live(store_app, heard):
    from msgspec.structs import replace

    store_app.config["PORTAL"] = replace(store_app.config["PORTAL"], mode="live")
    assert ask(Browser(store_app), DAUGHTER).status_code == 200
    assert texts_of(heard) == []


def test_what_is_no_number_is_said_and_kept(store_app, heard):
    answer = ask(Browser(store_app), "12345")
    assert "这不是完整的手机号" in answer.text
    assert 'value="12345"' in answer.text


# ---------------------------------------------------------------- making an account


@pytest.fixture
def invited(store_app) -> Browser:
    """A browser that followed an invitation."""
    browser = Browser(store_app)
    answer = browser.get("/an-invitation")
    with store_app.test_request_context():
        assert answer.location == url_for("signup.number")
    return browser


def test_an_invited_browser_makes_an_account_with_a_code_and_goes_on(store_app, heard, invited):
    assert 'value="赵敏"' in invited.get("/join/number").text
    assert invited.post("/join/number", name="赵敏", phone=STRANGER).location == "/join/code"
    wrong = invited.post("/join/code", code="000000")
    assert wrong.status_code == 422
    answer = invited.post("/join/code", code=digits(heard))
    assert answer.location == "/me/?from=invitation"
    assert signed_in(invited)
    with store_app.app_context():
        made = db.session.scalars(sa.select(User).where(User.phone == "+86" + STRANGER)).one()
        assert (made.name, made.password, made.grants) == ("赵敏", None, [])
        assert db.session.scalars(sa.select(SignIn.way).where(SignIn.user_id == made.id)).all() == ["sign_up"]


def test_whoever_has_an_account_already_is_signed_in_to_it(store_app, heard, invited):
    invited.post("/join/number", name="赵敏", phone=DAUGHTER)
    invited.post("/join/code", code=digits(heard))
    assert "李晓梅" in invited.get("/me/").text


def test_nobody_makes_an_account_without_an_invitation(store_app, heard):
    browser = Browser(store_app)
    assert browser.get("/join/number").status_code == 404
    assert browser.post("/join/number", name="赵敏", phone=STRANGER).status_code == 404
    assert browser.post("/join/code", code="123456").status_code == 404


def test_a_code_to_sign_in_makes_no_account(store_app, heard, invited):
    ask(Browser(store_app), DAUGHTER)
    sign_in = digits(heard)
    later(store_app, 1.1)
    invited.post("/join/number", name="赵敏", phone=DAUGHTER)
    assert invited.post("/join/code", code=sign_in).status_code == 422


def test_an_incomplete_form_keeps_what_was_typed_and_names_the_fields(store_app, heard, invited):
    answer = invited.post("/join/number", name=" ", phone="1391234")
    assert answer.status_code == 422
    assert "请填写姓名" in answer.text
    assert 'value="1391234"' in answer.text
