"""Every page of the portal, walked in a real browser: in both languages, and in standard and large print."""

from __future__ import annotations

import os
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from rigs.chromium import WEBGL, chromium_running
from rigs.lived_in import CHOOSING, HALFWAY, INVITED, STRANGER, TABLE, TEXTED, lived_in
from rigs.pages import DESKTOP, Reader, context_of, runs_of

from portal.db import db
from portal.policy import Role, declared

pytestmark = pytest.mark.slow

DATA = "data for a script or a program, no page"
PIECE = "a piece of a page, fetched by its script"
FILE = "a file to keep"
MIDST = {CHOOSING: "/login/second/choose", HALFWAY: "/login/second"}
"""Who would be thrown back to the beginning by any other page."""
NOWHERE = "/nowhere"
SHOTS = os.environ.get("SHOTS", "")
"""A folder for a picture of every page; without it none is taken."""
UNWALKED = {
    "api.commands": DATA,
    "api.health": DATA,
    "coverage.table": FILE,
    "intake.template": FILE,
    "intake.wrong": FILE,
    "invitations.code": FILE,
    "audits.table": FILE,
    "care.alarm_list": PIECE,
    "care.cards": PIECE,
    "care.changes": DATA,
    "care.incident_piece": PIECE,
    "care.live": DATA,
    "care.map_layer": DATA,
    "care.wearer_fences": DATA,
    "care.map_style": DATA,
    "care.markers": DATA,
    "care.standing": PIECE,
    "care_api.alarms": DATA,
    "care_api.session": DATA,
    "care_api.wearer": DATA,
    "care_api.wearers": DATA,
    "alarm_history.csv_table": FILE,
    "alarm_history.xlsx_table": FILE,
    "leaving.leave": "needs a confirmed guardianship; test_rights_browser.py makes one and steps down",
    "lost.data": DATA,
    "home.manifest": DATA,
    "media.picture": FILE,
    "media.small": FILE,
    "roll.csv_table": FILE,
    "offline.last_known": DATA,
    "offline.worker": DATA,
    "openapi.document": DATA,
    "profile_api.read": DATA,
    "profile_api.versions": DATA,
    "places.index": "leads to places.place",
    "register.export": FILE,
    "reports.report_csv": FILE,
    "reports.short_link": "leads to care.incident, or to signing in",
    "cases.report": "leads to cases.apply",
    "security.static": FILE,
    "security.two_factor_rescue": "closed",
    "security.us_setup": "closed",
    "security.wan_delete": "leads to security.wan_register",
    "security.us_verify": "closed",
    "security.us_verify_link": "closed",
    "security.verify": "closed",
    "share.data": DATA,
    "share.map_layer": DATA,
    "share.map_style": DATA,
    "share.picture": FILE,
    "static": FILE,
    "tracks.data": DATA,
    "tracks.export": FILE,
    "vitals.fhir": FILE,
    "vitals.for_doctor": FILE,
    "vitals.table": FILE,
}


