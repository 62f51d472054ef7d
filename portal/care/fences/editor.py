"""What the fence editor asks while one draws: is this right, what would it have alarmed, begin with this.

Every answer is made of the fields of the form, as they would be sent: the form is the one truth,
and whoever has no script gets a page for each of these instead.
"""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, abort, current_app, jsonify, render_template, request

from gateway.profile import FenceTable, Profile
from portal.care.consent.looks import record_trial
from portal.care.consent.sight import located
from portal.care.consent.sights import sight_of
from portal.care.fences import files as fence_files
from portal.care.fences.answers import fence_of
from portal.care.fences.check import checked
from portal.care.fences.page import Begun, fence_standards
from portal.care.fences.presets import NoPreset, preset_answers
from portal.care.fences.questions import fence_form
from portal.care.models import Wearer
from portal.care.profile import trial as profile_trial
from portal.care.profile import versions as profiles
from portal.care.profile.check import is_id
from portal.care.profile.contact_forms import new_id
from portal.care.profile.forms import form_page, piece_of, shown, standards, with_piece
from portal.care.profile.views import EDIT_LIMIT, EDITORS, editable, who_edits
from portal.care.trial.run import Told
from portal.care.trial.shown import MOST_SHOWN
from portal.care.trial.views import MAX_BODY_BYTES
from portal.db import db
from portal.fields import Field
from portal.i18n import gettext, ngettext
from portal.policy import declare
from portal.security import limiter, viewer, wants_json
from portal.words import fill, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

CHECK_LIMIT = "240 per minute; 6000 per hour"
TRACKED = frozenset({"here", "walk"})
"""Beginnings made of where the wearer was."""
GAP_S = 15 * 60
"""A line is not drawn over a silence so long."""
MOST_DRAWN = 4_000

blueprint = Blueprint("fence_editor", __name__)


@blueprint.post("/care/wearers/<int:wearer_id>/profile/fence/check")
@declare(EDITORS)
@limiter.limit(CHECK_LIMIT, key_func=who_edits)
def check(wearer_id: int) -> ResponseReturnValue:
    """Say what is wrong with a fence as it is typed and drawn so far, what it does, and what to draw."""
    wearer, _, old, _ = _asked(wearer_id)
    fields = fence_form(old, standards("fence"))
    found = checked(fields, request.form.to_dict(flat=False), old, fence_standards(wearer))
    return jsonify(found.as_json())


@blueprint.post("/care/wearers/<int:wearer_id>/profile/fence/try")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def try_it(wearer_id: int) -> ResponseReturnValue:
    """Run the fences with this one over the last days: a piece of page, and places to mark on the map."""
    wearer, profile, old, name = _asked(wearer_id)
    if not profile_trial.may_try(wearer, "fence"):
        abort(HTTPStatus.NOT_FOUND)
    form = fill(fence_form(old, standards("fence")), request.form.to_dict(flat=False))
    made = fence_of(form, old, name or new_id("f"))
    if made is None:
        return jsonify(errors=form.errors), HTTPStatus.UNPROCESSABLE_ENTITY
    typed = profile_trial.tried(wearer.id, "fence", with_piece(profile, "fences", made))
    if typed is None:
        return jsonify(error="busy"), HTTPStatus.SERVICE_UNAVAILABLE
    page = render_template("care/trial_piece.html", typed=typed)
    if typed.told is None or typed.shown is None:
        return jsonify(page=page, alarms=[], track=[])
    return jsonify(page=page, alarms=_alarms(typed.told, typed.shown), track=_track(typed.told))


