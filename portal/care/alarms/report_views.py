"""The report of an incident (to read, to print, to open in a spreadsheet) and the short link in texts."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Blueprint, Response, abort, current_app, redirect, render_template, url_for

from portal import audit
from portal.care import queries
from portal.care.alarms.report import Report, as_csv, report_of
from portal.care.sketch import sketch
from portal.db import db, writing
from portal.policy import SIGNED_IN, Role, declare, only
from portal.security import viewer
from portal.words import local, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

DESK = only(Role.STAFF, Role.ADMIN)

blueprint = Blueprint("reports", __name__)


@blueprint.get("/i/<code>")
@declare(SIGNED_IN)
def short_link(code: str) -> ResponseReturnValue:
    """The address in a text: to the incident's page, after signing in; not found for who may not see it."""
    if queries.find_case(db.session, viewer(), code) is None:
        abort(HTTPStatus.NOT_FOUND)
    return redirect(url_for("care.incident", code=code))


@blueprint.get("/care/incidents/<code>/report")
@declare(DESK)
def report(code: str) -> str:
    """The report as a page that prints on A4; every look is recorded."""
    found = _found(code, "view_report")
    view = found.card.case.view
    drawing = sketch(current_app.config["PORTAL"].map_dir, view.lat, view.lon)
    return render_template("care/report.html", report=found, card=found.card, drawing=drawing, made_at=now())


@blueprint.get("/care/incidents/<code>/report.csv")
@declare(DESK)
def report_csv(code: str) -> Response:
    """The same for a spreadsheet, one row a line of the story and one a leg; every download is recorded."""
    found = _found(code, "export_report")
    view = found.card.case.view
    name = f"shouwang-{view.ref}-{local(view.opened_at):%Y%m%d-%H%M}.csv"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(as_csv(found), mimetype="text/csv; charset=utf-8", headers=headers)


def _found(code: str, action: str) -> Report:
    case = queries.find_case(db.session, viewer(), code)
    if case is None:
        abort(HTTPStatus.NOT_FOUND)
    lines = queries.story_of(db.session, case)
    with writing() as session:
        audit.record(
            session,
            at=now(),
            actor=f"user:{viewer().user}",
            action=action,
            subject=f"incident:{code}",
            detail=f"wearer:{case.wearer.id}",
        )
    return report_of(case, lines)
