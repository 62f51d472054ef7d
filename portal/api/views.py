"""The machine doors' addresses; each checks a token or a signature, none has a session or a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import sqlalchemy as sa
from flask import Blueprint, Response

from portal.api import openapi
from portal.api.gateway import answer, authorised_gateway, give_commands, refuse, take_events
from portal.api.telephone import take_key, take_status, take_text
from portal.db import db
from portal.policy import ANYONE, MACHINE, declare
from portal.security import csrf

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState

blueprint = Blueprint("api", __name__)
csrf.exempt(blueprint)


@blueprint.record_once
def _wire(state: BlueprintSetupState) -> None:
    cast("Flask", state.app).register_blueprint(openapi.blueprint)


@blueprint.post("/api/gateway/v1/events")
@declare(MACHINE)
def events() -> Response:
    """Rows of a gateway's journal; idempotent by (gateway, seq)."""
    gateway = authorised_gateway()
    return refuse() if gateway is None else take_events(gateway)


@blueprint.get("/api/gateway/v1/commands")
@declare(MACHINE)
def commands() -> Response:
    """Commands for a gateway, by long poll."""
    gateway = authorised_gateway()
    return refuse() if gateway is None else give_commands(gateway)


@blueprint.post("/twilio/<gateway>/voice/<leg_id>")
@declare(MACHINE)
def voice(gateway: str, leg_id: str) -> Response:
    """A key was pressed during a call."""
    return take_key(gateway, leg_id)


@blueprint.post("/twilio/<gateway>/status/<leg_id>")
@declare(MACHINE)
def status(gateway: str, leg_id: str) -> Response:
    """A call or text changed its state."""
    return take_status(gateway, leg_id)


@blueprint.post("/twilio/<gateway>/text")
@declare(MACHINE)
def text(gateway: str) -> Response:
    """A text came back from a telephone."""
    return take_text(gateway)


@blueprint.get("/healthz")
@declare(ANYONE)
def health() -> Response:
    """Whether the portal and its store answer."""
    db.session.execute(sa.text("SELECT 1"))
    return answer({"status": "ok"})
