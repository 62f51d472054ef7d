"""The staff's two lists: wearers with their bands, and gateways."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template, request

from portal import audit
from portal.care.changes import newest_change
from portal.care.sites.gateway_page import gateway_cards
from portal.care.sites.roll import FILTERS, ICONS, Row, counts, roll, sheet
from portal.care.vitals.views import EXPORT_LIMIT, download
from portal.db import db, writing
from portal.policy import PROVISIONERS, WATCHERS, declare, only
from portal.security import limiter, viewer
from portal.sheets import CSV_TYPE, csv_chunks
from portal.words import local, now

blueprint = Blueprint("roll", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


def _rows() -> list[Row]:
    rules = current_app.config["PORTAL"].community_rules
    return roll(db.session, viewer(), rules=rules, now=now())


@blueprint.get("/care/roll/")
@declare(only(*WATCHERS))
def page() -> str:
    """Everybody, whoever needs a look first; `need` leaves only those who need one for that."""
    seen = newest_change(db.session)
    rows = _rows()
    need = request.args.get("need", "")
    need = need if need in FILTERS else ""
    return render_template(
        "care/roll.html",
        seen=seen,
        rows=[row for row in rows if not need or need in row.needs],
        total=len(rows),
        grave=sum(row.grave for row in rows),
        counts=counts(rows),
        need=need,
        may_provision=bool(viewer().roles & PROVISIONERS),
        filters=FILTERS,
        icons=ICONS,
    )


@blueprint.get("/care/roll.csv")
@declare(only(*WATCHERS))
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def csv_table() -> Response:
    """The same as CSV; that it was taken is on record first."""
    rows = _rows()
    with writing() as session:
        subject = f"community:{viewer().community}"
        audit.record(session, at=now(), actor=_who(), action="export_roll", subject=subject, detail="csv")
    return download(b"".join(csv_chunks(sheet(rows))), CSV_TYPE, f"wearers-{local(now()):%Y%m%d}.csv")


@blueprint.get("/care/gateways/")
@declare(only(*WATCHERS))
def gateways() -> str:
    """The gateways, the worst first: a sentence, what to do, figures."""
    seen = newest_change(db.session)
    return render_template("care/gateways.html", seen=seen, cards=gateway_cards(db.session, viewer(), now()))
