"""Importing the register: the file, what each row would do, wrong rows to take away, then all at once."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for

from portal.care.vitals.views import download
from portal.db import db
from portal.i18n import gettext, ngettext
from portal.people import identity, register_import
from portal.people.addresses import households
from portal.people.join_models import ResidentImport
from portal.people.register import MOST_ID
from portal.people.register_import import Checked
from portal.people.register_table import HEADERS, MOST_BYTES, MOST_ROWS, Table, Unreadable, read_table
from portal.policy import REGISTRARS, declare, only
from portal.security import limiter, viewer
from portal.sheets import CSV_TYPE, csv_chunks
from portal.words import local, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.typing import ResponseReturnValue

blueprint = Blueprint("intake", __name__, template_folder="templates")
KEEPERS = only(*REGISTRARS)
UPLOAD_LIMIT: Final = "20 per minute; 100 per hour"
SHOWN_WRONG: Final = 100
KEPT: Final = dt.timedelta(days=1)
"""How long a table waits for its word; then it is gone."""


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.route("/register/import", methods=["GET", "POST"])
@declare(KEEPERS)
@limiter.limit(UPLOAD_LIMIT, key_func=_who, methods=["POST"])
def upload() -> ResponseReturnValue:
    """Take a file (`table`) and show what it would do; nothing is written into the register yet."""
    me = viewer()
    if not me.community or me.user is None:
        abort(HTTPStatus.NOT_FOUND)
    if request.method == "GET":
        return _upload_page("")
    sent = request.files.get("table")
    data = sent.read(MOST_BYTES + 1) if sent is not None else b""
    try:
        table = read_table(data)
    except Unreadable as error:
        return _upload_page(_reasons()[error.reason if data else "empty"]), HTTPStatus.UNPROCESSABLE_ENTITY
    db.session.execute(sa.delete(ResidentImport).where(ResidentImport.made_at < now() - KEPT))
    name = (sent.filename or "" if sent is not None else "")[:200]
    made = ResidentImport(
        community=me.community, made_by=me.user, made_at=now(), file_name=name, sealed=_sealed(table)
    )
    db.session.add(made)
    db.session.commit()
    return redirect(url_for("intake.preview", import_id=made.id))


@blueprint.get("/register/import/template.csv")
@declare(KEEPERS)
def template() -> Response:
    """An empty table with every column."""
    headers = [HEADERS[key][0] for key in HEADERS if key not in {"building", "unit", "room"}]
    return download(csv_chunks([headers]), CSV_TYPE, f"{gettext('居民导入模板')}.csv")


@blueprint.get("/register/import/<int:import_id>/")
@declare(KEEPERS)
def preview(import_id: int) -> str:
    """What each row would do, and every wrong row with every wrong cell named."""
    return _preview(_found(import_id))


@blueprint.get("/register/import/<int:import_id>/wrong.csv")
@declare(KEEPERS)
def wrong(import_id: int) -> Response:
    """The wrong rows as they were sent, each with its reasons: to mend and send again."""
    found = _found(import_id)
    table = _opened(found)
    rows = {row.number: row for row in _checked(table, found) if row.does == "wrong"}
    name = f"{gettext('需要修改的行')}-{local(now()):%Y%m%d}.csv"
    return download(csv_chunks(_wrong_sheet(table, rows)), CSV_TYPE, name)


@blueprint.post("/register/import/<int:import_id>/take")
@declare(KEEPERS)
def take(import_id: int) -> ResponseReturnValue:
    """Write every right row at once, if they are still the rows that were shown (`right`)."""
    found = _found(import_id)
    table = _opened(found)
    rows = _checked(table, found)
    right = [row for row in rows if row.does in {"add", "change"}]
    if request.form.get("right") != str(len(right)) or not right:
        flash(gettext("名册刚刚有变化，请再看一遍下面的结果。"), "warning")
        return redirect(url_for("intake.preview", import_id=found.id))
    count = register_import.take(
        db.session, right, community=found.community, by=viewer(), at=now(), secret_key=_key()
    )
    left = {row.number for row in rows if row.does == "wrong"}
    if left:
        found.sealed = _sealed(_only(table, left))
    else:
        db.session.delete(found)
    db.session.commit()
    flash(ngettext("导入了 %(num)s 人。", "导入了 %(num)s 人。", count), "good")
    if left:
        return redirect(url_for("intake.preview", import_id=found.id))
    return redirect(url_for("register.index"))


@blueprint.post("/register/import/<int:import_id>/drop")
@declare(KEEPERS)
def drop(import_id: int) -> ResponseReturnValue:
    """Forget a table without taking it in."""
    db.session.delete(_found(import_id))
    db.session.commit()
    flash(gettext("这张表已删除，名册没有改动。"), "good")
    return redirect(url_for("intake.upload"))


def _upload_page(problem: str) -> str:
    return render_template(
        "people/import.html", problem=problem, most_rows=MOST_ROWS, most_mb=MOST_BYTES // 1024 // 1024
    )


def _preview(found: ResidentImport) -> str:
    table = _opened(found)
    rows = _checked(table, found)
    bad = [row for row in rows if row.does == "wrong"]
    return render_template(
        "people/import_preview.html",
        found=found,
        counts=Counter(row.does for row in rows),
        bad=bad[:SHOWN_WRONG],
        more=max(0, len(bad) - SHOWN_WRONG),
        columns=[column for column in table.columns if column],
        headers={
            column: header for column, header in zip(table.columns, table.headers, strict=True) if column
        },
        ignored=[header for column, header in zip(table.columns, table.headers, strict=True) if not column],
        shown=_shown,
    )


def _shown(row: Checked, column: str) -> str:
    """A cell as the page shows it: an identity number that is right stays hidden."""
    cell = row.cells.get(column, "")
    return identity.masked(cell) if column == "id_number" and column not in row.problems else cell


def _wrong_sheet(table: Table, rows: dict[int, Checked]) -> Iterator[list[Any]]:
    yield [*table.headers, gettext("行号"), gettext("需要修改")]
    for number, cells in zip(table.numbers, table.rows, strict=True):
        if number in rows:
            yield [*cells, number, " ".join(rows[number].problems.values())]


def _checked(table: Table, found: ResidentImport) -> list[Checked]:
    return register_import.check(
        db.session,
        table,
        households(db.session, found.community),
        community=found.community,
        today=local(now()).date(),
        secret_key=_key(),
    )


def _only(table: Table, numbers: set[int]) -> Table:
    kept = [
        (number, cells) for number, cells in zip(table.numbers, table.rows, strict=True) if number in numbers
    ]
    return Table(
        headers=table.headers,
        columns=table.columns,
        rows=[cells for _, cells in kept],
        numbers=[number for number, _ in kept],
    )


def _sealed(table: Table) -> str:
    return identity.seal(msgspec.json.encode(table).decode(), secret_key=_key())


def _opened(found: ResidentImport) -> Table:
    return msgspec.json.decode(identity.unseal(found.sealed, secret_key=_key()), type=Table)


def _found(import_id: int) -> ResidentImport:
    """A waiting table of this very person: nobody else sees what they sent."""
    found = db.session.get(ResidentImport, import_id) if 0 < import_id <= MOST_ID else None
    me = viewer()
    if found is None or found.made_by != me.user or found.community != me.community:
        abort(HTTPStatus.NOT_FOUND)
    if found.made_at < now() - KEPT:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _reasons() -> dict[str, str]:
    return {
        "too_big": gettext("文件太大，最多 %(mb)s MB。请分成几张表。", mb=MOST_BYTES // 1024 // 1024),
        "too_many": gettext("行数太多，一次最多 %(rows)s 行。请分成几张表。", rows=MOST_ROWS),
        "format": gettext("读不出这个文件。请另存为 Excel（.xlsx）或 CSV 再试。"),
        "header": gettext("第一行没有“姓名”这一列，或者有两列是同一个意思。请对照模板改表头。"),
        "empty": gettext("请选择一张表，里面至少有一行居民。"),
    }


def _key() -> str:
    return str(current_app.config["PORTAL"].secret_key)
