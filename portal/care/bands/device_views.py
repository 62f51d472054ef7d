"""Bands for the office: the list, one band, and the orders that register, rekey and revoke."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for

from portal.api.gateway import ring
from portal.care import queries
from portal.care.bands import device_forms, key_pairs, provisioning
from portal.care.bands.device_list import STATES, Row, band_row, counts, device_rows, key_words, keyed_at
from portal.care.bands.makes import protocol_of
from portal.care.bands.order_rows import told_orders
from portal.care.bands.provisioning import find_band, find_order, provisioned_wearers
from portal.care.changes import newest_change
from portal.care.consent.sights import facts_of
from portal.care.sites.models import Band
from portal.db import db, writing
from portal.fields import Filled
from portal.policy import PROVISIONERS, declare, only, provisions
from portal.security import limiter, viewer
from portal.words import fill, now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask.typing import ResponseReturnValue

    from portal.care.models import Wearer

LIMIT = "10 per minute; 60 per hour"
A_PAGE = 100
MOST_WORDS = 60
OFFICE = only(*PROVISIONERS)

blueprint = Blueprint("devices", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/care/devices/")
@declare(OFFICE)
def page() -> str:
    """Every band of the place, whoever needs a look first; `q` searches.

    `state` leaves those that stand so; `page` counts from 1.
    """
    drop_old_keys()
    seen = newest_change(db.session)
    words = request.args.get("q", "").strip()[:MOST_WORDS]
    found = [row for row in _rows() if row.says(words)]
    state = request.args.get("state", "")
    state = state if state in STATES else ""
    shown = [row for row in found if not state or row.state == state]
    number = max(1, request.args.get("page", 1, type=int))
    return render_template(
        "care/devices.html",
        seen=seen,
        rows=shown[(number - 1) * A_PAGE : number * A_PAGE],
        number=number,
        more=len(shown) > number * A_PAGE,
        total=len(found),
        needing=sum(STATES[row.state][1] not in {"good", "quiet"} for row in found),
        counts=counts(found),
        states=STATES,
        state=state,
        words=words,
    )


def _rows() -> list[Row]:
    rules = current_app.config["PORTAL"].community_rules
    return device_rows(db.session, viewer(), rules=rules, now=now())


def drop_old_keys() -> None:
    """Delete the sealed keys nobody is shown any more, wherever somebody comes by."""
    if provisioning.has_old_keys(db.session, now()):
        with writing() as session:
            provisioning.drop_old_keys(session, now())


@blueprint.get("/care/devices/register")
@declare(OFFICE)
def register() -> str:
    """The form: empty, for a `wearer`, for a revoked `band` of a `gateway`, or again like an `order`."""
    band = find_band(db.session, viewer(), request.args.get("gateway", ""), request.args.get("band", ""))
    order = find_order(db.session, viewer(), request.args.get("order", 0, type=int))
    form = device_forms.begun(request.args.get("wearer", ""), band, order)
    return _register_page(form, key_pairs.begin(), provisioned_wearers(db.session, viewer()))


@blueprint.post("/care/devices/register")
@declare(OFFICE)
@limiter.limit(LIMIT, key_func=_who)
def give_register() -> ResponseReturnValue:
    """Order the registration; what cannot be is given back as it was typed."""
    wearers = provisioned_wearers(db.session, viewer())
    form = device_forms.read(device_forms.register_fields(wearers), request.form.to_dict(flat=False))
    once, public = key_pairs.public_of(request.form.get("once", ""))
    wearer = wearers.get(int(str(form.values.get("wearer", 0))))
    number = str(form.values.get("number", ""))
    if wearer is not None and not form.errors and not _given_already(wearer, once):
        given = provisioning.orders(db.session, wearers)
        problem = device_forms.taken(db.session, wearer, number, seen=wearers, given=given)
        form.errors |= {"number": problem} if problem else {}
    if form.errors or wearer is None:
        return _register_page(form, once, wearers), HTTPStatus.UNPROCESSABLE_ENTITY
    protocol, model = protocol_of(str(form.values["make"]))
    return _ordered(
        wearer,
        "register_band",
        once,
        protocol=protocol,
        model=model,
        wire_id=number,
        device=device_forms.identity_of(db.session, wearer.gateway, number),
        serial=str(form.values.get("serial", "")),
        label=str(form.values.get("label", "")),
        seal_to=public,
    )


def _given_already(wearer: Wearer, once: str) -> bool:
    return provisioning.known_order(db.session, wearer, once=once, who=viewer()) is not None


def _register_page(form: Filled, once: str, wearers: Mapping[int, Wearer]) -> str:
    fields = device_forms.register_fields(wearers)
    form.labels = {question.name: question.label for question in fields}
    return render_template("care/device_register.html", form=form, fields=fields, once=once)


@blueprint.get("/care/devices/<gateway>/<device>/")
@declare(OFFICE)
def one(gateway: str, device: str) -> str:
    """One band: how it is, what may be done, what was."""
    seen = newest_change(db.session)
    band = _band(gateway, device)
    own = provisioning.orders_of_band(db.session, viewer(), band)
    rules = current_app.config["PORTAL"].community_rules
    newest = own[0] if own else None
    row = band_row(band, newest, key_words(band, keyed_at(own)), rules=rules, now=now())
    return render_template("care/device.html", seen=seen, band=band, row=row, orders=told_orders(own[:20]))


@blueprint.get("/care/devices/<gateway>/<device>/rekey")
@declare(OFFICE)
def rekey(gateway: str, device: str) -> str:
    """What another key means, before it is ordered."""
    band = _active(gateway, device)
    if band.key != "set":
        abort(HTTPStatus.NOT_FOUND)
    return _decide_page(band, Filled(), key_pairs.begin(), revoke=False)


@blueprint.post("/care/devices/<gateway>/<device>/rekey")
@declare(OFFICE)
@limiter.limit(LIMIT, key_func=_who)
def give_rekey(gateway: str, device: str) -> ResponseReturnValue:
    """Order another key."""
    band = _active(gateway, device)
    form = fill(device_forms.reason_fields(revoke=False), request.form.to_dict(flat=False))
    once, public = key_pairs.public_of(request.form.get("once", ""))
    if form.errors:
        return _decide_page(band, form, once, revoke=False), HTTPStatus.UNPROCESSABLE_ENTITY
    note = str(form.values["reason"])
    return _ordered(band.wearer, "rekey_band", once, device=band.device, note=note, seal_to=public)


@blueprint.get("/care/devices/<gateway>/<device>/revoke")
@declare(OFFICE)
def revoke(gateway: str, device: str) -> str:
    """What a revocation means, before it is ordered."""
    return _decide_page(_active(gateway, device), Filled(), key_pairs.new_once(), revoke=True)


@blueprint.post("/care/devices/<gateway>/<device>/revoke")
@declare(OFFICE)
@limiter.limit(LIMIT, key_func=_who)
def give_revoke(gateway: str, device: str) -> ResponseReturnValue:
    """Order the revocation."""
    band = _active(gateway, device)
    form = fill(device_forms.reason_fields(revoke=True), request.form.to_dict(flat=False))
    once = key_pairs.checked(request.form.get("once", ""))
    if form.errors:
        return _decide_page(band, form, once, revoke=True), HTTPStatus.UNPROCESSABLE_ENTITY
    note = str(form.values["reason"])
    return _ordered(band.wearer, "revoke_band", once, device=band.device, note=note)


def _decide_page(band: Band, form: Filled, once: str, *, revoke: bool) -> str:
    others = sa.select(sa.func.count()).select_from(Band)
    others = others.where(
        Band.wearer_id == band.wearer_id, Band.state == "active", Band.device != band.device
    )
    return render_template(
        "care/device_decide.html",
        band=band,
        form=form,
        fields=device_forms.reason_fields(revoke=revoke),
        once=once,
        revoke=revoke,
        only_one=not db.session.scalar(others),
        alarming=bool(queries.alarming_wearers(db.session, [band.wearer_id])),
    )


def _ordered(wearer: Wearer, name: str, once: str, **body: str) -> ResponseReturnValue:
    if not provisions(viewer(), facts_of(wearer)):
        abort(HTTPStatus.NOT_FOUND)
    row = provisioning.give(db.session, wearer, name, once=once, who=viewer(), now=now(), **body)
    db.session.commit()
    ring()
    return redirect(url_for("device_orders.page", order_id=row.id))


def _band(gateway: str, device: str) -> Band:
    band = find_band(db.session, viewer(), gateway, device)
    if band is None:
        abort(HTTPStatus.NOT_FOUND)
    return band


def _active(gateway: str, device: str) -> Band:
    band = _band(gateway, device)
    if band.state != "active":
        abort(HTTPStatus.NOT_FOUND)
    return band
