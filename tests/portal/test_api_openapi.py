"""Every JSON door is described, and keeps to its description whatever a machine thinks of."""

from __future__ import annotations

import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from portal.api.openapi import described

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("openapi")]
SEEN: set[tuple[str, int]] = set()
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


class Door:
    """The application under test, whichever that is; before there is one, its description alone."""

    app = None

    def __call__(self, environ, start_response):
        if self.app is not None:
            return self.app.wsgi_app(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(described()).encode()]


DOOR = Door()
DOORS = schemathesis.openapi.from_wsgi("/api/openapi.json", DOOR)
LOOK = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_every_json_door_is_described(app):
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    found = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    paths = described()["paths"]
    assert found == {(path, method) for path, methods in paths.items() for method in methods}


def test_the_description_is_public_and_names_no_other_site(client):
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer.json["openapi"]) == (200, "3.1.0")
    assert "http://" not in answer.text.replace("http://127.0.0.1", "")


@pytest.fixture
def lived_in(app, gateway, samples, monkeypatch):
    """A portal where something happened, and no limit of edits stands in the way of asking."""
    gateway.send(samples.ROSTER, samples.profile_told(), samples.at_home(), samples.incident())
    app.config["RATELIMIT_ENABLED"] = False
    monkeypatch.setattr("portal.security.limiter.enabled", False)
    monkeypatch.setattr(DOOR, "app", app)
    return app


@DOORS.include(path_regex="^/api/gateway/").parametrize()
@LOOK
def test_a_gateway_meets_no_fault_and_no_answer_that_is_not_described(case, lived_in, gateway):
    case.query = {name: value for name, value in (case.query or {}).items() if name != "wait_s"}
    answer = case.call_and_validate(headers=gateway.headers, checks=CHECKS)
    SEEN.add((case.operation.label, answer.status_code))


@DOORS.include(path_regex="^/api/(care|openapi)").parametrize()
@LOOK
def test_a_guardian_meets_no_fault_and_no_answer_that_is_not_described(case, lived_in, people):
    browser = people["guardian"]
    cookie = browser.client.get_cookie("shouwang").value
    token = browser.get("/api/care/v1/session").json["csrf_token"]
    if case.operation.path.endswith("/acknowledge"):
        case.path_parameters = {"code": "inc1"}
    elif type(case.path_parameters.get("wearer_id")) is int:
        case.path_parameters = {"wearer_id": 1 + case.path_parameters["wearer_id"] % 3}
    case.cookies = {"shouwang": cookie}
    answer = case.call_and_validate(headers={"X-CSRFToken": token}, checks=CHECKS)
    SEEN.add((case.operation.label, answer.status_code))


def test_whoever_asked_was_answered_at_every_door_of_theirs():
    """Doors asked in this process: another worker may have asked the others."""
    asked = {label for label, _ in SEEN}
    answered = {label for label, status in SEEN if status < 400}
    theirs = {
        "GET /api/gateway/v1/commands",
        "GET /api/care/v1/wearers",
        "GET /api/care/v1/wearers/{wearer_id}",
        "GET /api/care/v1/alarms",
        "POST /api/care/v1/alarms/{code}/acknowledge",
        "GET /api/care/v1/wearers/{wearer_id}/profile",
    }
    assert theirs & asked <= answered


def test_a_guardian_takes_an_alarm_on_from_a_program(app, gateway, people, samples):
    gateway.send(samples.ROSTER, samples.at_home(), samples.incident())
    daughter = people["guardian"]
    told = daughter.get("/api/care/v1/wearers").json["wearers"]
    assert [(one["name"], one["alarm"], one["vitals"]) for one in told] == [("张桂兰", "critical", [])]
    one = daughter.get(f"/api/care/v1/wearers/{told[0]['id']}").json
    assert {vital["name"]: vital["value"] for vital in one["vitals"]}["heart_rate_bpm"] == 76
    url = "/api/care/v1/alarms/inc1/acknowledge"
    assert daughter.client.post(url).status_code == 400, "without the token of the session"
    token = {"X-CSRFToken": daughter.get("/api/care/v1/session").json["csrf_token"]}
    taken = daughter.client.post(url, headers=token)
    assert (taken.status_code, taken.json["waiting"]) == (202, True)
    assert daughter.client.post(url, headers=token).status_code == 202
    assert [command["name"] for command in gateway.commands()] == ["acknowledge"]


def test_nobody_else_is_told_that_there_is_anybody(app, gateway, people, samples):
    gateway.send(samples.ROSTER, samples.at_home(), samples.incident())
    resident, stranger = people["resident"], app.test_client()
    for path in ("wearers", "wearers/1", "alarms"):
        assert resident.get(f"/api/care/v1/{path}").status_code == 404
        assert stranger.get(f"/api/care/v1/{path}").status_code == 401
    wang = people["staff"].get("/api/care/v1/wearers").json["wearers"][1]["id"]
    assert people["guardian"].get(f"/api/care/v1/wearers/{wang}").status_code == 404
