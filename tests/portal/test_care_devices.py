"""Bands for the office: the list, the orders that register, rekey and revoke, and a key that is seen once."""

from __future__ import annotations

import datetime as dt
import re

import msgspec
import pytest
import sqlalchemy as sa

from gateway.bands.sealing import seal
from gateway.model import Battery
from gateway.told import CommandDone
from gateway.told_orders import BandKeyTold, BandsTold, BandView
from portal.care.models import AuditEntry, Command
from portal.care.sites.models import BandKey
from portal.db import db

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
WATCH = BandView(
    device="4700186508",
    wire_id="4700186508",
    protocol="watch",
    wearer="wang-deshun",
    state="active",
    key="none",
    source="file",
    model="watch-3g",
)
KEY = "kX-9_veryWellHiddenKeyOfABand_0123456789abcd"
SETTINGS = (
    ("wire", "mqtt with TLS"),
    ("host", "gw.example.cn"),
    ("port", "8883"),
    ("user name", "band-2"),
    ("client id", "any, always the same: band-2"),
    ("publishes to", "sw/xinhe/band-2/up"),
    ("subscribes to", "sw/xinhe/band-2/down"),
)


def once_of(page: str) -> str:
    return re.search(r'name="once" value="([0-9a-f]{16})"', page)[1]


def register(browser, *, wearer=1, number="band-2", make="senml", **more):
    form = browser.get(f"{LIST}register").text
    fields = {"once": once_of(form), "wearer": wearer, "number": number, "make": make} | more
    return browser.post(f"{LIST}register", token=token_of(form), **fields)


def token_of(page: str) -> str:
    return page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]


def answer(gateway, command, *, device="band-2", key=KEY, settings=SETTINGS):
    """What a gateway says that carries out an order with a key."""
    secret = {"typed": {"password": key}, "qr": f'{{"v":1,"key":"{key}"}}'}
    sealed = seal(msgspec.json.encode(secret), command["seal_to"], command=command["command"]) if key else ""
    told = BandKeyTold(command=command["command"], device=device, settings=settings, sealed=sealed)
    view = msgspec.structs.replace(BAND, device=device, wire_id=device, key="set" if key else "none")
    bands = {one.device: one for one in (BAND, WATCH, view)}
    done = CommandDone(command=command["command"], done=True)
    gateway.send(told, done, BandsTold(bands=tuple(bands.values())))


@pytest.fixture
def site(people, gateway, samples):
    gateway.send(samples.ROSTER, BandsTold(bands=(BAND, WATCH)))
    return people["staff"]


@pytest.fixture
def ordered(site, gateway):
    """An order to register, and the address of its page."""
    sent = register(site, label="左手")
    assert sent.status_code == 302, sent.text
    (command,) = gateway.commands()
    return command, sent.location


def rows_of(app, model):
    with app.app_context():
        return db.session.scalars(sa.select(model)).all()


def test_a_band_is_registered_and_its_key_shown_to_who_ordered_it_until_it_is_written_down(
    app, site, gateway, ordered, people
):
    command, page = ordered
    told = {name: command[name] for name in ("name", "wearer", "protocol", "wire_id", "label", "by")}
    assert told == {
        "name": "register_band",
        "wearer": "zhang-guilan",
        "protocol": "senml",
        "wire_id": "band-2",
        "label": "左手",
        "by": "周敏",
    }
    waiting = site.get(page).text
    assert "正在等守望设备" in waiting
    assert "等守望设备登记" in site.get(LIST).text
    answer(gateway, command)
    for _ in range(2):  # a reload by the same session shows it again
        shown = site.get(page).text
        assert KEY in shown
        assert "gw.example.cn" in shown
        assert "MQTT（加密）" in shown
        assert "data:image/svg+xml;base64," in shown
    assert KEY not in people["admin"].get(page).text
    gone = site.post(f"{page}/written-down", token=site.token("/me/"))
    assert gone.location == f"{LIST}gw-xinhe-1/band-2/"
    assert rows_of(app, BandKey) == []
    assert KEY not in site.get(page).text
    assert "换一次密钥" in site.get(page).text
    assert site.post(f"{page}/written-down", token=site.token("/me/")).status_code == 404


def test_another_session_of_the_same_person_and_a_session_after_signing_out_never_see_it(
    app, site, gateway, ordered, samples
):
    command, page = ordered
    answer(gateway, command)
    again = samples.Browser(app).sign_in(samples.PHONES["staff"])
    assert KEY not in again.get(page).text
    assert "密钥不再显示" in again.get(page).text
    site.post("/logout", token=site.token("/me/"))
    site.sign_in(samples.PHONES["staff"])
    assert KEY not in site.get(page).text
    assert len(rows_of(app, BandKey)) == 1  # nobody who may not see it takes it away


