"""The care of one's own people for programs: who they are, how they are now, alarms, and taking one on.

    GET  /api/care/v1/session                     who is signed in, and the token that a POST needs
    GET  /api/care/v1/wearers                     everybody this account may see, as they are now
    GET  /api/care/v1/wearers/<id>                one of them; who is not of the family says `why`
    GET  /api/care/v1/alarms                      open alarms, the worst first
    POST /api/care/v1/alarms/<code>/acknowledge   "I take it on"

Signed-in sessions only, with `X-CSRFToken` on POST. Positions and vital signs are there only for who may see
them now. Described at `/api/openapi.json`.
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response, abort
from flask_wtf.csrf import generate_csrf

from portal.api.gateway import answer
from portal.care import queries
from portal.care.alarms.orders import order
from portal.care.consent.looks import record_look
from portal.care.consent.sights import sight_of
from portal.care.consent.why import purpose_of
from portal.care.models import Wearer, WearerState
from portal.care.queries import Case
from portal.db import db
from portal.policy import SIGNED_IN, WATCHERS, Role, declare, only
from portal.security import viewer

CARERS = only(Role.GUARDIAN, *WATCHERS)
VITALS = (
    ("heart_rate_bpm", "heart_rate_at"),
    ("systolic_mmhg", "blood_pressure_at"),
    ("diastolic_mmhg", "blood_pressure_at"),
    ("spo2_pct", "spo2_at"),
    ("body_temp_c", "body_temp_at"),
    ("steps", "steps_at"),
)

blueprint = Blueprint("care_api", __name__)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    user: int
    name: str
    csrf_token: str


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a wearer was last, in WGS 84."""

    lat: float
    lon: float
    at: datetime
    accuracy_m: float | None
    source: str | None


class Vital(msgspec.Struct, frozen=True, kw_only=True):
    """The newest reading of one kind."""

    name: str
    value: float
    at: datetime


class WearerNow(msgspec.Struct, frozen=True, kw_only=True):
    """A wearer as they are now; what this account may not see, or nobody knows, is null or empty."""

    id: int
    name: str
    alarm: str | None
    heard_at: datetime | None
    battery_pct: float | None
    worn: bool | None
    position: Position | None
    vitals: tuple[Vital, ...]


class Wearers(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody this account may see."""

    wearers: tuple[WearerNow, ...]


class AlarmNow(msgspec.Struct, frozen=True, kw_only=True):
    """An open alarm."""

    code: str
    wearer: int
    wearer_name: str
    kind: str
    severity: str
    state: str
    opened_at: datetime
    drill: bool
    takers: tuple[str, ...]
    waiting: bool
    """Whether somebody's "I take it on" is still on its way to the gateway."""
    lat: float | None
    lon: float | None


class Alarms(msgspec.Struct, frozen=True, kw_only=True):
    """Open alarms, the worst first."""

    alarms: tuple[AlarmNow, ...]


@blueprint.get("/api/care/v1/session")
@declare(SIGNED_IN)
def session() -> Response:
    """Who is signed in, and the token that a POST presents in `X-CSRFToken`."""
    who = viewer()
    return answer(Session(user=who.user or 0, name=who.name, csrf_token=generate_csrf()))


@blueprint.get("/api/care/v1/wearers")
@declare(CARERS)
def wearers() -> Response:
    """Everybody this account may see, in roster order; vital signs are looked at one by one."""
    rows = queries.visible_wearers(db.session, viewer())
    alarms = queries.alarming_wearers(db.session, [row.id for row in rows])
    return answer(Wearers(wearers=tuple(_now(row, alarms.get(row.id), vitals=False) for row in rows)))


@blueprint.get("/api/care/v1/wearers/<int:wearer_id>")
@declare(CARERS)
def wearer(wearer_id: int) -> Response:
    """One wearer with vital signs, for the family or with `why`; the look is recorded."""
    row = queries.find_wearer(db.session, viewer(), wearer_id)
    if row is None:
        abort(HTTPStatus.NOT_FOUND)
    alarms = queries.alarming_wearers(db.session, [row.id])
    purpose = purpose_of(row)
    body = _now(row, alarms.get(row.id), vitals=bool(purpose))
    if body.vitals:
        record_look(row, purpose=purpose)
    return answer(body)


@blueprint.get("/api/care/v1/alarms")
@declare(CARERS)
def alarms() -> Response:
    """Open alarms of everybody this account may see."""
    cases = queries.open_cases(db.session, viewer())
    return answer(Alarms(alarms=tuple(_alarm(case) for case in cases)))


@blueprint.post("/api/care/v1/alarms/<code>/acknowledge")
@declare(CARERS)
def acknowledge(code: str) -> Any:
    """Take an alarm on; twice is once. 202 with the alarm: the gateway has the last word."""
    case = queries.find_case(db.session, viewer(), code)
    if case is None:
        abort(HTTPStatus.NOT_FOUND)
    order(case, "acknowledge")
    again = queries.find_case(db.session, viewer(), code)
    return answer(_alarm(again or case), HTTPStatus.ACCEPTED)


def _now(row: Wearer, alarm: str | None, *, vitals: bool) -> WearerNow:
    state, sight = row.state, sight_of(viewer(), row)
    return WearerNow(
        id=row.id,
        name=row.name,
        alarm=alarm,
        heard_at=None if state is None else state.heard_at,
        battery_pct=None if state is None else state.battery_pct,
        worn=None if state is None else state.worn,
        position=_position(state) if sight.location else None,
        vitals=_vitals(state) if vitals and sight.health else (),
    )


def _position(state: WearerState | None) -> Position | None:
    if state is None or state.fix_at is None or state.lat is None or state.lon is None:
        return None
    return Position(
        lat=state.lat, lon=state.lon, at=state.fix_at, accuracy_m=state.accuracy_m, source=state.source
    )


def _vitals(state: WearerState | None) -> tuple[Vital, ...]:
    known = [(name, getattr(state, name), getattr(state, at)) for name, at in VITALS] if state else []
    return tuple(
        Vital(name=name, value=float(value), at=at)
        for name, value, at in known
        if value is not None and at is not None
    )


def _alarm(case: Case) -> AlarmNow:
    view, located = case.view, sight_of(viewer(), case.wearer).location
    return AlarmNow(
        code=case.code,
        wearer=case.wearer.id,
        wearer_name=case.wearer.name,
        kind=view.kind,
        severity=view.severity,
        state=view.state,
        opened_at=view.opened_at,
        drill=view.drill,
        takers=view.takers,
        waiting="acknowledge" in case.waiting,
        lat=view.lat if located else None,
        lon=view.lon if located else None,
    )