@blueprint.post("/care/wearers/<int:wearer_id>/profile/fence/begin")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def begin(wearer_id: int) -> ResponseReturnValue:
    """Put a beginning, or a drawing out of a file, into the form; what else was typed stays."""
    wearer, _, old, name = _asked(wearer_id)
    raw, seen = request.form.to_dict(flat=False), request.form.get("seen", "")
    begun = _begun(wearer)
    if wants_json():
        status = HTTPStatus.UNPROCESSABLE_ENTITY if begun.problems else HTTPStatus.OK
        return jsonify(answers=begun.answers, problems=begun.problems, note=begun.note), status
    answers = dict(begun.answers)
    if "".join(raw.get("name", ())).strip():
        answers.pop("name", None)
    fields: tuple[Field, ...] = fence_form(old, standards("fence"))
    form = shown(fields, raw | {key: [value] for key, value in answers.items()})
    return form_page(editable(wearer_id), "fence", name, fields, form, seen=seen, begun=begun)


def _asked(wearer_id: int) -> tuple[Wearer, Profile, FenceTable | None, str]:
    """The wearer, the profile that is current, and the fence of `id` in it, None for a new one."""
    if (request.content_length or 0) > fence_files.MOST_BYTES + MAX_BODY_BYTES:
        abort(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    wearer, name = editable(wearer_id), request.args.get("id", "")
    if name:
        located(wearer_id)
    known = profiles.current(db.session, wearer)
    if known is None or (name and not is_id(name)):
        abort(HTTPStatus.NOT_FOUND)
    return wearer, known.profile, piece_of(known.profile.fences, name), name


def _begun(wearer: Wearer) -> Begun:
    """What the pressed button begins with: a preset, a drawing chosen before, or a file."""
    if name := request.form.get("preset", ""):
        return _preset(wearer, name)
    if chosen := request.form.get("fill", ""):
        try:
            return Begun(answers=msgspec.json.decode(chosen, type=dict[str, str]))
        except msgspec.DecodeError:
            abort(HTTPStatus.BAD_REQUEST)
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return Begun(problems=[gettext("请先选一个文件。")])
    with closing(sent):
        content = sent.stream.read(fence_files.MOST_BYTES + 1)
    try:
        drawn = fence_files.fences_of_file(
            sent.filename,
            content,
            datum=request.form.get("datum", "wgs84"),
            map_dir=current_app.config["PORTAL"].map_dir,
        )
    except fence_files.NoFences as error:
        return Begun(problems=error.words)
    if len(drawn) > 1:
        count = len(drawn)
        note = ngettext("文件里有 %(num)s 个区域，请选一个。", "文件里有 %(num)s 个区域，请选一个。", count)
        return Begun(choices=drawn, note=note)
    note = gettext("已从文件取来，请在地图上看看对不对。")
    if drawn[0].usual:
        note = gettext("已从文件取来。文件里没有写大小，先按常用的填，请看看对不对。")
    return Begun(answers=drawn[0].answers, note=note)


def _preset(wearer: Wearer, name: str) -> Begun:
    folder, wearer_id = current_app.config["PORTAL"].map_dir, wearer.id
    if name in TRACKED and not sight_of(viewer(), wearer).location:
        abort(HTTPStatus.NOT_FOUND)
    try:
        answers = preset_answers(name, db.session, wearer, folder, now())
    except NoPreset as error:
        return Begun(problems=[str(error)])
    finally:
        if name in TRACKED:
            db.session.rollback()
            record_trial(wearer_id, "view_track", detail=f"fence {name}")
    return Begun(answers=answers)


def _alarms(told: Told, said: Any) -> list[dict[str, Any]]:
    """Every alarm that has a place, numbered as in the list of the page."""
    return [
        {"number": one.number, "lat": one.alarm.lat, "lon": one.alarm.lon, "what": row.what}
        for one, row in zip(told.trial.found[:MOST_SHOWN], said.rows, strict=False)
        if one.alarm.lat is not None
    ]


def _track(told: Told) -> list[list[tuple[float, float]]]:
    """Where the wearer was, as lines of (longitude, latitude), broken where nothing was heard."""
    places = told.trial.track[-MOST_DRAWN:]
    lines: list[list[tuple[float, float]]] = [[(one.lon, one.lat) for one in places[:1]]]
    for before, one in pairwise(places):
        if (one.at - before.at).total_seconds() > GAP_S:
            lines.append([])
        lines[-1].append((one.lon, one.lat))
    return [line for line in lines if len(line) > 1]