def test_an_hour_later_the_key_is_shown_to_nobody_and_gone(app, site, gateway, ordered, samples):
    command, page = ordered
    answer(gateway, command)
    app.config["NOW"] = lambda: samples.NOW + dt.timedelta(minutes=59)
    assert KEY in site.get(page).text
    app.config["NOW"] = lambda: samples.NOW + dt.timedelta(minutes=61)
    assert KEY not in site.get(page).text
    assert rows_of(app, BandKey) == []


def test_no_secret_lies_in_the_store_and_every_step_is_on_record(app, site, gateway, ordered):
    command, page = ordered
    answer(gateway, command)
    site.get(page)
    site.get(page)
    site.post(f"{page}/written-down", token=site.token("/me/"))
    entries = [
        (row.action, row.subject, row.detail) for row in rows_of(app, AuditEntry) if "band" in row.action
    ]
    assert entries == [
        ("register_band", "wearer:1", "band-2"),
        ("show_band_key", "wearer:1", "band-2"),
        ("put_away_band_key", "wearer:1", "band-2"),
    ]
    with app.app_context(), db.engine.connect() as connection:
        names = sa.inspect(db.engine).get_table_names()
        everything = [str(connection.execute(sa.text(f'SELECT * FROM "{name}"')).all()) for name in names]
    assert not [name for name, text in zip(names, everything, strict=True) if KEY in text]


def test_the_same_press_twice_is_one_order_and_its_key_still_opens(site, gateway):
    form = site.get(f"{LIST}register").text
    fields = {"once": once_of(form), "wearer": 1, "number": "band-2", "make": "senml"}
    first, second = (site.post(f"{LIST}register", token=token_of(form), **fields) for _ in range(2))
    assert first.location == second.location
    (command,) = gateway.commands()
    answer(gateway, command)
    assert KEY in site.get(first.location).text


def test_seven_forms_later_the_first_pair_is_pushed_out_and_the_page_says_what_to_do(site, gateway, ordered):
    command, page = ordered
    for _ in range(6):
        site.get(f"{LIST}register")
    answer(gateway, command)
    assert KEY not in site.get(page).text
    assert "换一次密钥" in site.get(page).text
    assert len(site.client.get_cookie("shouwang").value) < 3000


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"number": ""}, "这一项还没有填"),
        ({"number": "a/b"}, "号码里不能有空格"),
        ({"number": "左 手"}, "号码里不能有空格"),
        ({"number": "x" * 65}, "太长了"),
        ({"number": "band-zhang"}, "已经登记给 张桂兰 了"),
        ({"wearer": 99}, "请从列出的选项里选择"),
        ({"make": "smoke"}, "请从列出的选项里选择"),
        ({"label": "a\u2028b"}, "请写在一行里"),
    ],
)
def test_what_cannot_be_registered_is_said_beside_the_field_and_nothing_is_ordered(
    site, gateway, fields, words
):
    answered = register(site, **fields)
    assert answered.status_code == 422
    assert words in answered.text
    if number := fields.get("number"):
        assert f'value="{number}"' in answered.text
    assert gateway.commands() == []


def test_a_number_is_taken_as_people_type_it(site, gateway):
    register(site, number=" ４７００１８６５９９ ", make="watch/watch-3g")
    (command,) = gateway.commands()
    assert (command["wire_id"], command["protocol"], command["model"]) == ("4700186599", "watch", "watch-3g")


def test_a_refusal_is_said_in_words_can_be_changed_and_laid_aside(site, gateway, ordered):
    command, page = ordered
    reason = "there is a band band-2 already, zhang's: rotate, rename or move it"
    gateway.send(CommandDone(command=command["command"], done=False, reason=reason))
    for address in (page, LIST):
        assert "守望设备上已经有手环 band-2" in site.get(address).text
    again = site.get(f"{LIST}register?order={page.rsplit('/', 1)[1]}").text
    assert 'value="band-2"' in again
    assert 'value="左手"' in again
    site.post(f"{page}/drop", token=site.token("/me/"))
    assert "band-2" not in site.get(LIST).text


def test_an_order_that_waits_can_be_taken_back(app, site, gateway, ordered):
    _, page = ordered
    assert site.post(f"{page}/drop", token=site.token("/me/")).status_code == 302
    assert gateway.commands() == []
    assert [row.state for row in rows_of(app, Command)] == ["dropped"]
    assert site.post(f"{page}/drop", token=site.token("/me/")).status_code == 404


def decide(browser, what, *, device="band-zhang", **fields):
    address = f"{LIST}gw-xinhe-1/{device}/{what}"
    form = browser.get(address)
    if form.status_code != 200:
        return form
    return browser.post(address, token=token_of(form.text), once=once_of(form.text), **fields)


