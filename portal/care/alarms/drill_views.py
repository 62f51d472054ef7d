"""Drills: first it is said who would be rung, then staff begin one; it goes through the whole cascade."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from gateway.model import AlarmKind
from portal import audit
from portal.api import commands
from portal.api.gateway import ring
from portal.care import queries
from portal.care.alarms.history import KINDS
from portal.care.models import Command, Wearer
from portal.care.sites.models import DutyTold
from portal.care.wearer_page import ONCE_BYTES
from portal.db import db
from portal.i18n import gettext
from portal.policy import Role, declare, only
from portal.security import limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

DRILL_KINDS: tuple[AlarmKind, ...] = ("sos", "fall", "fence", "vitals", "inactivity")
DRILL_LIMIT = "6 per hour"
SHOWN_FOR = timedelta(minutes=10)
STAFF = only(Role.STAFF)

blueprint = Blueprint("drills", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Somebody a drill would ring: `family` of the wearer, or of the staff."""

    name: str
    relation: str
    family: bool


def _who() -> str:
    return f"user:{viewer().user}"


def rung(wearer: Wearer) -> list[Rung]:
    """Everybody an alarm of this wearer would ring, in order: the family, then who is on duty now."""
    people = [
        Rung(name=one.name, relation=one.relation, family=one.role == "family") for one in wearer.contacts
    ]
    duty = db.session.get(DutyTold, wearer.gateway)
    known = {one.name for one in people}
    if duty is not None:
        people += [
            Rung(name=one["name"], relation="", family=False)
            for one in duty.on_duty
            if one["name"] not in known
        ]
    return people


def pending() -> list[Command]:
    """This viewer's drills of the last minutes that are on their way still, or were refused; newest first."""
    query = sa.select(Command).where(
        Command.name == "drill",
        Command.by_user == viewer().user,
        Command.state.in_(("queued", "refused")),
        Command.created_at >= now() - SHOWN_FOR,
    )
    return list(db.session.scalars(query.order_by(Command.id.desc()).limit(3)))


def refusal(reason: str) -> str:
    """Why a drill was refused, in words for those that are known."""
    if "real alarm" in reason:
        return gettext("正有真的报警，线路要留给它。")
    if "already under way" in reason:
        return gettext("这个人的同一种演练还没有结束。")
    return reason


@blueprint.app_context_processor
def of_the_desk() -> dict[str, object]:
    """`drills_pending()` and `drill_refusal(reason)` for the board."""
    return {"drills_pending": pending, "drill_refusal": refusal}


@blueprint.get("/care/drills/")
@declare(STAFF)
def page() -> str:
    """Choose whose drill and of which kind (`wearer`, `kind`); then who would be rung, and the button."""
    wearers = queries.visible_wearers(db.session, viewer())
    chosen = next((row for row in wearers if row.id == request.args.get("wearer", type=int)), None)
    kind = request.args.get("kind", "")
    return render_template(
        "care/drill.html",
        wearers=wearers,
        kinds={name: KINDS[name] for name in DRILL_KINDS},
        chosen=chosen,
        kind=kind if kind in DRILL_KINDS else "sos",
        people=rung(chosen) if chosen is not None else [],
        once=secrets.token_hex(ONCE_BYTES),
    )


@blueprint.post("/care/drills/")
@declare(STAFF)
@limiter.limit(DRILL_LIMIT, key_func=_who)
def begin() -> ResponseReturnValue:
    """Begin a drill: the gateway rings everybody as in an alarm, and says that it is a drill."""
    wearer = queries.find_wearer(db.session, viewer(), request.form.get("wearer", 0, type=int))
    kind, once = request.form.get("kind", ""), request.form.get("once", "")
    if wearer is None:
        abort(HTTPStatus.NOT_FOUND)
    if kind not in DRILL_KINDS or not re.fullmatch(r"[0-9a-f]{16}", once):
        abort(HTTPStatus.BAD_REQUEST)
    commands.queue(
        db.session,
        wearer.gateway,
        now=now(),
        by_user=viewer().user,
        command=f"drill.{wearer.id}.{viewer().user}.{once}",
        name="drill",
        wearer=wearer.code,
        kind=kind,
        by=viewer().name,
    )
    audit.record(
        db.session, at=now(), actor=_who(), action="drill", subject=f"wearer:{wearer.id}", detail=kind
    )
    db.session.commit()
    ring()
    flash(gettext("演练已交给守望设备，几秒钟后出现在值班台。如果正有真的报警，它会拒绝。"), "good")
    return redirect(url_for("care.alarms"))
