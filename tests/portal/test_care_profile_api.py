"""A wearer's profile for programs: who reads and changes it, and every status it answers."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa

from gateway.told import CommandDone
from portal.care.models import AuditEntry, Wearer
from portal.care.profile.check import read_profile
from portal.db import db


@pytest.fixture
def told(gateway, samples):
    gateway.send(samples.ROSTER, samples.profile_told(source="file", by=""))
    return gateway


def path_of(app, code="zhang-guilan") -> str:
    with app.app_context():
        number = db.session.scalars(sa.select(Wearer.id).where(Wearer.code == code)).one()
    return f"/api/care/v1/wearers/{number}/profile"


@pytest.fixture
def path(app, told) -> str:
    return path_of(app)


@pytest.fixture
def send(path, people):
    """Sends JSON as somebody, by default the daughter, with the token of her session."""

    def give(method, body, role="guardian", tail="", at=None):
        person = people[role]
        headers = {"X-CSRFToken": person.token("/me/")}
        return getattr(person.client, method)((at or path) + tail, json=body, headers=headers)

    return give


@pytest.fixture
def wanted(samples) -> dict:
    return msgspec.to_builtins(msgspec.structs.replace(samples.ZHANG_PROFILE, home="4栋"))


@pytest.mark.parametrize(
    ("role", "code", "may"),
    [
        ("guardian", "zhang-guilan", "edit"),
        ("guardian", "wang-deshun", "nothing"),
        ("staff", "zhang-guilan", "edit"),
        ("grid_worker", "zhang-guilan", "read"),
        ("admin", "zhang-guilan", "read"),
        ("resident", "zhang-guilan", "nothing"),
    ],
)
def test_each_role_may_what_it_may_on_the_pages(app, told, people, send, wanted, role, code, may):
    path, reads, edits = path_of(app, code), may != "nothing", may == "edit"
    for tail in ("", "/versions"):
        answer = people[role].get(path + tail)
        assert answer.status_code == (200 if reads else 404)
        assert answer.is_json
    if reads:
        assert people[role].get(path).json["may_edit"] is edits
    body = {"base_version": 1, "profile": wanted}
    assert send("put", body, role, at=path).status_code == (202 if edits else 404)
    assert send("post", {"version": 1}, role, "/restore", at=path).status_code == (202 if edits else 404)
    assert len(told.commands()) == (2 if edits else 0)


def test_a_stranger_is_told_to_sign_in_and_a_change_needs_its_token(path, client, people, wanted):
    assert client.get(path).status_code == 401
    body = {"base_version": 1, "profile": wanted}
    assert people["guardian"].client.put(path, json=body).status_code == 400
    assert people["guardian"].client.post(f"{path}/restore", json={"version": 1}).status_code == 400


def test_a_change_is_sent_with_its_base_and_seen_to_wait_then_in_force(
    told, path, people, send, wanted, samples
):
    before = people["guardian"].get(path).json
    assert (before["version"], before["base_version"], before["standing"]) == (1, 1, None)
    assert before["profile"] == msgspec.json.decode(msgspec.json.encode(samples.ZHANG_PROFILE))
    answer = send("put", {"base_version": 1, "profile": wanted})
    (command,) = told.commands()
    assert (answer.status_code, answer.json) == (202, {"command": command["command"]})
    assert (command["base_version"], command["profile"]["home"]) == (1, "4栋")
    waiting = people["guardian"].get(path).json
    assert (waiting["version"], waiting["base_version"]) == (1, 2)
    assert waiting["profile"]["home"] == "3栋2单元401"
    assert (waiting["standing"]["state"], waiting["standing"]["profile"]["home"]) == ("sent", "4栋")
    assert people["grid_worker"].get(path).json["standing"] is None
    told.send(*samples.profile_taken(command, 2))
    after = people["guardian"].get(path).json
    assert (after["version"], after["base_version"], after["standing"]) == (2, 2, None)
    assert after["profile"]["home"] == "4栋"


STAFFS = {"rules.sos.x": {"sos": {"x": 1}}, "rules.vitals.crisis": {"vitals": {"crisis": False}}}


@pytest.mark.parametrize("key", [*STAFFS, "beidou_number"])
def test_a_family_does_not_change_what_would_make_the_gateway_deaf(told, send, wanted, key):
    vitals = wanted["rules"]["vitals"] | STAFFS.get(key, {}).get("vitals", {})
    rules = wanted["rules"] | STAFFS.get(key, {}) | {"vitals": vitals}
    change = {"beidou_number": 77} if key == "beidou_number" else {"rules": rules}
    body = {"base_version": 1, "profile": wanted | change}
    answer = send("put", body)
    assert (answer.status_code, list(answer.json["problems"])) == (422, [key])
    assert told.commands() == []
    assert send("put", body, "staff").status_code == 202


def test_a_family_changes_its_limits_and_restores_what_differs_in_nothing_else(told, send, wanted, samples):
    rules = wanted["rules"] | {"vitals": wanted["rules"]["vitals"] | {"heart_rate_high_bpm": 131}}
    assert send("put", {"base_version": 1, "profile": wanted | {"rules": rules}}).status_code == 202
    body = {"base_version": 2, "profile": wanted | {"rules": rules | {"sos": {"x": 1}}}}
    assert send("put", body, "staff").status_code == 202
    for number, command in enumerate(told.commands(), start=2):
        told.send(*samples.profile_taken(command, number))
    answer = send("post", {"version": 2}, tail="/restore")
    assert set(answer.json["problems"]) == {"rules.sos.x"}
    assert send("post", {"version": 2}, "staff", "/restore").status_code == 202


def test_what_changes_nothing_is_no_order(told, send, samples):
    answer = send("put", {"base_version": 1, "profile": msgspec.to_builtins(samples.ZHANG_PROFILE)})
    assert (answer.status_code, answer.json) == (200, {"command": None})
    assert told.commands() == []


def test_another_base_is_a_conflict_that_names_the_right_one(told, send, wanted):
    answer = send("put", {"base_version": 7, "profile": wanted})
    assert answer.status_code == 409
    assert answer.json == {"error": "conflict", "version": 1, "base_version": 1}
    assert told.commands() == []


def test_every_wrong_key_is_named_with_what_was_expected(told, send):
    profile = {
        "contacts": [
            {"id": "a", "phone": "12"},
            {"id": "b", "name": "x", "phone": "+8613800138001", "zz": 1},
        ],
        "fences": [{"id": "f", "name": "n", "centre": [1], "radius_m": "far", "dwell_s": -3}],
        "colour": "red",
        "rules": {"vitals": 3},
    }
    answer = send("put", {"base_version": "1", "profile": profile})
    assert answer.status_code == 422
    assert set(answer.json["problems"]) == {
        "colour",
        "name",
        "contacts[0].name",
        "contacts[1].zz",
        "fences[0].centre",
        "fences[0].radius_m",
        "fences[0].dwell_s",
        "rules",
        "base_version",
    }
    assert told.commands() == []


def test_what_has_the_right_types_is_judged_by_what_it_says(send):
    profile = {
        "name": " ",
        "contacts": [
            {"id": "a", "name": "", "phone": "13800138001"},
            {"id": "a", "name": "x", "phone": "+8613800138001"},
        ],
        "fences": [
            {"id": "f", "name": "n", "centre": [31, 121], "radius_m": 0, "schedule": ["daily night", "noon"]},
            {"id": "g", "name": "n", "polygon": [[31, 121], [31, 122]], "escalate_m": [3, 2]},
        ],
    }
    answer = send("put", {"base_version": 1, "profile": profile})
    assert set(answer.json["problems"]) == {
        "name",
        "contacts[0].name",
        "contacts[0].phone",
        "contacts[1].id",
        "fences[0]",
        "fences[0].schedule[1]",
        "fences[1]",
        "fences[1].escalate_m",
    }


@pytest.mark.parametrize("body", [None, [], "x", {}, {"base_version": 1}, {"profile": []}, {"profile": None}])
def test_what_is_no_profile_at_all_is_said(told, send, body):
    answer = send("put", body)
    assert answer.status_code == 422
    assert "profile" in answer.json["problems"]
    assert told.commands() == []


def test_a_refusal_is_told_with_its_reasons_and_what_was_sent(told, path, people, send, wanted):
    command = send("put", {"base_version": 1, "profile": wanted}).json["command"]
    reason = "profile.home = 4栋: expected another house\nprofile.name = x: expected something else"
    told.send(CommandDone(command=command, done=False, reason=reason))
    found = people["staff"].get(path).json
    standing = found["standing"]
    assert (standing["state"], standing["outdated"], standing["reason"]) == ("refused", False, reason)
    assert standing["reasons"] == [
        f"{what}: 守望设备不接受这一项，请联系管理员。" for what in ("住址", "名称")
    ]
    assert standing["profile"]["home"] == "4栋"
    assert found["base_version"] == 1


def test_versions_come_newest_first_and_old_numbers_only_to_who_may_edit(told, path, people, samples):
    son = msgspec.structs.replace(samples.ZHANG_PROFILE.contacts[0], phone="+8613800138009")
    told.send(samples.profile_told(2, msgspec.structs.replace(samples.ZHANG_PROFILE, contacts=(son,))))

    def phones(role: str) -> list[list[str]]:
        rows = people[role].get(f"{path}/versions").json["versions"]
        assert [row["version"] for row in rows] == [2, 1]
        return [[one["phone"] for one in row["profile"]["contacts"]] for row in rows]

    assert phones("staff") == [["+8613800138009"], ["+8613800138001", "+8613800138002"]]
    assert phones("grid_worker") == [["+8613800138009"], ["****8001", "****8002"]]


def test_restoring_a_version_nobody_knows_is_wrong(told, send):
    for version in (2, "1", None, True):
        answer = send("post", {"version": version}, tail="/restore")
        assert (answer.status_code, answer.json["problems"]) == (422, {"version": "the number of a version"})
    assert told.commands() == []


def test_a_gateway_that_never_told_has_no_profile_to_start_from(app, gateway, people, samples, wanted):
    gateway.send(samples.ROSTER)
    path, person = path_of(app), people["guardian"]
    found = person.get(path).json
    assert (found["version"], found["profile"], found["may_edit"]) == (None, None, False)
    body, headers = {"base_version": 1, "profile": wanted}, {"X-CSRFToken": person.token("/me/")}
    answer = person.client.put(path, json=body, headers=headers)
    assert (answer.status_code, answer.json) == (409, {"error": "no_profile"})


def test_the_record_says_who_changed_what_without_numbers_or_places(app, told, send, wanted):
    wanted["contacts"][0]["phone"] = "+8613800138009"
    wanted["fences"][0]["centre"] = [31.2, 121.2]
    wanted["rules"]["vitals"]["heart_rate_high_bpm"] = 99
    send("put", {"base_version": 1, "profile": wanted}, "staff")
    with app.app_context():
        row = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "set_profile")).one()
    assert row.detail == (
        "person: home; contact li-jianguo: phone ****8001 -> ****8009; fence home: centre; "
        "rule vitals: heart_rate_high_bpm 120 -> 99"
    )


def test_a_profile_as_it_is_told_is_a_right_one(samples):
    raw = msgspec.json.decode(msgspec.json.encode(samples.ZHANG_PROFILE))
    assert read_profile(raw) == (samples.ZHANG_PROFILE, {})
