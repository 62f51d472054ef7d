"""What harms, or is typed as people type, sent to the care settings: never a 5xx, and nothing lost."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
import sqlalchemy as sa

from gateway.model import ContactView
from portal.care.fences.answers import clock_of
from portal.care.models import AuditEntry, Command, Wearer
from portal.care.trial.forms import number as number_tried
from portal.db import db
from portal.fields import Field, check

NEW_ADDRESSES = (
    "profiles.",
    "profile_forms.",
    "profile_api.",
    "care.trial",
    "care.fence_trial",
    "care.limits",
)


@pytest.fixture
def app(store_app):
    """A portal that answers its mistakes as it would on the street: with 500."""
    store_app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    return store_app


@pytest.fixture
def told(gateway, samples):
    gateway.send(samples.ROSTER, samples.profile_told(source="file", by=""))
    return gateway


@pytest.fixture
def number(app, told) -> int:
    with app.app_context():
        return db.session.scalars(sa.select(Wearer.id).where(Wearer.code == "zhang-guilan")).one()


@pytest.fixture
def put(number, people, samples):
    """Sends a whole profile with some keys changed, as the daughter."""

    def give(raw=None, **changed):
        profile = msgspec.to_builtins(samples.ZHANG_PROFILE) | changed
        text = json.dumps({"base_version": 1, "profile": profile}) if raw is None else raw
        token = people["guardian"].token("/me/")
        headers = {"X-CSRFToken": token, "Content-Type": "application/json"}
        return people["guardian"].client.put(
            f"/api/care/v1/wearers/{number}/profile", data=text, headers=headers
        )

    return give


def addresses(app, number) -> list[tuple[str, str]]:
    """Every address of the care settings with every method it takes."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(NEW_ADDRESSES):
            path = re.sub(r"<int:\w+>", str(number), rule.rule)
            path = re.sub(r"<any\(.*?\):part>", "contacts", path)
            found += [(method, path) for method in sorted(rule.methods - {"HEAD", "OPTIONS"})]
    return found


# ---------------------------------------------------------------- who


def test_no_stranger_comes_in_by_any_address_or_method(app, number, people, client):
    ways = addresses(app, number)
    assert len(ways) >= 18
    with app.app_context():
        another = db.session.scalars(sa.select(Wearer.id).where(Wearer.code == "wang-deshun")).one()
    for method, path in ways:
        if method == "GET":
            assert client.get(path).status_code in {302, 401}, path
        else:
            assert people["guardian"].client.open(path, method=method).status_code == 400, path
    for role, wearer in (("resident", number), ("guardian", another)):
        token = people[role].token("/me/")
        for method, path in addresses(app, wearer):
            answer = people[role].client.open(path, method=method, headers={"X-CSRFToken": token})
            assert answer.status_code == 404, (role, method, path)
    with app.app_context():
        db.session.execute(sa.update(Wearer).values(community="another"))
        db.session.commit()
    for role in ("staff", "grid_worker", "admin"):
        token = people[role].token("/me/")
        for method, path in ways:
            answer = people[role].client.open(path, method=method, headers={"X-CSRFToken": token})
            assert answer.status_code == 404, (role, method, path)


def test_a_contact_who_was_removed_is_out_at_once_with_an_open_session(app, told, number, people, samples):
    assert people["guardian"].get(f"/care/wearers/{number}/profile").status_code == 200
    alone = msgspec.structs.replace(samples.ZHANG, contacts=(samples.SON,))
    told.send(msgspec.structs.replace(samples.ROSTER, wearers=(alone, samples.WANG)))
    token = people["guardian"].token("/me/")
    for method, path in addresses(app, number):
        answer = people["guardian"].client.open(path, method=method, headers={"X-CSRFToken": token})
        assert answer.status_code == 404, (method, path)


@pytest.mark.parametrize("wearer", ["99999999999999999999", "9" * 400, "-1", "0", "1%00", "1.0"])
def test_a_number_no_store_can_hold_is_not_found(number, people, wearer):
    for tail in ("/trial", "/profile", "/profile/contact"):
        assert people["guardian"].get(f"/care/wearers/{wearer}{tail}").status_code == 404
    assert people["guardian"].get(f"/api/care/v1/wearers/{wearer}/profile").status_code == 404


def test_names_of_orders_versions_and_pieces_that_are_none_find_nothing(told, number, people):
    base, token = f"/care/wearers/{number}/profile", people["guardian"].token("/me/")
    headers = {"X-CSRFToken": token}
    for version in (2**31, 10**30, -1, True, None, "1", 1.0):
        answer = people["guardian"].client.post(
            f"/api/care/v1/wearers/{number}/profile/restore", json={"version": version}, headers=headers
        )
        assert answer.status_code == 422, version
    assert people["guardian"].post(f"{base}/restore", token=token, version="9" * 20).status_code == 404
    assert people["guardian"].get(f"{base}/contact?draft=%00").status_code == 200
    assert people["guardian"].post(f"{base}/drop", token=token, command="a\0b").status_code == 302
    for name in ("a%20b", "%00", "x" * 65, "a%E2%80%AEb"):
        answer = people["guardian"].post(
            f"{base}/contact?id={name}", token=token, name="李四", phone="13800138009", lang="zh", seen="-"
        )
        assert answer.status_code == 404, name
    assert told.commands() == []


