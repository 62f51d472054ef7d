"""The desk where staff make sign-in cards, and the page a card opens."""

from __future__ import annotations

import base64
import io
from http import HTTPStatus
from typing import TYPE_CHECKING

import qrcode  # type: ignore[import-untyped]
from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask_security import login_user
from qrcode.image.svg import SvgPathImage  # type: ignore[import-untyped]

from portal.api.gateway import ring
from portal.db import db
from portal.i18n import gettext
from portal.people import cards, sign_ins
from portal.policy import ANYONE, Role, declare, only
from portal.security import SIGN_IN_LIMIT, limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from portal.people.models import Resident

DESK = only(Role.STAFF, Role.ADMIN)
MAKE_LIMIT = "30 per hour"

blueprint = Blueprint("cards", __name__, template_folder="templates")


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/desk/cards/")
@declare(DESK)
def desk() -> str:
    """Find a resident of the register and see whether they have a card."""
    words = request.args.get("name", "").strip()[:40]
    found = cards.residents(db.session, viewer(), words) if words else []
    rows = [(resident, cards.card_of(db.session, resident)) for resident in found]
    return render_template("people/cards.html", rows=rows, words=words)


@blueprint.post("/desk/cards/<int:resident_id>")
@declare(DESK)
@limiter.limit(MAKE_LIMIT, key_func=_who)
def make(resident_id: int) -> ResponseReturnValue:
    """Make a card and show it, once, to be printed."""
    resident = _resident(resident_id)
    try:
        card, pin = cards.make(db.session, resident, by=viewer(), at=now())
    except cards.HasOwnAccount:
        flash(gettext("%(name)s 有自己的手机账号，不用登录卡。", name=resident.name), "warning")
        return redirect(url_for("cards.desk", name=resident.name))
    db.session.commit()
    ring()
    address = current_app.config["PORTAL"].public_url.rstrip("/") + url_for("cards.enter", number=card.number)
    return render_template("people/card.html", resident=resident, pin=pin, address=address, qr=_qr(address))


@blueprint.post("/desk/cards/<int:resident_id>/revoke")
@declare(DESK)
def revoke(resident_id: int) -> ResponseReturnValue:
    """Take the card of a resident back."""
    resident = _resident(resident_id)
    if not cards.revoke(db.session, resident, by=viewer(), at=now()):
        abort(HTTPStatus.NOT_FOUND)
    db.session.commit()
    ring()
    flash(gettext("%(name)s 的登录卡已作废。", name=resident.name), "good")
    return redirect(url_for("cards.desk", name=resident.name))


@blueprint.route("/card/<number>", methods=["GET", "POST"])
@declare(ANYONE)
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def enter(number: str) -> ResponseReturnValue:
    """Ask for the PIN of a card, and sign in with it; one page for every number, known or not."""
    if request.method == "GET":
        return render_template("people/card_pin.html", number=number, wrong=False)
    user = cards.open_with(db.session, number, request.form.get("pin", "").strip(), at=now())
    db.session.commit()
    if user is None:
        page = render_template("people/card_pin.html", number=number, wrong=True)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    sign_ins.leave()  # whoever was signed in at the tablet before
    login_user(user, remember=False, authn_via=["card"])
    return redirect(url_for("home.index"))


def _resident(resident_id: int) -> Resident:
    found = cards.find_resident(db.session, viewer(), resident_id)
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _qr(text: str) -> str:
    drawn = io.BytesIO()
    qrcode.make(text, image_factory=SvgPathImage).save(drawn)
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()