def paths_of(ids: SimpleNamespace) -> dict[str, tuple[tuple[str, str], ...]]:
    """Endpoint -> who walks where, for pages whose address or reader does not follow from the page alone."""
    return {
        "posts.board": (("", "/community/notices/"), ("", "/community/party/")),
        "posts.new": (("staff", "/community/notices/new"),),
        "posts.post": (("", f"/community/posts/{ids.post}"),),
        "posts.edit": (("staff", f"/community/posts/{ids.post}/edit"),),
        "cases.case": (("resident", f"/cases/{ids.case}/"), ("staff", f"/cases/{ids.case}/")),
        "cases.service": (("", "/services/elder-allowance/"),),
        "cases.apply": (("", "/services/repair/apply"), ("", "/services/elder-allowance/apply")),
        "security.login": ((STRANGER, "/login"),),
        "security.us_signin": ((STRANGER, "/login/code"),),
        "share.page": ((STRANGER, f"/s/{ids.share}"),),
        "signup.number": ((INVITED, "/join/number"),),
        "signup.code": ((TEXTED, "/join/code"),),
        "security.mf_recovery": ((HALFWAY, "/login/recovery"),),
        "security.tf_select": ((CHOOSING, "/login/second/choose"),),
        "security.two_factor_token_validation": ((HALFWAY, "/login/second"),),
        "security.wan_signin": ((HALFWAY, "/login/passkey"),),
        "account.phone_code": (("guardian", "/me/phone/code"),),
        "guardians.mine": (("property", "/me/guardians"), ("volunteer", "/me/guardians")),
        "guardians.object_to": (("wearer", f"/care/guardians/{ids.guardianship}/object"),),
        "own.page": (("wearer", "/care/wearers/1/kept"), ("staff", "/care/wearers/1/kept")),
        "intake.preview": (("staff", ids.table),),
        "cases.receipt": (("resident", ids.receipt),),
        "consents.decide": (
            ("wearer", "/care/wearers/1/consents/face/guardians"),
            ("staff", "/care/wearers/1/consents/health/guardians"),
        ),
        "consents.withdraw": (("wearer", "/care/wearers/1/consents/health/guardians/withdraw"),),
        "cards.enter": ((STRANGER, "/card/1234"),),
        "places.place": (("staff", f"/places/{ids.place}/"),),
        "register.person": (("staff", f"/register/{ids.resident}/"),),
        "register.edit": (("staff", f"/register/{ids.resident}/edit"),),
        "devices.one": (("staff", "/care/devices/gw-xinhe-1/band-zhang/"),),
        "devices.rekey": (("staff", "/care/devices/gw-xinhe-1/band-zhang/rekey"),),
        "devices.revoke": (("staff", "/care/devices/gw-xinhe-1/band-zhang/revoke"),),
        "device_orders.page": (("staff", ids.order),),
        "duty.turn": (("staff", "/care/duty/turns/1"),),
        "invitations.poster": (("staff", ids.poster),),
        "join.open_door": ((STRANGER, ids.door), ("resident", ids.door)),
        "lost.page": (("", "/care/wearers/1/lost"), ("staff", "/care/wearers/2/lost")),
    }


def walk(app: Flask, ids: SimpleNamespace, order: tuple[str, ...]) -> list[tuple[str, str]]:
    """Who walks where: every page of the portal, each by the first of these who may."""
    given, steps = paths_of(ids), []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if "GET" not in rule.methods or rule.endpoint in UNWALKED:
            continue
        policy = declared(app.view_functions[rule.endpoint])
        roles = policy.roles if policy is not None else frozenset()
        may = [who for who in order if not roles or (who != STRANGER and Role(who) in roles)]
        if (policy is not None and not policy.anyone) or rule.rule.startswith("/me/"):
            may = [who for who in may if who != STRANGER]
        reader = (may or sorted(roles))[0]
        values = {"wearer_id": 1, "code": "inc1"}
        here = ((reader, _fill(rule, values)),) if rule.endpoint not in given else given[rule.endpoint]
        steps += [(who or reader, path) for who, path in here]
    return sorted([*steps, (order[0], NOWHERE)], key=itemgetter(0))


def _fill(rule, values) -> str:
    missing = rule.arguments - values.keys()
    assert not missing, f"{rule.endpoint} ({rule.rule}) is neither walked nor excused"
    with_values = {name: values[name] for name in rule.arguments}
    return rule.build(with_values, append_unknown=False)[1]


@pytest.fixture
def world(app, real_clock, gateway, people, samples) -> SimpleNamespace:
    """The portal after a while, and the cookies of whoever reads it."""
    return lived_in(app, gateway, people, samples)


