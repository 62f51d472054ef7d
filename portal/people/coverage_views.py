"""Coverage as a page with bars, and as a table."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, render_template

from portal.care.vitals.views import download
from portal.db import db
from portal.i18n import gettext
from portal.people.coverage import Built, buildings, total
from portal.policy import KEEPERS, declare, only
from portal.security import viewer
from portal.sheets import CSV_TYPE, csv_chunks
from portal.words import local, now

blueprint = Blueprint("coverage", __name__, template_folder="templates")
ALLOWED = only(*KEEPERS)


@blueprint.get("/coverage/")
@declare(ALLOWED)
def page() -> str:
    """Households claimed and residents registered, building by building."""
    rows = buildings(db.session, viewer())
    several = len({row.community for row in rows}) > 1
    return render_template("people/coverage.html", rows=rows, total=total(rows), several=several)


@blueprint.get("/coverage.csv")
@declare(ALLOWED)
def table() -> Response:
    """The same for a spreadsheet."""
    rows = buildings(db.session, viewer())
    name = f"{gettext('认领进度')}-{local(now()):%Y%m%d}.csv"
    return download(csv_chunks(_sheet(rows)), CSV_TYPE, name)


def _sheet(rows: list[Built]) -> Iterator[list[object]]:
    yield [
        gettext("小区"),
        gettext("楼栋"),
        gettext("总户数"),
        gettext("已认领户数"),
        gettext("认领比例（百分比）"),
        gettext("登记的居民"),
        gettext("已开通账号"),
    ]
    for row in [*rows, total(rows)]:
        name = row.name or gettext("合计")
        yield [row.community, name, row.households, row.claimed, row.share_pct, row.residents, row.accounts]