def test_another_key_wants_a_reason_and_says_what_it_means(app, site, gateway):
    form = site.get(f"{LIST}gw-xinhe-1/band-zhang/rekey").text
    assert "按求救没有人知道" in form
    assert decide(site, "rekey").status_code == 422
    sent = decide(site, "rekey", reason="没有抄下来")
    (command,) = gateway.commands()
    assert (command["name"], command["device"], command["note"]) == ("rekey_band", "band-zhang", "没有抄下来")
    answer(gateway, command, device="band-zhang")
    assert KEY in site.get(sent.location).text
    assert "刚刚换的" in site.get(LIST).text
    assert ("rekey_band", "band-zhang 没有抄下来") in [
        (row.action, row.detail) for row in rows_of(app, AuditEntry)
    ]


def test_a_revocation_says_that_nobody_hears_it_and_wants_that_known(site, gateway):
    form = site.get(f"{LIST}gw-xinhe-1/band-zhang/revoke").text
    assert "都不会报警" in form
    assert "张桂兰 没有别的手环了" in form
    assert decide(site, "revoke", reason="丢了").status_code == 422
    sent = decide(site, "revoke", reason="丢了", known="yes")
    (command,) = gateway.commands()
    assert (command["name"], command["device"]) == ("revoke_band", "band-zhang")
    assert "等守望设备停用" in site.get(LIST).text
    revoked = msgspec.structs.replace(BAND, state="revoked")
    broker = "the site's own broker goes by its old files: run `shouwang device mosquitto` on the box"
    gateway.send(
        BandsTold(bands=(revoked, WATCH)), CommandDone(command=command["command"], done=True, reason=broker)
    )
    page = site.get(sent.location).text
    assert "手环已停用" in page
    assert "shouwang device mosquitto" in page
    assert decide(site, "revoke").status_code == 404
    again = site.get(f"{LIST}register?gateway=gw-xinhe-1&band=band-zhang").text
    assert 'value="band-zhang"' in again


def test_a_renamed_band_comes_back_under_its_identity(site, gateway):
    renamed = msgspec.structs.replace(BAND, wire_id="867000000000001", state="revoked")
    gateway.send(BandsTold(bands=(renamed, WATCH)))
    register(site, wearer=2, number="867000000000001")
    (command,) = gateway.commands()
    assert (command["device"], command["wearer"]) == ("band-zhang", "wang-deshun")


def test_a_wire_without_a_login_shows_what_is_typed_and_has_no_key_to_change(site, gateway):
    sent = register(site, wearer=2, number="4700186599", make="watch")
    (command,) = gateway.commands()
    settings = (("wire", "tcp"), ("host", ""), ("port", "5093"), ("id", "4700186599"))
    answer(gateway, command, device="4700186599", key="", settings=settings)
    page = site.get(sent.location).text
    assert "4700186599" in page
    assert "守望设备没有写下自己的地址" in page
    assert decide(site, "rekey", device="4700186508").status_code == 404
    assert "这种线路没有登录" in site.get(f"{LIST}gw-xinhe-1/4700186508/").text


def test_the_list_says_who_needs_a_look_first_and_finds_by_any_word(app, site, gateway, samples):
    told = msgspec.structs.replace(samples.telemetry(Battery(battery_pct=9)), device="band-zhang")
    gateway.send(told)
    page = site.get(LIST).text
    assert "2 只要留意，一共 2 只。" in page
    assert page.index("电量低") < page.index("还没有连上过")
    for words in ("张桂兰", "band-zh", "3栋", "senml", "SenML"):
        found = site.get(f"{LIST}?q={words}").text
        assert "4700186508" not in found, words
    assert "没有找到" in site.get(f"{LIST}?q=nobody").text
    assert "band-zhang" not in site.get(f"{LIST}?state=never").text
    app.config["NOW"] = lambda: samples.NOW + dt.timedelta(minutes=45)
    page = site.get(LIST).text
    assert "没有消息" in page
    assert "45 分钟前" in page


def test_a_place_without_bands_says_how_they_come(people, gateway, samples):
    gateway.send(samples.ROSTER)
    assert "还没有手环" in people["admin"].get(LIST).text


def test_the_pages_of_a_wearer_and_of_all_lead_there_for_the_office_only(people, gateway, samples):
    gateway.send(samples.ROSTER, BandsTold(bands=(BAND,)))
    for role in ("staff", "admin"):
        assert 'id="to-devices"' in people[role].get("/care/wearers/1/").text
        assert f'href="{LIST}register?wearer=2"' in people[role].get("/care/roll/").text
        assert "手环设备" in people[role].get("/me/").text
    assert 'value="2" selected' in people["admin"].get(f"{LIST}register?wearer=2").text
    for role in ("guardian", "grid_worker"):
        assert 'id="to-devices"' not in people[role].get("/care/wearers/1/").text
    assert "register?wearer" not in people["grid_worker"].get("/care/roll/").text
    assert "手环设备" not in people["grid_worker"].get("/me/").text
