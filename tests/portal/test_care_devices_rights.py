"""Who finds bands: the office of the place and nobody else; both engines; words for all that is said."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import msgspec
import pytest
import sqlalchemy as sa
from flask_security import hash_password

from gateway import plugins
from gateway.bands.allow_list import StoredDevice
from gateway.bands.keys import derive
from gateway.bands.sealing import seal
from gateway.config import load
from gateway.desk.device_sheet import secrets_of, typed, wires
from gateway.told import CommandDone, Roster
from gateway.told_orders import BandKeyTold, BandsTold, BandView
from portal import retention
from portal.care.bands import makes, refusals, settings_words
from portal.care.sites.models import Band, BandKey
from portal.db import db, writing
from portal.people import organisations
from portal.people.models import Grant, Role, User
from portal.policy import Facts, Viewer, provisions
from portal.policy import Role as Is
from portal.security import limiter

LIST = "/care/devices/"
BAND = BandView(
    device="band-zhang",
    wire_id="band-zhang",
    protocol="senml",
    wearer="zhang-guilan",
    state="active",
    key="set",
    source="store",
)
HERE = f"{LIST}gw-xinhe-1/band-zhang/"
STRANGER, PASSWORD = "+8613912349998", "far away and long"


def once_of(page: str) -> str:
    return re.search(r'name="once" value="([0-9a-f]{16})"', page)[1]


@pytest.fixture
def office(store_app, store_gateway, samples):
    store_gateway.send(samples.ROSTER, BandsTold(bands=(BAND,)))
    return samples.Browser(store_app).sign_in(samples.PHONES["staff"])


def ordered(office):
    form = office.get(f"{HERE}rekey").text
    fields = {"once": once_of(form), "reason": "没有抄下来"}
    return office.post(f"{HERE}rekey", token=office.token("/me/"), **fields).location


def test_a_key_comes_is_shown_and_goes_on_either_engine(store_app, store_gateway, office):
    page = ordered(office)
    (command,) = store_gateway.commands()
    secret = msgspec.json.encode({"typed": {"password": "opened"}, "qr": ""})
    sealed = seal(secret, command["seal_to"], command=command["command"])
    settings = (("wire", "mqtt"), ("host", "gw"), ("port", "1883"), ("user name", "band-zhang"))
    key = BandKeyTold(command=command["command"], device="band-zhang", settings=settings, sealed=sealed)
    store_gateway.send(key, CommandDone(command=command["command"], done=True))
    assert "opened" in office.get(page).text
    assert "刚刚换的" in office.get(HERE).text
    assert office.post(f"{page}/written-down", token=office.token("/me/")).status_code == 302
    with store_app.app_context():
        assert db.session.scalars(sa.select(BandKey)).all() == []


def test_a_key_nobody_fetched_goes_with_the_daily_sweep(store_app, samples):
    with store_app.app_context():
        with writing() as session:
            row = {"gateway": "gw-xinhe-1", "device": "band-zhang", "settings": [], "sealed": "x"}
            old, new = samples.NOW - dt.timedelta(hours=25), samples.NOW - dt.timedelta(minutes=5)
            session.add_all([BandKey(command="c1", at=old, **row), BandKey(command="c2", at=new, **row)])
        assert retention.sweep(store_app.config["PORTAL"], samples.NOW)["band_keys"] == 1
        assert [one.command for one in db.session.scalars(sa.select(BandKey))] == ["c2"]


def test_only_the_office_finds_bands_and_orders_anything(people, gateway, samples, monkeypatch):
    monkeypatch.setattr(limiter, "enabled", False)  # everybody signs in within a minute
    gateway.send(samples.ROSTER, BandsTold(bands=(BAND,)))
    page = ordered(people["staff"])
    assert people["admin"].get(page).status_code == 200
    for role in Is:
        found = {200} if role in {Is.STAFF, Is.ADMIN} else {404}
        browser = people[role.value]
        for path in (LIST, f"{LIST}register", HERE, f"{HERE}rekey", f"{HERE}revoke", page):
            assert browser.get(path).status_code in found, (role, path)
        if found == {404}:
            token = browser.token("/me/")
            for path in (f"{LIST}register", f"{HERE}rekey", f"{HERE}revoke", f"{page}/drop"):
                answer = browser.post(path, token=token, reason="x", known="yes", wearer=1, number="b")
                assert answer.status_code == 404, (role, path)
    assert len(gateway.commands()) == 1


@pytest.fixture
def stranger(app, samples):
    """Staff of another community, whose wearer is looked after by the same gateway."""
    with app.app_context(), writing() as session:
        place = organisations.add(session, code="elsewhere", name="别处", kind="community")
        roles = {role.name: role for role in session.scalars(sa.select(Role))}
        grants = [Grant(role=roles["staff"], organisation=place)]
        account = {"phone": STRANGER, "name": "外人", "password": hash_password(PASSWORD)}
        session.add(User(active=True, fs_uniquifier=uuid.uuid4().hex, demo=True, grants=grants, **account))
    return samples.Browser(app).sign_in(STRANGER, PASSWORD)


def test_staff_of_another_community_find_none_of_it_and_register_for_none_of_its_wearers(
    people, gateway, samples, stranger
):
    gateway.send(samples.ROSTER, BandsTold(bands=(BAND,)))
    page = ordered(people["staff"])
    assert "band-zhang" not in stranger.get(LIST).text
    for path in (HERE, f"{HERE}rekey", f"{HERE}revoke", page):
        assert stranger.get(path).status_code == 404, path
    token = stranger.token("/me/")
    for path in (f"{HERE}rekey", f"{HERE}revoke", f"{page}/drop", f"{page}/written-down"):
        assert stranger.post(path, token=token, reason="x", known="yes").status_code == 404, path
    form = {"wearer": 1, "number": "b2", "make": "senml", "once": "0123456789abcdef"}
    assert stranger.post(f"{LIST}register", token=token, **form).status_code == 422
    form = stranger.get(f"{LIST}register?gateway=gw-xinhe-1&band=band-zhang").text
    assert 'name="number" value=""' in form
    assert len(gateway.commands()) == 1


@pytest.mark.parametrize("number", ["0", "999999", "1"])
def test_the_number_of_another_command_is_no_order_about_a_band(people, gateway, samples, number):
    gateway.send(samples.ROSTER)
    guardian = people["guardian"]
    form = {"contact": "li-jianguo", "once": "0123456789abcdef"}
    assert guardian.post("/care/wearers/1/test-calls", **form).status_code == 302
    assert people["staff"].get(f"{LIST}orders/{number}").status_code == 404


def test_no_order_is_given_without_its_token(people, gateway, samples):
    gateway.send(samples.ROSTER, BandsTold(bands=(BAND,)))
    staff = people["staff"]
    for path in (f"{LIST}register", f"{HERE}rekey", f"{HERE}revoke"):
        answer = staff.client.post(path, data={"reason": "x", "known": "yes", "once": "0" * 16})
        assert answer.status_code == 400, path
    assert gateway.commands() == []


def test_a_grid_worker_and_another_community_provision_nothing():
    here = Facts(community="xinhe", place="/xinhe/b3/", guardians=frozenset({1}))
    for role in Is:
        viewer = Viewer(user=1, community="xinhe", scope="/xinhe/", roles=frozenset({role}))
        assert provisions(viewer, here) is (role in {Is.STAFF, Is.ADMIN}), role
    elsewhere = Viewer(user=1, community="other", scope="/other/", roles=frozenset({Is.STAFF}))
    assert not provisions(elsewhere, here)


# ---------------------------------------------------------------- the gateway's words


@pytest.fixture
def words(app):
    with app.test_request_context():
        yield


def test_every_protocol_of_the_gateway_and_every_make_can_be_chosen(words):
    assert set(makes.PROTOCOLS) == set(plugins.names("codec"))
    chosen = {one.value for one in makes.choices()}
    assert {makes.choice_of(make.protocol, name) for name, make in makes.makes().items()} < chosen
    assert all("any " not in str(one.label) for one in makes.choices())


def test_every_thing_the_gateway_wants_typed_has_words(words, small_config, tmp_path):
    more = """
    [transports.mqtt_listener]
    port = 1883
    [transports.coap]
    port = 5683
    [transports.tcp]
    listeners = [ { port = 5093, protocol = "watch" }, { port = 5094, protocol = "jt808" } ]
    """
    settings = load(small_config(more=more), make_demo_secrets=True)
    for protocol in ("senml", "watch", "jt808"):
        row = StoredDevice(
            device="b", wire_id="867000", protocol=protocol, wearer="zhang", keys=derive("a key")
        )
        ways = wires(settings, protocol)
        told = list(typed(row, ways, community="xinhe"))
        secrets = secrets_of(row, ways, key="a key")
        found = settings_words.wires(told, secrets)
        assert len(found) == len(ways)
        lines = [line for wire in found for line in wire.lines]
        assert {what for what, _ in told} - {"wire"} <= set(settings_words.LABELS)
        assert sum(line.secret for line in lines) == len(secrets)
        for line in lines:
            assert not re.search(r"\b(any|none|its own|hex|readings)\b", line.value + line.hint), line


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("there is a band b2 already, zhang's: rotate, rename or move it", "已经有手环 b2"),
        ("id 'b2': expected an id that b1 does not have", "号码 b2 已经被别的手环用了"),
        ("id 'b/2': expected 1 to 64 visible characters", "号码 b/2 不能用"),
        ("wearer 'x': expected a wearer of this gateway: zhang", "没有这位佩戴者"),
        ("b2 is revoked; `shouwang device add` brings it back", "手环 b2 已经停用了"),
        ("bands of this site are provisioned on the box: the site's own broker goes", "shouwang device"),
        ("the sky fell", "守望设备没有办，它说：the sky fell"),
        ("100% of it %(band)s", "守望设备没有办，它说：100% of it %(band)s"),
    ],
)
def test_a_refusal_is_said_in_words(words, reason, said):
    assert said in refusals.refusal_words(reason)


def test_a_wearer_the_roster_left_out_keeps_its_bands_in_the_list(app, people, gateway, samples):
    gateway.send(samples.ROSTER, BandsTold(bands=(BAND,)), Roster(community="xinhe", wearers=(samples.WANG,)))
    assert "band-zhang" in people["staff"].get(LIST).text
    with app.app_context():
        assert db.session.scalars(sa.select(Band)).one().device == "band-zhang"
