"""Accounts in a real browser: a passkey, an authenticator, a code, a card; nothing is blocked."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask_security import hash_password
from passlib.totp import TOTP

from portal.db import writing
from portal.people.models import Grant, Organisation, Resident, Role, User
from portal.words import now

from .conftest import AXE, PHONES

pytestmark = pytest.mark.slow

SHOTS = Path(__file__).parents[2] / "tests" / "browser" / "shots"
PHONE, PASSWORD = "13912340001", "four words of mine"
WATCH = """addEventListener("securitypolicyviolation",
  (event) => console.error(`refused: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"""
VIEWS = {
    "phone": {"viewport": {"width": 390, "height": 844}},
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    "elder": {"viewport": {"width": 390, "height": 844}},
    "english": {"viewport": {"width": 390, "height": 844}},
}


@pytest.fixture
def clerk(app) -> None:
    """An account of the staff that is none of the demonstration's, and a resident without a telephone."""
    with app.app_context(), writing() as session:
        place = session.scalars(sa.select(Organisation).where(Organisation.kind == "committee")).one()
        roles = {role.name: role for role in session.scalars(sa.select(Role))}
        user = User(phone="+86" + PHONE, name="方芳", password=hash_password(PASSWORD), active=True)
        user.fs_uniquifier = uuid.uuid4().hex
        user.grants = [Grant(role=roles[name], organisation=place) for name in ("staff", "resident")]
        session.add_all(
            [user, Resident(community="xinhe", name="孙大爷", created_at=now(), changed_at=now())]
        )


@pytest.fixture
def house(address: str) -> str:
    """The same portal under a name: passkeys belong to names, never to numbers."""
    return address.replace("127.0.0.1", "localhost")


class Person:
    """Somebody at a browser, whose every complaint is kept."""

    def __init__(self, chromium, house: str, view: str = "phone") -> None:
        self.house, self.view = house, view
        self.context = chromium.new_context(base_url=house, **VIEWS[view])
        self.context.add_init_script(WATCH)
        if view == "elder":
            self.context.add_cookies([{"name": "display", "value": "elder-24", "url": house}])
        self.complaints: list[str] = []
        self.page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if view == "english":
            self.page.goto("/login")
            self.page.evaluate(
                "fetch('/language', {method: 'POST', body: new URLSearchParams({language: 'en',"
                " csrf_token: document.querySelector('[name=csrf_token]').value})})"
            )

    def _hear(self, message) -> None:
        if message.type in {"error", "warning"} and "a status of 4" not in message.text:
            self.complaints.append(message.text)

    def sign_in(self, phone: str = PHONE, password: str = PASSWORD) -> None:
        self.page.goto("/login")
        self.page.fill("#phone", phone)
        self.page.fill("#password", password)
        self.page.click("main form button[type=submit]")

    def look(self, name: str) -> None:
        """Nothing was refused so far, axe finds nothing, nothing is too wide; takes the picture."""
        assert (name, self.complaints) == (name, [])
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"accounts-{name}-{self.view}.png", full_page=True)
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
        assert (name, found) == (name, [])
        width = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (name, width) == (name, 0)
        self.complaints.clear()  # axe itself is refused its inline styles

    def press(self, words: str) -> None:
        self.page.get_by_role("button", name=words, exact=True).click()


def test_a_passkey_opens_the_office_and_is_asked_for_at_the_next_sign_in(clerk, house, chromium):
    person = Person(chromium, house)
    page = person.page
    line = person.context.new_cdp_session(page)
    line.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}
    key = line.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    person.sign_in()
    page.goto("/care/")
    page.wait_for_url("**/me/second-factor")
    person.look("second-factor")
    page.goto("/me/passkeys")
    person.look("passkeys")
    page.fill("#name", "值班电脑")
    person.press("添加通行密钥")
    page.wait_for_url("**/me/recovery-codes")
    assert len(line.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]) == 1
    person.press("生成恢复码")
    person.look("recovery-codes")
    page.goto("/care/alarms/")
    assert page.url.endswith("/care/alarms/")
    page.goto("/me/security")
    person.look("security")
    page.goto("/me/")
    person.press("退出登录")

    person.sign_in()
    page.wait_for_url("**/login/passkey**")
    person.look("passkey")
    person.press("用通行密钥")
    page.wait_for_url(f"{house}/")
    page.goto("/care/")
    assert page.url.endswith("/care/")
    person.context.close()


def test_an_authenticator_is_set_up_by_its_key(clerk, house, chromium):
    person = Person(chromium, house)
    person.sign_in()
    person.page.goto("/me/second-factor")
    person.press("用验证器应用")
    person.look("authenticator")
    person.page.click("summary")
    key = person.page.inner_text(".key")
    person.page.fill("#code", TOTP(key=key.replace(" ", "")).generate().token)
    person.press("确认")
    person.page.wait_for_url("**/me/recovery-codes")
    person.context.close()


@pytest.mark.parametrize("view", list(VIEWS))
def test_the_pages_of_an_account_look_right(app, gateway, house, chromium, view):
    gateway.send()
    person = Person(chromium, house, view)
    page = person.page
    page.goto("/login")
    person.look("login")
    page.goto("/login/code")
    page.fill("#identity", "138 0013 8002")
    page.click("main form button[type=submit]")
    page.wait_for_selector("#passcode")
    person.look("code")
    text = [order["text"] for order in gateway.commands() if order["name"] == "send_text"][-1]
    page.fill("#passcode", re.search(r"\d{6}", text).group())
    page.click("main form button[type=submit]")
    page.wait_for_url(f"{house}/")
    for name in ("security", "sign-ins", "password", "phone", "close"):
        page.goto(f"/me/{name}")
        person.look(name)
    person.context.close()


def test_a_card_is_made_printed_and_used(clerk, house, chromium):
    person = Person(chromium, house, "desktop")
    page = person.page
    person.sign_in(PHONES["staff"], "shouwang-demo")
    page.goto("/desk/cards/")
    page.fill("#name", "孙")
    person.press("查找")
    person.look("cards")
    row = page.get_by_role("listitem").filter(has_text="孙大爷")
    row.get_by_role("button", name="办卡", exact=True).click()
    person.look("card")
    pin = page.inner_text(".pin").replace(" ", "")
    page.goto("/desk/cards/?name=孙")
    assert page.get_by_role("button", name="作废").is_visible()
    assert re.fullmatch(r"\d{6}", pin)
    person.context.close()
