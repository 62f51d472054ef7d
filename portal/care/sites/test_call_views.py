"""Test calls: a button at each contact rings that one person, and the page tells how far it got."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, url_for
from flask import request as asked
from flask_babel import lazy_gettext

from gateway.told import PortalCommand
from portal import audit
from portal.api import commands
from portal.api.gateway import ring
from portal.care import queries
from portal.care.models import Command, Contact, Wearer
from portal.care.sites.models import TestCall
from portal.care.wearer_page import ONCE_BYTES, may_command
from portal.db import db
from portal.i18n import gettext
from portal.policy import Role, declare, only
from portal.security import limiter, local_path, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

LIMIT = "5 per minute; 30 per hour"
SHOWN, SHOWN_FOR = 5, timedelta(days=7)
STEPS: Mapping[str, tuple[object, ...]] = {
    "waiting": (lazy_gettext("排队等线路"),),
    "ringing": (lazy_gettext("正在拨打"),),
    "answered": (lazy_gettext("拨打"), lazy_gettext("已接听，请按 1")),
    "confirmed": (lazy_gettext("拨打"), lazy_gettext("已接听"), lazy_gettext("按了 1")),
    "no_key": (lazy_gettext("拨打"), lazy_gettext("已接听"), lazy_gettext("没有按 1")),
    "no_answer": (lazy_gettext("拨打"), lazy_gettext("没有人接")),
    "busy": (lazy_gettext("拨打"), lazy_gettext("占线")),
    "voicemail": (lazy_gettext("拨打"), lazy_gettext("转到了语音信箱")),
    "failed": (lazy_gettext("拨打"), lazy_gettext("没有打通")),
    "cancelled": (lazy_gettext("挂断了，线路让给真的报警"),),
}
"""The way of a test call, by how it stands (`gateway.told_orders.CallState`)."""
REFUSALS: Mapping[str, object] = {
    "alarm": lazy_gettext("正有报警或演练，线路要留给它"),
    "busy": lazy_gettext("另一个试拨还没有结束"),
    "no_contact": lazy_gettext("守望设备里没有这个联系人"),
    "bad_number": lazy_gettext("电话号码不对"),
    "no_carrier": lazy_gettext("守望设备现在没有能打电话的线路"),
}

blueprint = Blueprint("test_calls", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One test call in words."""

    name: str
    by: str
    at: datetime
    words: str
    tone: str
    pending: bool


def _who() -> str:
    return f"user:{viewer().user}"


def test_calls(wearer: Wearer) -> list[Told]:
    """The newest test calls of a wearer's contacts, newest first: those under way and those that ended."""
    query = sa.select(Command).where(
        Command.gateway == wearer.gateway,
        Command.name == "test_call",
        Command.command.startswith(f"test.{wearer.id}."),
        Command.created_at >= now() - SHOWN_FOR,
    )
    found = []
    for order in db.session.scalars(query.order_by(Command.id.desc()).limit(SHOWN)):
        body = msgspec.json.decode(order.body, type=PortalCommand)
        name = next((one.name for one in wearer.contacts if one.code == body.contact), body.contact or "")
        call = db.session.get(TestCall, (order.gateway, order.command))
        found.append(_told(order, call, name, body.by or ""))
    return found


def _told(order: Command, call: TestCall | None, name: str, by: str) -> Told:
    if call is not None:
        words = " → ".join(str(step) for step in STEPS.get(call.call, (call.call,)))
        tones = {"confirmed": "good", "waiting": "information", "ringing": "information"}
        tone = tones.get(call.call, "information" if call.call == "answered" else "warning")
        return Told(name=call.name, by=by, at=call.at, words=words, tone=tone, pending=not call.final)
    if order.state == "refused":
        words = gettext("没有拨：%(why)s", why=REFUSALS.get(order.reason, order.reason))
        return Told(name=name, by=by, at=order.created_at, words=words, tone="warning", pending=False)
    words = gettext("等守望设备来拿")
    return Told(name=name, by=by, at=order.created_at, words=words, tone="information", pending=True)


@blueprint.app_context_processor
def of_contacts() -> dict[str, object]:
    """`test_calls(wearer)` for the page of a wearer."""
    return {"test_calls": test_calls}


@blueprint.post("/care/wearers/<int:wearer_id>/test-calls")
@declare(only(Role.GUARDIAN, Role.STAFF))
@limiter.limit(LIMIT, key_func=_who)
def begin(wearer_id: int) -> ResponseReturnValue:
    """Ring one contact of this wearer to see whether they can be reached; nobody else is disturbed."""
    wearer = queries.find_wearer(db.session, viewer(), wearer_id)
    if wearer is None or not may_command(wearer):
        abort(HTTPStatus.NOT_FOUND)
    contact = _contact(wearer, asked.form.get("contact", ""))
    once = asked.form.get("once", "")
    if not re.fullmatch(r"[0-9a-f]{16}", once):
        once = secrets.token_hex(ONCE_BYTES)
    commands.queue(
        db.session,
        wearer.gateway,
        now=now(),
        by_user=viewer().user,
        command=f"test.{wearer.id}.{viewer().user}.{contact.code}.{once}"[:200],
        name="test_call",
        wearer=wearer.code if contact.role == "family" else None,
        contact=contact.code,
        by=viewer().name,
    )
    subject = f"wearer:{wearer.id}"
    audit.record(db.session, at=now(), actor=_who(), action="test_call", subject=subject, detail=contact.name)
    db.session.commit()
    ring()
    flash(gettext("正在试拨 %(name)s，进展见「试拨」。", name=contact.name), "good")
    there = url_for("care.wearer", wearer_id=wearer.id, _anchor="test-calls")
    return redirect(local_path(asked.form.get("next"), there))


def _contact(wearer: Wearer, code: str) -> Contact:
    found = next((one for one in wearer.contacts if one.code == code), None)
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found
