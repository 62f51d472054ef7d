"""试一试: what other fences or limits would have alarmed, as a page, as a piece of page, and as JSON.

Whoever may see the wearer's page may try; every trial is recorded as a look at where they were, or how.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from flask import abort, current_app, jsonify, render_template, request

from gateway.errors import Problem
from portal.care.consent.looks import record_look, record_trial
from portal.care.consent.sight import located, measured, visible, withhold
from portal.care.consent.sights import sight_of
from portal.care.consent.why import purpose_or
from portal.care.models import Wearer
from portal.care.places import LAYERS, read_layer
from portal.care.trial import run as trial
from portal.care.trial import shown as trial_shown
from portal.care.trial.forms import DAYS, LIMITS, Typed, fences_typed, limits_typed
from portal.db import db, reading
from portal.people.language import chosen_language
from portal.policy import Data, Role, declare, only
from portal.security import limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask import Blueprint
    from flask.typing import ResponseReturnValue

CARERS = only(Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN)
TRIAL_LIMIT = "10 per minute; 60 per hour"
MAX_BODY_BYTES = 256 * 1024

Try = Callable[[Any, Wearer, Any, Any, Any], trial.Told]


def add_to(blueprint: Blueprint) -> None:
    """Give the care pages their routes `care.trial`, `care.fence_trial` and `care.limits_trial`."""
    blueprint.get("/care/wearers/<int:wearer_id>/trial", endpoint="trial")(page)
    blueprint.post("/care/wearers/<int:wearer_id>/fences/trial", endpoint="fence_trial")(fence_trial)
    blueprint.post("/care/wearers/<int:wearer_id>/limits/trial", endpoint="limits_trial")(limits_trial)


def _who() -> str:
    return f"user:{viewer().user}"


@declare(CARERS)
def page(wearer_id: int) -> str:
    """The page with both forms, nothing tried yet."""
    wearer = visible(wearer_id)
    sight = sight_of(viewer(), wearer)
    if not sight.location and not sight.health:
        withhold(wearer, Data.LOCATION)
    record_look(wearer, purpose=purpose_or(wearer, "trial"))
    return _page(wearer, Typed())


@declare(CARERS)
@limiter.limit(TRIAL_LIMIT, key_func=_who)
def fence_trial(wearer_id: int) -> ResponseReturnValue:
    """Try fences: `{"fences": [tables as in config.toml], "days": 1 to 90}`, or the page's own form."""
    return _tried(wearer_id, trial.fences_tried, fences_typed, "view_track")


@declare(CARERS)
@limiter.limit(TRIAL_LIMIT, key_func=_who)
def limits_trial(wearer_id: int) -> ResponseReturnValue:
    """Try limits: `{"vitals": {keys of [rules.vitals]}, "days": 1 to 90}`, or the page's own form."""
    return _tried(wearer_id, trial.limits_tried, limits_typed, "view_vitals")


def _tried(
    wearer_id: int, attempt: Try, typed_of: Callable[[Any], Typed], action: str
) -> ResponseReturnValue:
    """Try what was sent: JSON is answered with JSON or a piece of page (`?form=piece`), a form with a page.

    Nothing of the request's own transaction is held while the rules run.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    wearer = located(wearer_id) if action == "view_track" else measured(wearer_id)
    typed = Typed(body=_json()) if request.is_json else typed_of(request.form)
    db.session.rollback()
    if not typed.problems:
        try:
            typed.told, typed.shown = _run(wearer_id, attempt, typed.body, action)
        except trial.Wrong as error:
            typed.problems = error.problems
        except trial.Busy:
            abort(HTTPStatus.SERVICE_UNAVAILABLE)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if typed.problems else HTTPStatus.OK
    if request.args.get("form") == "piece":
        return render_template("care/trial_piece.html", typed=typed), status
    if not request.is_json:
        return _page(visible(wearer.id), typed), status
    if typed.problems:
        return jsonify(error="wrong", findings=[_finding(one) for one in typed.problems]), status
    return jsonify(trial_shown.as_json(typed.told, typed.shown))


def _run(wearer_id: int, attempt: Try, body: Any, action: str) -> tuple[trial.Told, trial_shown.Shown]:
    """Run it on a session that only reads; the look is on record before anything is shown."""
    settings = current_app.config["PORTAL"]
    with reading() as session:
        wearer = session.get(Wearer, wearer_id)
        if wearer is None:
            abort(HTTPStatus.NOT_FOUND)
        told = attempt(session, wearer, body, settings.community_rules, now())
    record_trial(wearer_id, action, detail=f"trial {told.days:g} d")
    layers = {name: read_layer(Path(settings.map_dir), name)["features"] for name in LAYERS}
    return told, trial_shown.shown(told, layers, "en" if chosen_language() == "en" else "zh")


def _page(wearer: Wearer, typed: Typed) -> str:
    community = current_app.config["PORTAL"].community_rules
    today = trial.in_force(db.session, wearer, "vitals", community)
    tables = trial.fences_in_force(wearer)
    circle = next((one for one in tables if one.get("centre")), {})
    sight = sight_of(viewer(), wearer)
    spot = circle.get("centre") or (_spot(wearer) if sight.location else ("", ""))
    return render_template(
        "care/trial.html",
        wearer=wearer,
        sight=sight,
        typed=typed,
        days=DAYS,
        limits=[(key, words, getattr(today, key), step) for key, words, step in LIMITS],
        fences=json.dumps(tables, ensure_ascii=False, indent=1),
        circle=circle | {"lat": spot[0], "lon": spot[1]},
    )


def _spot(wearer: Wearer) -> tuple[Any, Any]:
    state = wearer.state
    return ("", "") if state is None or state.lat is None else (round(state.lat, 5), round(state.lon or 0, 5))


def _json() -> Any:
    """The body; text that is no JSON is judged like one that is no object."""
    try:
        return msgspec.json.decode(request.get_data())
    except (msgspec.DecodeError, RecursionError):
        return None


def _finding(one: Problem) -> dict[str, str]:
    return {"path": one.path, "value": one.value, "expected": one.expected}
