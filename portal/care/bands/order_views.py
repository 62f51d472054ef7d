"""The buttons that order something of a band: find it, locate it, a message, how often it reports."""

from __future__ import annotations

import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, request, url_for

from gateway.model import DownCommand
from portal.api.gateway import ring
from portal.care import queries
from portal.care.bands import orders as band_orders
from portal.care.bands.order_words import INTERVALS_S, MAX_TEXT_CHARACTERS
from portal.care.consent.sight import located
from portal.care.wearer_page import ONCE_BYTES, Typed, may_command, wearer_page
from portal.db import db
from portal.i18n import gettext
from portal.policy import Role, declare, only
from portal.security import limiter, local_path, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

ORDER_LIMIT = "10 per minute; 60 per hour"

blueprint = Blueprint("band_orders", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.post("/care/wearers/<int:wearer_id>/orders")
@declare(only(Role.GUARDIAN, Role.STAFF))
@limiter.limit(ORDER_LIMIT, key_func=_who)
def order(wearer_id: int) -> ResponseReturnValue:
    """Give one order to the wearer's band; a message that cannot be sent is given back as it was typed."""
    wearer = queries.find_wearer(db.session, viewer(), wearer_id)
    if wearer is None or not may_command(wearer):
        abort(HTTPStatus.NOT_FOUND)
    name, text = request.form.get("name", ""), request.form.get("text", "").strip()
    if name == "message" and (problem := _problem(text)):
        return wearer_page(wearer, Typed(text=text, problem=problem)), HTTPStatus.UNPROCESSABLE_ENTITY
    if name == "locate_now":
        located(wearer_id)
    down = _command(name, text, request.form.get("interval_s", type=int))
    if down is None:
        abort(HTTPStatus.BAD_REQUEST)
    once = request.form.get("once", "")
    if not re.fullmatch(r"[0-9a-f]{16}", once):
        once = secrets.token_hex(ONCE_BYTES)
    band_orders.give(db.session, wearer, down, who=viewer(), once=once, now=now())
    db.session.commit()
    ring()
    flash(gettext("指令已记下，进展见「手环指令」。"), "good")
    there = url_for("care.wearer", wearer_id=wearer.id, _anchor="orders")
    return redirect(local_path(request.form.get("next"), there))


def _problem(text: str) -> str:
    if not text:
        return gettext("请先写要发的话。")
    if len(text) > MAX_TEXT_CHARACTERS:
        return gettext("太长了，最多 %(limit)s 个字。", limit=MAX_TEXT_CHARACTERS)
    return ""


def _command(name: str, text: str, interval_s: int | None) -> DownCommand | None:
    """The order of a button; None for what no button of ours sends."""
    match name:
        case "find" | "locate_now":
            return DownCommand(name=name)
        case "message":
            return DownCommand(name="message", text=text)
        case "interval" if interval_s in INTERVALS_S:
            return DownCommand(name="interval", interval_s=interval_s)
    return None
