"""The page of one order about a band: it waits for the gateway, then shows what to type, the key once."""

from __future__ import annotations

import base64
import io
from http import HTTPStatus
from typing import TYPE_CHECKING

import segno
from flask import Blueprint, abort, flash, redirect, render_template, url_for

from portal.api.gateway import ring
from portal.care.bands import key_pairs, provisioning
from portal.care.bands.device_views import drop_old_keys
from portal.care.bands.makes import make_words
from portal.care.bands.order_rows import told_order
from portal.care.bands.provisioning import DONE, SHOWN_FOR, Opened, Order, find_order
from portal.care.bands.settings_words import wires
from portal.care.changes import newest_change
from portal.care.models import GatewayLine
from portal.care.sites.health import SILENT_AFTER
from portal.care.sites.models import Band
from portal.db import db, writing
from portal.i18n import gettext
from portal.policy import PROVISIONERS, declare, only
from portal.security import viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

OFFICE = only(*PROVISIONERS)

blueprint = Blueprint("device_orders", __name__)


@blueprint.get("/care/devices/orders/<int:order_id>")
@declare(OFFICE)
def page(order_id: int) -> str:
    """How far an order got; to the session that gave it, what to type into the band with its key."""
    drop_old_keys()
    seen = newest_change(db.session)
    order = _order(order_id)
    opened = _opened(order)
    if opened is not None and opened.secrets:
        with writing() as session:
            provisioning.looked(session, order, who=viewer(), now=now())
    band = db.session.get(Band, (order.gateway, order.device))
    line = db.session.get(GatewayLine, order.gateway)
    heard_at = None if line is None else line.heard_at
    return render_template(
        "care/device_order.html",
        seen=seen,
        order=order,
        told=told_order(order),
        band=band,
        make=_make(order, band),
        opened=opened,
        wires=wires(opened.settings, opened.secrets) if opened else (),
        qr=_drawn(opened.qr) if opened and opened.qr else "",
        until=(order.ended_at or order.at) + SHOWN_FOR,
        heard=band is not None
        and band.heard_at is not None
        and order.ended_at is not None
        and band.heard_at > order.ended_at,
        offline=heard_at is None or now() - heard_at > SILENT_AFTER,
        offline_since=heard_at,
    )


@blueprint.post("/care/devices/orders/<int:order_id>/written-down")
@declare(OFFICE)
def written_down(order_id: int) -> ResponseReturnValue:
    """The key was written down: its row and its pair go."""
    order = _order(order_id)
    if _opened(order) is None:
        abort(HTTPStatus.NOT_FOUND)
    provisioning.put_away(db.session, order, who=viewer(), now=now())
    db.session.commit()
    key_pairs.forget(order.once)
    flash(gettext("好的，密钥不再显示。手环第一次连上以后，这里会写着什么时候收到的消息。"), "good")
    if db.session.get(Band, (order.gateway, order.device)) is None:
        return redirect(url_for("devices.page"))
    return redirect(url_for("devices.one", gateway=order.gateway, device=order.device))


@blueprint.post("/care/devices/orders/<int:order_id>/drop")
@declare(OFFICE)
def drop(order_id: int) -> ResponseReturnValue:
    """Take back an order that waits, or lay a refused one aside."""
    order = _order(order_id)
    if not provisioning.take_back(db.session, order, who=viewer(), now=now()):
        abort(HTTPStatus.NOT_FOUND)
    db.session.commit()
    ring()
    key_pairs.forget(order.once)
    return redirect(url_for("devices.page"))


def _opened(order: Order) -> Opened | None:
    """What came back for an order; its key only for who gave it, in the session that gave it."""
    if order.state != DONE:
        return None
    private = key_pairs.private_of(order.once) if order.by_user == viewer().user else ""
    return provisioning.opened(db.session, order, private=private, now=now())


def _order(order_id: int) -> Order:
    order = find_order(db.session, viewer(), order_id)
    if order is None:
        abort(HTTPStatus.NOT_FOUND)
    return order


def _make(order: Order, band: Band | None) -> str:
    if band is not None:
        return make_words(band.protocol, band.model)
    return make_words(order.body.protocol or "", order.body.model or "")


def _drawn(text: str) -> str:
    """A QR code as an address that is the picture itself: a picture of its own would be asked for twice."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", scale=6, border=4, light="#ffffff")
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()
