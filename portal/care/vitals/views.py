"""Vital signs of a wearer: the page, the table for a spreadsheet, the doctor's paper, the FHIR bundle.

Every look is recorded with what it was for; whoever may not see the wearer's health is told "not found".
"""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)

from portal.care.alarms.history import Asked, every
from portal.care.consent.looks import record_look
from portal.care.consent.sight import measured
from portal.care.consent.sights import sight_of
from portal.care.consent.why import ask, purpose_of
from portal.care.models import Wearer
from portal.care.profile.page import may_edit
from portal.care.vitals.fhir import VERSIONS, Person, bundle
from portal.care.vitals.page import Vitals, cards, steps_card, vitals_of
from portal.care.vitals.paper import MOST_ALARMS, paper, style
from portal.care.vitals.period import DAYS, Period, period_of
from portal.care.vitals.tables import sheet
from portal.care.vitals.words import dates_words, summary
from portal.db import db
from portal.i18n import gettext
from portal.paper import PDF_TYPE, Busy, Missing, as_pdf
from portal.policy import Data, Role, declare, only
from portal.security import limiter, viewer
from portal.sheets import CSV_TYPE, csv_chunks
from portal.words import local, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

CARERS = only(Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN)
PAGE_LIMIT = "60 per minute"
EXPORT_LIMIT = "20 per minute; 200 per hour"
PAPER_LIMIT = "6 per minute; 40 per hour"

blueprint = Blueprint("vitals", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/care/wearers/<int:wearer_id>/vitals")
@declare(CARERS)
@limiter.limit(PAGE_LIMIT, key_func=_who)
def page(wearer_id: int) -> ResponseReturnValue:
    """A day, seven days or thirty of a wearer's vital signs (`span`, `date` of the last day)."""
    wearer, purpose = _purposed(wearer_id)
    period = asked_period()
    today = local(now()).date()
    record_look(wearer, purpose=purpose, detail=f"{period.last.isoformat()} {period.days} d")
    vitals = vitals_of(db.session, wearer, period, sight_of(viewer(), wearer))
    return render_template(
        "care/vitals.html",
        wearer=wearer,
        vitals=vitals,
        period=period,
        today=today,
        spans=tuple(DAYS),
        title=dates_words(period),
        summary=summary(vitals.charts, vitals.steps, period, today),
        cards=cards(vitals),
        steps=steps_card(vitals),
        earlier=period.earlier(),
        later=period.later(today),
        may_edit=may_edit(wearer),
    )


@blueprint.get("/care/wearers/<int:wearer_id>/vitals.csv")
@declare(CARERS)
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def table(wearer_id: int) -> Response:
    """Every reading of the period for a spreadsheet; every download is recorded."""
    wearer, purpose = _purposed(wearer_id)
    period = asked_period()
    vitals = exported(wearer, period, "csv", purpose)
    rows = stream_with_context(csv_chunks(sheet(vitals.charts, vitals.steps)))
    return download(rows, CSV_TYPE, f"{wearer.name}-vitals-{period.last:%Y%m%d}-{period.days}d.csv")


@blueprint.get("/care/wearers/<int:wearer_id>/vitals.pdf")
@declare(CARERS)
@limiter.limit(PAPER_LIMIT, key_func=_who)
def for_doctor(wearer_id: int) -> ResponseReturnValue:
    """Thirty days up to `date` on paper, for a doctor; every paper is recorded."""
    wearer, purpose = _purposed(wearer_id)
    period = Period(span="month", last=asked_period().last)
    vitals = exported(wearer, period, "pdf", purpose)
    days = Asked(since=period.first, until=period.last)
    alarms = list(islice(every(db.session, wearer, days, sight_of(viewer(), wearer)), MOST_ALARMS + 1))
    name = f"{wearer.name}-vitals-{period.last:%Y%m%d}.pdf"
    try:
        made = as_pdf(paper(wearer, vitals, alarms, viewer().name), style())
    except Busy:
        abort(HTTPStatus.SERVICE_UNAVAILABLE)
    except Missing as error:
        current_app.logger.warning("no paper: %s", error)
        flash(gettext("这台服务器还不能生成 PDF，请先打印网页，或导出表格。"), "warning")
        return redirect(url_for("vitals.page", wearer_id=wearer.id, span="month", date=period.last))
    return download(made, PDF_TYPE, name)


@blueprint.get("/care/wearers/<int:wearer_id>/vitals.fhir.json")
@declare(CARERS)
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def fhir(wearer_id: int) -> ResponseReturnValue:
    """The period as a FHIR Bundle; `release` is R4 (as without it) or R5; every download is recorded."""
    release = request.args.get("release", "R4")
    if release not in VERSIONS:
        abort(HTTPStatus.NOT_FOUND)
    wearer, purpose = _purposed(wearer_id)
    period = asked_period()
    vitals = exported(wearer, period, f"fhir {release}", purpose)
    root = current_app.config["PORTAL"].public_url.rstrip("/")
    address = f"{root}{url_for('care.wearer', wearer_id=wearer.id, _external=False)}"
    person = Person(address=address, name=wearer.name, birth_year=wearer.birth_year)
    readings = {chart.panel.kind: chart.readings for chart in vitals.charts}
    pieces = bundle(person, readings, made_at=now(), cut=vitals.cut_ms is not None)
    name = f"{wearer.name}-vitals-{period.last:%Y%m%d}-{period.days}d.fhir.json"
    return download(pieces, f"application/fhir+json; fhirVersion={VERSIONS[release]}", name)


def _purposed(wearer_id: int) -> tuple[Wearer, str]:
    """The wearer, and what their health is looked at for; who has not said is asked, and the request ends."""
    wearer = measured(wearer_id)
    purpose = purpose_of(wearer)
    if not purpose:
        ask(wearer, Data.HEALTH)
    return wearer, purpose


def exported(wearer: Wearer, period: Period, form: str, purpose: str) -> Vitals:
    """Read a period for a file that leaves the house; that it does is on record first."""
    detail = f"{form} {period.last.isoformat()} {period.days} d"
    record_look(wearer, "export_vitals", purpose=purpose, detail=detail, every=True)
    return vitals_of(db.session, wearer, period, sight_of(viewer(), wearer))


def asked_period() -> Period:
    """The period the address asks for."""
    return period_of(request.args.get("span"), request.args.get("date"), local(now()).date())


def download(body: object, mimetype: str, name: str) -> Response:
    """An answer that is saved as a file of this name."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(body, mimetype=mimetype, headers=headers)  # type: ignore[arg-type]  # bytes or their pieces