# ---------------------------------------------------------------- what is sent


FENCE = {"id": "home", "name": "家", "centre": [31.155, 121.104], "radius_m": 90.0}
CONTACT = {"id": "li-xiaomei", "name": "李晓梅", "phone": "+8613800138002", "relation": "女儿"}


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"home": "\ud800"}, "home"),
        ({"home": "a\0b"}, "home"),
        ({"home": "x" * 161}, "home"),
        ({"name": "x" * 81}, "name"),
        ({"birth_year": 10**30}, "birth_year"),
        ({"birth_year": 2**40}, "birth_year"),
        ({"beidou_number": 10**30}, "beidou_number"),
        ({"contacts": [CONTACT | {"id": "a\0"}]}, "contacts[0].id"),
        ({"contacts": [CONTACT | {"id": "a\u202eb"}]}, "contacts[0].id"),
        ({"contacts": [CONTACT | {"relation": "x" * 41}]}, "contacts[0].relation"),
        ({"fences": [FENCE | {"escalate_m": [float("nan")]}]}, "fences[0].escalate_m[0]"),
        ({"fences": [FENCE | {"exit_margin_m": float("inf")}]}, "fences[0].exit_margin_m"),
        ({"fences": [FENCE | {"name": "x" * 81}]}, "fences[0].name"),
        ({"rules": {"vitals": {"heart_rate_high_bpm": "fast"}}}, "rules.vitals.heart_rate_high_bpm"),
        ({"rules": {"vitals": {"heart_rate_high_bpm": [120]}}}, "rules.vitals.heart_rate_high_bpm"),
        ({"rules": {"vitals": {"heart_rate_high_bpm": None}}}, "rules.vitals.heart_rate_high_bpm"),
        ({"rules": {"vitals": {"heart_rate_high_bpm": 10**400}}}, "rules.vitals.heart_rate_high_bpm"),
        ({"rules": {"\ud800": {"a": 1}}}, "rules"),
        ({"rules": {"x": {"a": json.loads("[" * 60 + "]" * 60)}}}, "rules.x.a" + "[0]" * 10),
        ({"rules": {"x": {"a": ["x" * 90_000] * 12}}}, "profile"),
    ],
)
def test_a_profile_nobody_could_keep_is_refused_by_name_and_the_pages_stand(
    told, number, put, people, changed, path
):
    answer = put(**changed)
    assert (answer.status_code, list(answer.json["problems"])) == (422, [path])
    assert told.commands() == []
    assert people["guardian"].get(f"/care/wearers/{number}/profile").status_code == 200


@pytest.mark.parametrize("raw", ["[" * 100_000, '{"a":' * 50_000, "\xff", "", '{"base_version":1e999}'])
def test_a_body_that_is_no_profile_is_refused(put, raw):
    assert put(raw=raw).status_code == 422


def test_an_order_that_was_stored_when_less_was_checked_does_not_take_the_page_down(
    app, told, number, put, people
):
    assert put(home="5栋").status_code == 202
    with app.app_context():
        db.session.execute(
            sa.update(Command).values(body=sa.func.replace(Command.body, '"radius_m":90.0', '"radius_m":"x"'))
        )
        db.session.commit()
    (command,) = told.commands()
    assert command["profile"]["fences"][0]["radius_m"] == "x"
    for tail in ("", "/contact", f"/limits?draft={command['command']}"):
        assert people["guardian"].get(f"/care/wearers/{number}/profile{tail}").status_code == 200


@pytest.mark.parametrize("days", [1e-300, 0.5, 1e300, True, "7"])
@pytest.mark.parametrize("what", ["fences", "limits"])
def test_a_trial_of_no_stretch_of_time_is_refused(number, people, days, what):
    token = people["guardian"].token("/me/")
    answer = people["guardian"].client.post(
        f"/care/wearers/{number}/{what}/trial",
        json={"fences": [FENCE], "days": days} if what == "fences" else {"vitals": {}, "days": days},
        headers={"X-CSRFToken": token},
    )
    assert answer.status_code == 422
    assert [one["path"] for one in answer.json["findings"]] == ["days"]


# ---------------------------------------------------------------- what a gateway tells


@pytest.mark.parametrize("relation", ["<img src=x onerror=alert(1)>", "100%", "%(x)s", "女儿"])
def test_what_a_contact_is_called_is_text_on_every_page(told, number, people, samples, relation):
    def of(contact):
        return msgspec.structs.replace(contact, relation=relation)

    zhang = msgspec.structs.replace(samples.ZHANG, contacts=(of(samples.SON), samples.DAUGHTER))
    profile = samples.ZHANG_PROFILE
    profile = msgspec.structs.replace(profile, contacts=(of(profile.contacts[0]), *profile.contacts[1:]))
    roster = msgspec.structs.replace(samples.ROSTER, wearers=(zhang, samples.WANG))
    told.send(roster, samples.profile_told(2, profile), samples.incident())
    for path in (f"/care/wearers/{number}/", f"/care/wearers/{number}/profile", "/care/incidents/"):
        answer = people["guardian"].get(path, follow_redirects=True)
        if path.startswith("/care/wearers"):
            assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text
    page = people["guardian"].get(f"/care/wearers/{number}/profile").text
    assert relation.replace("<", "&lt;").replace(">", "&gt;") in page


