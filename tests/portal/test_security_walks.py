"""Walks over every address of the portal: CSRF, strangers, redirects, hosts, headers."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import sqlalchemy as sa
from flask_security import hash_password

from portal.db import db, writing
from portal.people import organisations
from portal.people.models import Grant, Role, User
from portal.policy import NOBODY, Verdict, judge
from portal.security import csrf, policy_of

from .conftest import PHONES, Browser

PORTAL = Path(__file__).parents[2] / "portal"
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
BY_TOKEN = ("/api/gateway/", "/twilio/")
"""Doors of machines: they check a token or a signature, and no cookie."""
STRANGER = "+8613912349999"
OWNED = {"wearer_id", "incident_id", "search_id", "sign_in_id", "resident_id", "code"}
OPEN_REDIRECTS = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "javascript:alert(1)",
    " //evil.example",
    "/%09/evil.example",
)


def filled(rule) -> str:
    """An address of a rule: number 1, and a word where a word is wanted."""
    address = rule.rule
    for name, converter in rule._converters.items():
        value = "1" if type(converter).__name__ == "IntegerConverter" else "x"
        address = re.sub(rf"<[^<>]*\b{name}>", value, address)
    return address


def rules(app, methods: set[str]) -> list:
    return [rule for rule in app.url_map.iter_rules() if rule.methods & methods]


def exempt(app, endpoint: str) -> bool:
    view = app.view_functions[endpoint]
    return f"{view.__module__}.{view.__name__}" in csrf._exempt_views


def test_every_form_wants_its_token(app, people):
    """No unsafe method works without the token, whoever asks; machines carry a token of their own."""
    admin = people["admin"]
    walked = 0
    for rule in rules(app, UNSAFE):
        if rule.rule.startswith(BY_TOKEN) or exempt(app, rule.endpoint):
            continue
        for method in sorted(rule.methods & UNSAFE):
            answer = admin.client.open(filled(rule), method=method, data={})
            policy = policy_of(app, rule.endpoint)
            closed = policy is None or policy.closed
            assert answer.status_code in ({404, 400} if closed else {400, 404}), (method, rule.rule)
            assert answer.status_code != 200
            walked += 1
    assert walked > 40


def test_views_without_a_token_are_machines_or_bring_another_proof(app):
    found = {rule.rule for rule in rules(app, UNSAFE) if exempt(app, rule.endpoint)}
    for rule in found:
        assert rule.startswith((*BY_TOKEN, "/s/", "/api/v1/", "/open311/")), rule


@pytest.fixture
def stranger(app) -> Browser:
    """Staff of another community, in the same portal."""
    with app.app_context(), writing() as session:
        place = organisations.add(session, code="elsewhere", name="别处", kind="community")
        roles = {role.name: role for role in session.scalars(sa.select(Role))}
        grants = [Grant(role=roles[name], organisation=place) for name in ("staff", "admin", "grid_worker")]
        session.add(
            User(
                phone=STRANGER,
                name="外人",
                password=hash_password("far away and long"),
                active=True,
                fs_uniquifier=uuid.uuid4().hex,
                demo=True,
                grants=grants,
            )
        )
    return Browser(app).sign_in(STRANGER, "far away and long")


def test_what_belongs_to_somebody_is_not_there_for_staff_of_another_community(
    app, gateway, samples, stranger
):
    gateway.send(samples.ROSTER)
    _walk(app, stranger)


def test_what_belongs_to_somebody_is_not_there_for_a_neighbour(app, people):
    _walk(app, people["resident"])


def _walk(app, browser: Browser) -> None:
    walked = 0
    for rule in rules(app, {"GET"}):
        owned = rule.arguments & OWNED
        policy = policy_of(app, rule.endpoint)
        if not owned or policy is None or policy.anyone:
            continue
        answer = browser.get(filled(rule))
        assert answer.status_code == 404, rule.rule
        walked += 1
    assert walked > 5


@pytest.mark.parametrize("target", OPEN_REDIRECTS)
def test_signing_in_never_leads_out_of_the_house(app, target):
    browser = Browser(app)
    for path in ("/login", "/language"):
        answer = browser.client.post(
            path,
            query_string={"next": target},
            data={
                "csrf_token": browser.token(),
                "next": target,
                "phone": PHONES["guardian"],
                "password": "shouwang-demo",
                "language": "zh",
            },
        )
        where = urljoin(f"http://portal.example{path}", (answer.location or "/").replace("\\", "/"))
        assert urlsplit(where)[:2] == ("http", "portal.example"), (path, where)


def test_another_host_in_the_request_reaches_no_link(app):
    answer = Browser(app).client.get("/me/", headers={"Host": "evil.example"})
    assert answer.location.startswith("/login")
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    page = Browser(app).client.get("/login", headers=forged)
    assert "evil.example" not in page.text


def test_every_answer_says_what_a_browser_may_do_with_it(app, people):
    for path in ("/", "/login", "/nowhere", "/me/", "/static/css/app.css"):
        answer = people["resident"].get(path)
        headers = answer.headers
        answer.close()
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'self'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in policy


def test_no_page_for_somebody_is_kept_by_a_cache(people):
    for path in ("/", "/me/", "/me/security", "/me/sign-ins"):
        assert people["resident"].get(path).headers["Cache-Control"] == "no-store"


def test_no_page_carries_a_script_or_a_style_of_its_own():
    script = r"<script(?![^>]*\bsrc=)(?![^>]*application/json)"
    inline = re.compile(script + r"|\son[a-z]+=\"|\sstyle=\"|javascript:")
    for page in PORTAL.rglob("templates/**/*.html"):
        assert not inline.search(page.read_text(encoding="utf-8")), page


def test_the_portal_asks_no_address_it_was_given():
    """Nothing a person sends makes the portal fetch something: it has no client for that at all."""
    names = r"requests|httpx|urllib\.request"
    clients = re.compile(rf"^\s*(?:import|from)\s+(?:{names})\b|ClientSession", re.MULTILINE)
    found = {path.name for path in PORTAL.rglob("*.py") if clients.search(path.read_text())}
    assert found == set()


def test_a_session_somebody_else_signed_is_worth_nothing(app):
    from flask.sessions import SecureCookieSessionInterface

    foreign = type("Foreign", (), {"secret_key": "another", "config": {"SECRET_KEY_FALLBACKS": None}})()
    signer = SecureCookieSessionInterface().get_signing_serializer(foreign)
    with app.app_context():
        who = db.session.scalars(sa.select(User.fs_uniquifier)).first()
    browser = Browser(app)
    browser.client.set_cookie("shouwang", signer.dumps({"_user_id": who, "_fresh": True}))
    assert browser.get("/me/").status_code == 302


def test_nobody_is_nobody():
    assert judge(None, NOBODY) is Verdict.NOT_FOUND
