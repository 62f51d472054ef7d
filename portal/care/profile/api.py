"""A wearer's profile for programs, such as the map editor: read, change, versions, restore.

    GET  /api/care/v1/wearers/<id>/profile            what is in force, and what waits
    PUT  /api/care/v1/wearers/<id>/profile            {"base_version": 3, "profile": {...}}
    GET  /api/care/v1/wearers/<id>/profile/versions   newest first
    POST /api/care/v1/wearers/<id>/profile/restore    {"version": 2}

A change is answered 202 with the name of its command; 409 when `base_version` is not the one to start from;
422 with every wrong key. The gateway judges again, and its word is the last (`standing` tells it).
Signed-in sessions only, with `X-CSRFToken` on PUT and POST.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, jsonify, request

from portal.api.gateway import ring
from portal.care.consent.looks import record_look
from portal.care.consent.sight import located, sees_location, visible
from portal.care.consent.why import purpose_or
from portal.care.models import ProfileVersion
from portal.care.profile import versions as profiles
from portal.care.profile.check import read_profile
from portal.care.profile.diff import masked_phone
from portal.care.profile.page import is_silent, may_edit, not_theirs, standing_reasons
from portal.care.profile.views import EDIT_LIMIT, EDITORS, LOOK, editable, who_edits
from portal.care.wearer_page import ONCE_BYTES
from portal.db import db
from portal.policy import WATCHERS, Role, declare, only
from portal.security import limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from gateway.profile import Profile
    from portal.care.models import Command
    from portal.care.profile.versions import Standing

READERS = only(Role.GUARDIAN, *WATCHERS)

blueprint = Blueprint("profile_api", __name__)


@blueprint.get("/api/care/v1/wearers/<int:wearer_id>/profile")
@declare(READERS)
def read(wearer_id: int) -> ResponseReturnValue:
    """The profile in force with its version, `base_version` for the next change, and what waits.

    `profile` is None while the gateway has told of none.
    Whoever may edit is also told the newest change that waits or was refused (`standing`).
    """
    wearer = visible(wearer_id)
    record_look(wearer, LOOK, purpose=purpose_or(wearer, "settings"))
    row, found = profiles.in_force(db.session, wearer), profiles.current(db.session, wearer)
    standing = profiles.standing(db.session, wearer) if may_edit(wearer) else None
    return jsonify(
        wearer=wearer.id,
        version=None if row is None else row.version,
        base_version=None if found is None else found.base_version,
        profile=None if row is None else _told(profiles.profile_of(row), located=sees_location(wearer)),
        connected=not is_silent(wearer.gateway),
        may_edit=found is not None and may_edit(wearer),
        standing=None if standing is None else _standing(standing, located=sees_location(wearer)),
    )


@blueprint.put("/api/care/v1/wearers/<int:wearer_id>/profile")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def change(wearer_id: int) -> ResponseReturnValue:
    """Order a whole profile: 202, 409 or 422 as above, 200 where it changes nothing."""
    wearer, body = editable(wearer_id), _body()
    located(wearer_id)
    wanted, problems = read_profile(body.get("profile"))
    base = body.get("base_version")
    if type(base) is not int:
        problems["base_version"] = "a whole number"
    if wanted is None or problems:
        return jsonify(error="wrong", problems=problems), HTTPStatus.UNPROCESSABLE_ENTITY
    found = profiles.current(db.session, wearer)
    if found is None or found.base_version != base:
        return _conflict(found), HTTPStatus.CONFLICT
    problems = not_theirs(wearer, found.profile, wanted)
    if problems:
        return jsonify(error="wrong", problems=problems), HTTPStatus.UNPROCESSABLE_ENTITY
    made: Profile = wanted
    order = profiles.change(
        db.session, wearer, lambda _before: made, who=viewer(), once=secrets.token_hex(ONCE_BYTES), now=now()
    )
    return jsonify(command=None) if order is None else _accepted(order)


@blueprint.get("/api/care/v1/wearers/<int:wearer_id>/profile/versions")
@declare(READERS)
def versions(wearer_id: int) -> ResponseReturnValue:
    """Every version, newest first; telephone numbers of old ones are masked for who may not edit."""
    wearer = visible(wearer_id)
    record_look(wearer, LOOK, purpose=purpose_or(wearer, "settings"))
    rows, open_, at = profiles.versions(db.session, wearer), may_edit(wearer), sees_location(wearer)
    told = [_version(row, masked=place > 0 and not open_, located=at) for place, row in enumerate(rows)]
    return jsonify(versions=told)


@blueprint.post("/api/care/v1/wearers/<int:wearer_id>/profile/restore")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def restore(wearer_id: int) -> ResponseReturnValue:
    """Order that a version be in force again: 202, or 422 for one that is not known."""
    wearer, version = editable(wearer_id), _body().get("version")
    row = profiles.find_version(db.session, wearer, version) if type(version) is int else None
    found = profiles.current(db.session, wearer)
    problems = {"version": "the number of a version"}
    if row is not None and found is not None:
        problems = not_theirs(wearer, found.profile, profiles.profile_of(row))
    if row is None or problems:
        return jsonify(error="wrong", problems=problems), HTTPStatus.UNPROCESSABLE_ENTITY
    name = secrets.token_hex(ONCE_BYTES)
    return _accepted(profiles.restore(db.session, wearer, row.version, who=viewer(), once=name, now=now()))


def _body() -> dict[str, Any]:
    """The body where it is an object; anything else is judged like an empty one."""
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    return body if isinstance(body, dict) else {}


def _accepted(order: Command) -> ResponseReturnValue:
    db.session.commit()
    ring()
    return jsonify(command=order.command), HTTPStatus.ACCEPTED


def _conflict(found: profiles.Current | None) -> Any:
    if found is None:
        return jsonify(error="no_profile")
    return jsonify(error="conflict", version=found.version, base_version=found.base_version)


def _told(profile: Profile, *, located: bool) -> dict[str, Any]:
    """A profile; without its fences where the wearer's places may not be seen."""
    said: dict[str, Any] = msgspec.to_builtins(profile)
    if not located:
        said.pop("fences", None)
    return said


def _version(row: ProfileVersion, *, masked: bool, located: bool) -> dict[str, Any]:
    profile = _told(profiles.profile_of(row), located=located)
    if masked:
        for contact in profile["contacts"]:
            contact["phone"] = masked_phone(contact["phone"])
    return {
        "version": row.version,
        "source": row.source,
        "at": row.at.isoformat(),
        "by": row.by,
        "restores": row.restores,
        "profile": profile,
    }


def _standing(standing: Standing, *, located: bool) -> dict[str, Any]:
    return {
        "command": standing.command,
        "state": "sent" if standing.waits else "refused",
        "outdated": standing.outdated,
        "reason": standing.reason if located else "",
        "reasons": [
            f"{one.about}: {one.said}".removeprefix(": ")
            for one in standing_reasons(standing)
            if located or one.part != "fences"
        ],
        "by": standing.by,
        "at": standing.at.isoformat(),
        "restores": standing.restores,
        "profile": None if standing.profile is None else _told(standing.profile, located=located),
    }