def test_texts_longer_than_the_store_holds_do_not_stop_a_gateway(app, told, number, samples):
    long = ContactView(contact="c" * 90, name="名" * 900, phone="+8613800138001", relation="r\0" * 50)
    zhang = msgspec.structs.replace(
        samples.ZHANG, name="张\0" * 200, home="栋" * 999, birth_year=2**40, contacts=(long,)
    )
    roster = msgspec.structs.replace(samples.ROSTER, wearers=(zhang, samples.WANG))
    told.send(roster)
    told.send(roster)
    with app.app_context():
        row = db.session.get(Wearer, number)
        assert (row.name, row.home, row.birth_year) == ("张" * 80, "栋" * 160, None)
        (contact,) = row.contacts
        assert (contact.code, contact.name, contact.relation) == ("c" * 64, "名" * 80, "r" * 40)


# ---------------------------------------------------------------- buttons


def answers(page: str, **changed: str) -> dict[str, str]:
    form = page.split("novalidate>", 1)[1]
    found = dict(re.findall(r'<input [^>]*name="(\w+)" value="([^"]*)"', form))
    return found | {"lang": "zh", "relation": ""} | changed


def test_two_taps_are_one_order_and_say_so(told, number, people):
    base, guardian = f"/care/wearers/{number}/profile", people["guardian"]
    page = guardian.get(f"{base}/contact?id=li-jianguo").text
    sent = answers(page, name="李建国", phone="13800138009")
    for _ in range(2):
        assert guardian.client.post(f"{base}/contact?id=li-jianguo", data=sent).status_code == 302
    assert len(told.commands()) == 1


def test_another_press_on_a_page_that_is_still_open_is_another_order(told, number, people):
    base, guardian = f"/care/wearers/{number}/profile", people["guardian"]
    page = guardian.get(f"{base}/contact").text
    for name in ("甲", "甲", "乙"):
        sent = answers(page, name=name, phone="13800138019")
        assert guardian.client.post(f"{base}/contact", data=sent).status_code == 302
    names = [[one["name"] for one in command["profile"]["contacts"]][2:] for command in told.commands()]
    assert names == [["甲"], ["甲", "乙"]]
    page = guardian.get(base).text
    once, token = re.search(r'name="once" value="(\w+)"', page)[1], guardian.token("/me/")
    guardian.post(f"{base}/contacts/move", token=token, once=once, id="li-jianguo", to="down")
    guardian.post(f"{base}/contacts/remove", token=token, once=once, id="li-xiaomei")
    contacts = told.commands()[-1]["profile"]["contacts"]
    assert (len(told.commands()), contacts[0]["name"]) == (4, "李建国")


def test_a_look_into_a_form_is_on_record(app, number, people):
    people["guardian"].get(f"/care/wearers/{number}/profile/contact?id=li-jianguo")
    with app.app_context():
        rows = db.session.scalars(
            sa.select(AuditEntry.action).where(AuditEntry.subject == f"wearer:{number}")
        )
        assert list(rows) == ["view_profile"]


# ---------------------------------------------------------------- as people type


@pytest.mark.parametrize(
    ("kind", "typed", "meant"),
    [
        ("phone", "138 0013 8001", "+8613800138001"),
        ("phone", "138-0013-8001", "+8613800138001"),
        ("phone", "１３８　００１３　８００１", "+8613800138001"),
        ("phone", "0086 13800138001", "+8613800138001"),
        ("phone", "010-62345678", "+861062345678"),
        ("phone", "13800138001 ext 3", None),
        ("phone", "110", None),
        ("number", "１２０", "120"),
        ("number", "36，5", "36.5"),
        ("number", "36,5", "36.5"),
        ("number", "３６．５", "36.5"),
        ("number", "36。5", "36.5"),
        ("number", "1,000", None),
        ("number", "1_0", None),
        ("number", "1e2", None),
        ("number", "nan", None),
        ("number", "120次", None),
    ],
)
def test_telephones_and_numbers_are_taken_as_they_are_typed(kind, typed, meant):
    values, problems = check((Field(name="x", kind=kind, label="x"),), {"x": [typed]})
    assert (values.get("x"), "x" in problems) == (meant, meant is None)
    if kind == "number":
        assert number_tried(typed) == (typed if meant is None else float(meant))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("8", "08:00"),
        ("8:30", "08:30"),
        ("８：３０", "08:30"),
        ("8点", "08:00"),
        ("8点半", "08:30"),
        ("8点05分", "08:05"),
        ("0830", "08:30"),
        ("24:00", "24:00"),
        ("24:30", None),
        ("25:00", None),
        ("8:60", None),
        ("late", None),
        ("", None),
    ],
)
def test_clock_times_are_taken_as_they_are_typed(typed, meant):
    assert clock_of(typed) == meant
