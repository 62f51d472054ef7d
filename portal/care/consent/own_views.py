"""Everything kept of a wearer: taken along as a file, or deleted, by who decides about it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask_security import auth_required

from portal import audit
from portal.api.gateway import ring
from portal.care.changes import rights_changed
from portal.care.consent import own_data
from portal.care.consent import record as consents
from portal.care.consent.sight import visible
from portal.care.consent.sights import facts_of
from portal.care.models import Wearer
from portal.db import db, reading
from portal.i18n import gettext
from portal.policy import Basis, Role, consents_as, declare, only
from portal.security import FRESH_FOR, limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

DECIDERS = only(Role.WEARER, Role.GUARDIAN, Role.STAFF)
EXPORT_LIMIT = "6 per hour"
REASON_CHARACTERS = 200

blueprint = Blueprint("own", __name__)
fresh = auth_required("session", within=lambda: FRESH_FOR, grace=lambda: FRESH_FOR)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/care/wearers/<int:wearer_id>/kept")
@declare(DECIDERS)
@fresh
def page(wearer_id: int) -> str:
    """How much is kept, for how long, a button to take it along and a form to delete it."""
    return _page(*_decided(wearer_id))


@blueprint.post("/care/wearers/<int:wearer_id>/kept.zip")
@declare(DECIDERS)
@fresh
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def export(wearer_id: int) -> ResponseReturnValue:
    """Everything as a ZIP, for the wearer and for a guardian who decides; staff have no use for it."""
    wearer, basis = _decided(wearer_id)
    if basis is Basis.PAPER:
        abort(HTTPStatus.NOT_FOUND)
    _record(wearer, "export_data", basis.value)
    db.session.commit()
    with reading() as session:
        found = session.get_one(Wearer, wearer.id)
        file = own_data.packed(session, found, found.resident.account if found.resident else None, now())
    heads = {"Content-Disposition": 'attachment; filename="shouwang.zip"', "Cache-Control": "no-store"}
    return current_app.response_class(own_data.chunks(file), mimetype="application/zip", headers=heads)


@blueprint.post("/care/wearers/<int:wearer_id>/kept/erase")
@declare(DECIDERS)
@fresh
def erase(wearer_id: int) -> ResponseReturnValue:
    """Delete positions and vital signs at once when that was ticked; staff say why."""
    wearer, basis = _decided(wearer_id)
    reason = request.form.get("reason", "").strip()[:REASON_CHARACTERS]
    problem = ""
    if basis is Basis.PAPER and not reason:
        problem = gettext("请写明是谁、为什么要求删除。")
    elif request.form.get("sure") != "yes":
        problem = gettext("请先勾选“我明白”。")
    if problem:
        return _page(wearer, basis, problem=problem, reason=reason), HTTPStatus.UNPROCESSABLE_ENTITY
    gone = {data.value: consents.erase(db.session, wearer, data) for data in consents.WORN}
    counts = " ".join(f"{name} {number}" for name, number in gone.items())
    _record(wearer, "erase_data", f"{basis.value} {counts} {reason}".strip())
    rights_changed(db.session, wearer.id)
    db.session.commit()
    ring()
    flash(gettext("已删掉。求救和报警的记录还在。"), "good")
    return redirect(url_for("own.page", wearer_id=wearer.id))


def _decided(wearer_id: int) -> tuple[Wearer, Basis]:
    """The wearer, and in what right who asks decides; who has none is told "not found"."""
    wearer = visible(wearer_id)
    basis = consents_as(viewer(), facts_of(wearer))
    if basis is None:
        abort(HTTPStatus.NOT_FOUND)
    return wearer, basis


def _page(wearer: Wearer, basis: Basis, *, problem: str = "", reason: str = "") -> str:
    return render_template(
        "care/kept.html",
        wearer=wearer,
        basis=basis.value,
        counts={data.value: consents.count(db.session, wearer, data) for data in consents.WORN},
        problem=problem,
        reason=reason,
    )


def _record(wearer: Wearer, action: str, detail: str) -> None:
    entry = {"actor": _who(), "action": action, "subject": f"wearer:{wearer.id}"}
    audit.record(db.session, at=now(), **entry, detail=detail)
