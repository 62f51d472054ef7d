"""The form that lets a wearer's fences not count until a time, and the button that ends it before."""

from __future__ import annotations

import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, request, url_for

from geofence.schedule import next_clock
from portal.api.gateway import ring
from portal.care.consent.sight import visible
from portal.care.fences import suspensions
from portal.care.wearer_page import ONCE_BYTES, Typed, may_command, wearer_page
from portal.db import db
from portal.i18n import gettext
from portal.policy import Role, declare, only
from portal.security import limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

ORDER_LIMIT = "10 per minute; 60 per hour"

blueprint = Blueprint("suspensions", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.post("/care/wearers/<int:wearer_id>/fences/<any(suspend, resume):what>")
@declare(only(Role.GUARDIAN, Role.STAFF))
@limiter.limit(ORDER_LIMIT, key_func=_who)
def order(wearer_id: int, what: str) -> ResponseReturnValue:
    """Suspend or resume; a time that is none is given back as it was typed."""
    wearer = visible(wearer_id)
    if not may_command(wearer):
        abort(HTTPStatus.NOT_FOUND)
    fence = request.form.get("fence", "")
    if fence and fence not in {one["fence"] for one in wearer.fences}:
        abort(HTTPStatus.BAD_REQUEST)
    until, note = None, request.form.get("note", "").strip()
    if what == "suspend":
        try:
            until = next_clock(request.form.get("until", ""), now())
        except ValueError:
            typed = Typed(note=note, until_problem=gettext("请选到几点为止，例如 18:00。"))
            return wearer_page(wearer, typed), HTTPStatus.UNPROCESSABLE_ENTITY
    once = request.form.get("once", "")
    if not re.fullmatch(r"[0-9a-f]{16}", once):
        once = secrets.token_hex(ONCE_BYTES)
    suspensions.give(
        db.session,
        wearer,
        name=f"{what}_fences",
        fence=fence,
        until=until,
        note=note,
        who=viewer(),
        once=once,
        now=now(),
    )
    db.session.commit()
    ring()
    flash(gettext("已记下，网关确认后显示在「安全区域」。"), "good")
    return redirect(url_for("care.wearer", wearer_id=wearer.id, _anchor="fences"))
