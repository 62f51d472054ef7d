"""The alarm history of a wearer: a page with filters, and the same as a table for a spreadsheet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for

from portal.care.alarms.history import KINDS, SEVERITIES, Asked, asked_of, every, find, sheet
from portal.care.consent.looks import record_look
from portal.care.consent.sight import visible
from portal.care.consent.sights import sight_of
from portal.care.consent.why import purpose_or
from portal.care.models import Wearer
from portal.care.vitals.views import CARERS, EXPORT_LIMIT, download
from portal.db import db
from portal.i18n import gettext
from portal.policy import declare
from portal.security import limiter, viewer
from portal.sheets import CSV_TYPE, XLSX_TYPE, csv_chunks, xlsx_chunks
from portal.words import local, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

blueprint = Blueprint("alarm_history", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/care/wearers/<int:wearer_id>/alarms")
@declare(CARERS)
def page(wearer_id: int) -> str:
    """Alarms by pages: `kind`, `severity`, `since`, `until`, `drills=1`, `page`."""
    wearer = visible(wearer_id)
    asked = asked_of(request.args)
    record_look(wearer, "view_alarms", purpose=purpose_or(wearer, "alarm"))
    found = find(db.session, wearer, asked, sight_of(viewer(), wearer))
    return render_template(
        "care/alarm_history.html",
        wearer=wearer,
        asked=asked,
        found=found,
        kinds=KINDS,
        severities=SEVERITIES,
        filtered=replace(asked, page=1) != Asked(),
        today=local(now()).date(),
        earlier=_address(wearer, asked, page=found.page + 1) if found.page < found.pages else None,
        later=_address(wearer, asked, page=found.page - 1) if found.page > 1 else None,
        csv=_address(wearer, asked, endpoint="alarm_history.csv_table"),
        xlsx=_address(wearer, asked, endpoint="alarm_history.xlsx_table"),
    )


@blueprint.get("/care/wearers/<int:wearer_id>/alarms.csv")
@declare(CARERS)
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def csv_table(wearer_id: int) -> Response:
    """Every alarm that matches, as CSV."""
    return _table(wearer_id, "csv", CSV_TYPE, csv_chunks)


@blueprint.get("/care/wearers/<int:wearer_id>/alarms.xlsx")
@declare(CARERS)
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def xlsx_table(wearer_id: int) -> Response:
    """Every alarm that matches, as XLSX."""
    title = gettext("报警记录")
    return _table(wearer_id, "xlsx", XLSX_TYPE, lambda rows: xlsx_chunks(title, rows))


def _table(wearer_id: int, form: str, mimetype: str, chunks: Callable[[Any], Iterator[bytes]]) -> Response:
    """Read while it is sent; that it is sent is on record first."""
    wearer = visible(wearer_id)
    record_look(wearer, "export_alarms", purpose=purpose_or(wearer, "alarm"), detail=form, every=True)
    rows = sheet(every(db.session, wearer, asked_of(request.args), sight_of(viewer(), wearer)))
    name = f"{wearer.name}-alarms-{local(now()):%Y%m%d}.{form}"
    return download(stream_with_context(chunks(rows)), mimetype, name)


def _address(
    wearer: Wearer, asked: Asked, *, page: int | None = None, endpoint: str = "alarm_history.page"
) -> str:
    """The address of the same question, of another page of it or of its table."""
    given: dict[str, Any] = {
        "kind": asked.kind or None,
        "severity": asked.severity or None,
        "since": asked.since,
        "until": asked.until,
        "drills": "1" if asked.drills else None,
        "page": page if page and page > 1 else None,
    }
    return url_for(endpoint, wearer_id=wearer.id, **given)