def written(app: Flask) -> set[str]:
    """What is no word of the portal: every text in its store, the table sent to it, the names on its map."""
    with app.app_context(), db.engine.connect() as connection:
        tables = sa.inspect(db.engine).get_table_names()
        values = [
            value
            for table in tables
            for row in connection.execute(sa.text(f'SELECT * FROM "{table}"'))
            for value in row
        ]
    return runs_of([*values, TABLE]) | runs_of(path.read_text("utf-8") for path in _map_files(app))


def _map_files(app: Flask):
    return Path(app.config["PORTAL"].map_dir).glob("*.geojson")


MODES = {
    "standard-zh": {"order": (STRANGER, "guardian", "staff")},
    "elder-zh": {"order": ("guardian", "resident", "staff"), "elder": True},
    "standard-en": {"order": ("staff", "guardian"), "english": True},
    "elder-en": {"order": (STRANGER, "guardian", "staff"), "english": True, "elder": True},
    "desktop-dark": {"order": ("staff", "guardian"), "options": DESKTOP | {"color_scheme": "dark"}},
}


@pytest.fixture
def steps(app, world, people, samples, mode) -> list[tuple[str, str, str]]:
    """Who walks where in this mode, each with a session of theirs."""
    way = walk(app, world, MODES[mode]["order"])
    people[STRANGER] = samples.Browser(app)
    for who in dict.fromkeys(who for who, _ in way):
        token = people[who].token(MIDST.get(who, "/login"))
        people[who].post("/language", token=token, language="en" if MODES[mode].get("english") else "zh")
    return [
        (who, people[who].client.get_cookie(app.config["SESSION_COOKIE_NAME"]).value, path)
        for who, path in way
    ]


@pytest.fixture
def address(app, steps, samples) -> Iterator[str]:
    with samples.served(app) as address:
        yield address


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "mode", [pytest.param(name, marks=pytest.mark.xdist_group(f"walk-{name}")) for name in MODES]
)
def test_no_page_breaks_a_rule(app, steps, address, mode):
    chosen = MODES[mode]
    elder, english = chosen.get("elder", False), chosen.get("english", False)
    allowed = written(app) if english else None
    found: dict[str, list[str]] = {}
    with chromium_running(*WEBGL) as browser:
        context = context_of(browser, address, english=english, **chosen.get("options", {}))
        reader = Reader(context.new_page())
        before = None
        for who, session, path in steps:
            if who != before:
                reader.page.goto("about:blank")  # no late answer to the one before changes the cookies
                jar = {"shouwang": session, "display": "elder-24" if elder else "standard"}
                context.add_cookies(
                    [{"name": name, "value": value, "url": address} for name, value in jar.items()]
                )
            before = who
            faults = faults_at(reader, path, elder=elder, allowed=allowed)
            if SHOTS:
                reader.page.screenshot(
                    path=f"{SHOTS}/{mode}{path.replace('/', '-')}-{who}.png", full_page=True
                )
            if faults:
                found[f"{path} as {who}"] = faults
        context.close()
    assert found == {}, "\n".join(f"{where}\n    " + "\n    ".join(faults) for where, faults in found.items())


def faults_at(reader: Reader, path: str, *, elder: bool, allowed: set[str] | None) -> list[str]:
    """What is wrong with one page."""
    reader.complaints.clear()
    answer = reader.page.goto(path, wait_until="load")
    if path == NOWHERE:
        assert answer.status == 404
        reader.complaints.clear()  # the browser itself says that it was not found
    elif urlsplit(reader.page.url).path != path:
        return [f"leads to {urlsplit(reader.page.url).path}"]
    elif answer.status != 200:
        return [f"answers {answer.status}"]
    page = reader.page
    late = []
    if page.locator("main [id$=map]:visible").count():
        try:
            page.wait_for_selector(".maplibregl-canvas", state="attached", timeout=10_000)
        except PlaywrightTimeout:
            late = ["its map never came"]
    return late + reader.faults(elder=elder, allowed=allowed)
