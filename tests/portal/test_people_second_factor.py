"""The second factor of an office: compulsory, set up at once, asked for at every sign-in."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask_security import hash_password
from passlib.totp import TOTP

from portal.db import db, writing
from portal.people.models import Grant, Organisation, Role, User

from .conftest import Browser

PASSWORD = "four-words-of-mine"
PHONE = "13912340001"


def account(app, *roles: str) -> None:
    """An account of the real world, not of the demonstration."""
    with app.app_context(), writing() as session:
        place = session.scalars(sa.select(Organisation).where(Organisation.kind == "committee")).one()
        known = {role.name: role for role in session.scalars(sa.select(Role))}
        grants = [Grant(role=known[role], organisation=place) for role in roles]
        session.add(
            User(
                phone="+86" + PHONE,
                name="方芳",
                password=hash_password(PASSWORD),
                active=True,
                fs_uniquifier=uuid.uuid4().hex,
                grants=grants,
            )
        )


@pytest.fixture
def clerk(app) -> Browser:
    """Signed in, of the staff, and without a second factor."""
    account(app, "staff", "resident")
    return Browser(app).sign_in(PHONE, PASSWORD)


def set_up(browser: Browser, app) -> TOTP:
    """Set the authenticator up as a person does: read the key, type the digits."""
    token = browser.token("/me/second-factor")
    page = browser.post("/me/second-factor", token=token, setup="authenticator").text
    assert "data:image/svg+xml;base64," in page
    key = re.search(r'class="key">([^<]+)<', page).group(1)
    totp = TOTP(key=key.replace(" ", ""))
    answer = browser.post("/login/second", token=token, code=digits(totp, app))
    assert answer.location == "/me/recovery-codes", answer.text
    return totp


def digits(totp: TOTP, app) -> str:
    return totp.generate(time=app.config["NOW"]()).token


def later(app, minutes: float) -> None:
    at = app.config["NOW"]() + timedelta(minutes=minutes)
    app.config["NOW"] = lambda: at


def test_an_office_without_a_second_factor_is_led_to_set_one_up(clerk):
    for path in ("/care/", "/care/alarms/", "/me/", "/me/security", "/me/phone"):
        answer = clerk.get(path)
        assert (answer.status_code, answer.location) == (302, "/me/second-factor"), path
    assert "工作身份的页面打不开" in clerk.get("/me/second-factor").text


def test_a_program_is_told_what_is_missing(clerk):
    answer = clerk.get("/care/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json) == (401, {"error": "second_factor"})


def test_on_an_open_page_the_office_does_not_count_either(clerk):
    assert "/care/alarms/" not in clerk.get("/").text


def test_as_a_private_person_one_goes_on_without(clerk):
    assert clerk.post("/me/privately", token=clerk.token("/me/second-factor")).status_code == 302
    assert clerk.get("/me/").status_code == 200
    assert clerk.get("/care/alarms/").status_code == 404


def test_who_has_only_the_office_cannot_slip_past(app):
    account(app, "staff")
    browser = Browser(app).sign_in(PHONE, PASSWORD)
    answer = browser.post("/me/privately", token=browser.token("/me/second-factor"))
    assert answer.status_code == 404
    assert browser.get("/care/").location == "/me/second-factor"


def test_a_resident_and_the_demonstration_need_none(app, people):
    account(app, "resident")
    assert Browser(app).sign_in(PHONE, PASSWORD).get("/me/").status_code == 200
    assert people["staff"].get("/care/").status_code == 200


def test_an_authenticator_opens_the_office_and_is_asked_at_the_next_sign_in(app, clerk):
    totp = set_up(clerk, app)
    assert clerk.get("/care/").status_code == 200
    later(app, 2)
    again = Browser(app)
    answer = again.post("/login?next=/care/", phone=PHONE, password=PASSWORD)
    assert answer.location.startswith("/login/second")
    assert again.get("/care/").location.startswith("/login")
    answer = again.post(answer.location, token=again.token(answer.location), code=digits(totp, app))
    assert (answer.status_code, answer.location) == (302, "/care/")
    assert again.get("/care/").status_code == 200


def test_digits_of_the_authenticator_are_taken_once(app, clerk):
    totp = set_up(clerk, app)
    later(app, 2)
    code = digits(totp, app)
    for expected in (302, 200):
        browser = Browser(app)
        answer = browser.post("/login", phone=PHONE, password=PASSWORD)
        answer = browser.post("/login/second", token=browser.token(answer.location), code=code)
        assert answer.status_code == expected
    assert "已经用过" in answer.text


def test_wrong_digits_lock_the_account_after_a_few(app, clerk):
    totp = set_up(clerk, app)
    later(app, 2)
    browser = Browser(app)
    answer = browser.post("/login", phone=PHONE, password=PASSWORD)
    token = browser.token(answer.location)
    for _ in range(5):
        browser.post("/login/second", token=token, code="000000")
    assert browser.post("/login/second", token=token, code=digits(totp, app)).status_code == 200
    later(app, 2)
    assert browser.post("/login/second", token=token, code=digits(totp, app)).status_code == 302


def test_a_recovery_code_works_once_and_is_stored_sealed(app, clerk):
    set_up(clerk, app)
    page = clerk.post("/me/recovery-codes", token=clerk.token("/me/recovery-codes"), generate_new_codes="y")
    codes = re.findall(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}", page.text)
    assert len(set(codes)) == 8
    with app.app_context():
        kept = db.session.scalars(sa.select(User.mf_recovery_codes).where(User.phone == "+86" + PHONE)).one()
    assert not set(kept) & set(codes)
    for expected in (302, 200):
        browser = Browser(app)
        browser.post("/login", phone=PHONE, password=PASSWORD)
        answer = browser.post("/login/recovery", token=browser.token("/login/recovery"), code=codes[0])
        assert answer.status_code == expected


def test_what_guards_an_account_is_changed_only_shortly_after_signing_in(app, clerk):
    set_up(clerk, app)
    with clerk.client.session_transaction() as session:
        session["fs_paa"] = (datetime.now(UTC) - timedelta(hours=1)).timestamp()
        session.pop("fs_gexp", None)
    for path in ("/me/second-factor", "/me/passkeys", "/me/recovery-codes", "/me/phone", "/me/close"):
        assert clerk.get(path).location.startswith("/me/confirm?next="), path
    page = clerk.token("/me/confirm")
    answer = clerk.post("/me/confirm?next=/me/phone", token=page, password=PASSWORD)
    assert answer.location == "/me/phone"
    assert clerk.get("/me/phone").status_code == 200


def test_an_office_cannot_switch_its_second_factor_off(app, clerk):
    set_up(clerk, app)
    token = clerk.token("/me/second-factor")
    clerk.post("/me/second-factor", token=token, setup="disable")
    assert clerk.get("/care/").status_code == 200
    with app.app_context():
        kept = db.session.scalars(sa.select(User.tf_totp_secret).where(User.phone == "+86" + PHONE)).one()
    assert kept


def test_wrong_recovery_codes_lock_the_account_and_then_the_right_one_is_not_taken(app, clerk):
    set_up(clerk, app)
    page = clerk.post("/me/recovery-codes", token=clerk.token("/me/recovery-codes"), generate_new_codes="y")
    right = re.findall(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}", page.text)[0]
    browser = Browser(app)
    browser.post("/login", phone=PHONE, password=PASSWORD)
    token = browser.token("/login/recovery")
    for _ in range(5):
        refused = browser.post("/login/recovery", token=token, code="0000-0000-0000")
        assert (refused.status_code, "这个恢复码不对" in refused.text) == (200, True)
    with app.app_context():
        query = sa.select(User.failed_sign_ins, User.locked_until).where(User.phone == "+86" + PHONE)
        failures, until = db.session.execute(query).one()
    assert failures == 5
    assert until == app.config["NOW"]() + timedelta(minutes=1)
    locked = browser.post("/login/recovery", token=token, code=right)
    assert (locked.status_code, "这个恢复码不对" in locked.text) == (200, True)
    later(app, 1.1)
    assert browser.post("/login/recovery", token=token, code=right).status_code == 302
