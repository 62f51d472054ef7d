"""What the portal's JSON doors take and answer, as OpenAPI 3.1; the schemas are those the code decodes with.

`GET /api/openapi.json`. No page comes with it: a viewer of such files would want a third party's script.
A test asks every door named here with what a machine can think of, and every JSON door must be named here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from flask import Blueprint, Response

from gateway.profile import Profile
from gateway.told import CommandPage, SyncAnswer, SyncBatch
from portal.api.gateway import MAX_NUMBER, answer
from portal.care import care_api
from portal.care.consent.purposes import CHOICES
from portal.care.models import MOST_ID
from portal.policy import ANYONE, declare

blueprint = Blueprint("openapi", __name__)
REF = "#/components/schemas/{name}"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was not done, in a word."""

    error: str


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, key by key."""

    error: str
    problems: dict[str, str]


class Conflict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The profile has moved on: start from `base_version`."""

    error: str
    version: int | None = None
    base_version: int | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A whole profile in place of the one of `base_version`."""

    base_version: int
    profile: Profile


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """The version that is to be in force again."""

    version: int


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """The name of the command on its way to the gateway; null where nothing changes."""

    command: str | None


TYPES = (
    *(SyncBatch, SyncAnswer, CommandPage, Failure, Wrong, Conflict, Change, Restore, Ordered),
    *(care_api.Session, care_api.Wearers, care_api.WearerNow, care_api.Alarms, care_api.AlarmNow),
)


@blueprint.get("/api/openapi.json")
@declare(ANYONE)
def document() -> Response:
    """This portal's JSON doors."""
    return answer(described())


@cache
def described() -> dict[str, Any]:
    """The whole document; made once."""
    _, schemas = msgspec.json.schema_components(TYPES, ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "守望 Shouwang", "version": "1", "description": "The portal's JSON doors."},
        "paths": {**_gateway_paths(), **_care_paths(), **_profile_paths(), **_own_path()},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "gateway": {"type": "http", "scheme": "bearer", "description": "with the header X-Gateway"},
                "session": {"type": "apiKey", "in": "cookie", "name": "shouwang"},
            },
        },
    }


def _own_path() -> dict[str, Any]:
    get = {"operationId": "openapi", "security": [], "responses": {"200": _said("this document", object())}}
    return {"/api/openapi.json": {"get": get}}


def _gateway_paths() -> dict[str, Any]:
    gateway = _header("X-Gateway", "the gateway's name")
    refused = {"401": _said("no valid token", Failure), "400": _said("not taken", Failure)}
    return {
        "/api/gateway/v1/events": {
            "post": {
                "operationId": "gateway_events",
                "summary": "Rows of a gateway's journal; idempotent by (gateway, seq)",
                "security": [{"gateway": []}],
                "parameters": [gateway],
                "requestBody": _body(SyncBatch),
                "responses": {"200": _said("stored through this row", SyncAnswer), **refused}
                | {"413": _said("too large", Failure)},
            }
        },
        "/api/gateway/v1/commands": {
            "get": {
                "operationId": "gateway_commands",
                "summary": "Commands for a gateway, by long poll",
                "security": [{"gateway": []}],
                "parameters": [
                    gateway,
                    _query("after", {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}),
                    _query("wait_s", {"type": "number", "minimum": 0, "maximum": 25}),
                ],
                "responses": {"200": _said("commands in order", CommandPage), **refused},
            }
        },
    }


def _care_paths() -> dict[str, Any]:
    root = "/api/care/v1"
    return {
        f"{root}/session": {"get": _get("session", "who is signed in", care_api.Session, found=False)},
        f"{root}/wearers": {"get": _get("wearers", "everybody this account may see", care_api.Wearers)},
        f"{root}/wearers/{{wearer_id}}": {
            "get": _get("wearer", "one wearer as they are now", care_api.WearerNow, _wearer_id(), _why())
        },
        f"{root}/alarms": {"get": _get("alarms", "open alarms, the worst first", care_api.Alarms)},
        f"{root}/alarms/{{code}}/acknowledge": {
            "post": {
                "operationId": "acknowledge",
                "summary": "Take an alarm on; twice is once",
                "security": [{"session": []}],
                "parameters": [_path("code", {"type": "string", "minLength": 1}), _csrf()],
                "responses": {"202": _said("the alarm", care_api.AlarmNow), **_not_for_you(), **_bad()},
            }
        },
    }


def _profile_paths() -> dict[str, Any]:
    root = "/api/care/v1/wearers/{wearer_id}/profile"
    loose: dict[str, Any] = {"type": "object"}
    edits = {
        "202": _said("ordered", Ordered),
        "422": _said("wrong", Wrong),
        "429": _said("too often", Failure),
        **_not_for_you(),
        **_bad(),
    }
    return {
        root: {
            "get": _get("profile", "the profile in force, and what waits", loose, _wearer_id()),
            "put": {
                "operationId": "profile_change",
                "summary": "Order a whole profile",
                "security": [{"session": []}],
                "parameters": [_wearer_id(), _csrf()],
                "requestBody": _body(Change),
                "responses": {
                    "200": _said("changes nothing", Ordered),
                    "409": _said("not the version to start from", Conflict),
                    **edits,
                },
            },
        },
        f"{root}/versions": {"get": _get("profile_versions", "every version", loose, _wearer_id())},
        f"{root}/restore": {
            "post": {
                "operationId": "profile_restore",
                "summary": "Order that a version be in force again",
                "security": [{"session": []}],
                "parameters": [_wearer_id(), _csrf()],
                "requestBody": _body(Restore),
                "responses": edits,
            }
        },
    }


def _get(
    name: str, words: str, model: Any, *parameters: dict[str, Any], found: bool = True
) -> dict[str, Any]:
    """A reading of somebody signed in; `found`: whoever it does not concern is told that there is nothing."""
    refused = _not_for_you() if found else {"401": _said("not signed in", Failure)}
    return {
        "operationId": name,
        "summary": words,
        "security": [{"session": []}],
        "parameters": list(parameters),
        "responses": {"200": _said(words, model), **refused},
    }


def _not_for_you() -> dict[str, Any]:
    return {"401": _said("not signed in", Failure), "404": _said("not there, or not for you", Failure)}


def _bad() -> dict[str, Any]:
    return {"400": _said("no valid X-CSRFToken, or no JSON", Failure)}


def _said(words: str, model: Any) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": _schema(model)}}}


def _schema(model: Any) -> dict[str, Any]:
    if isinstance(model, type):
        return {"$ref": REF.format(name=model.__name__)}
    return model if isinstance(model, dict) else {"type": "object"}


def _body(model: type[msgspec.Struct]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _schema(model)}}}


def _header(name: str, words: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "description": words,
        "required": True,
        "schema": {"type": "string"},
    }


def _csrf() -> dict[str, Any]:
    return _header("X-CSRFToken", "the token of this session, from /api/care/v1/session")


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _why() -> dict[str, Any]:
    words = "what vital signs are looked at for; who is not of the family sees none without it"
    schema = {"type": "string", "enum": list(CHOICES)}
    return {"name": "why", "in": "query", "required": False, "description": words, "schema": schema}


def _wearer_id() -> dict[str, Any]:
    return _path("wearer_id", {"type": "integer", "minimum": 1, "maximum": MOST_ID})
