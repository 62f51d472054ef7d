"""The audit record for who answers for it: who did what, about whom, when; whether it is whole; a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for

from portal import audit
from portal.audits import check
from portal.audits.read import MOST_ROWS, PAGE, Asked, Row, find, in_words
from portal.audits.words import GROUP_WORDS, GROUPS, REASONS
from portal.care.consent.looks import ONE_LOOK
from portal.care.consent.who_looked import actor_names
from portal.care.models import AuditEntry
from portal.care.vitals.views import download
from portal.db import db, writing
from portal.i18n import gettext
from portal.policy import AUDITORS, declare, only, reads_audit
from portal.security import limiter, viewer
from portal.sheets import CSV_TYPE, csv_chunks
from portal.words import clock, local, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

READERS = only(*AUDITORS)
NAME_CHARACTERS = 40
MOST_SEQ = 2**63 - 1
VERIFY_LIMIT = "6 per hour"
EXPORT_LIMIT = "20 per hour"

blueprint = Blueprint("audits", __name__, template_folder="templates")


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/desk/audit/")
@declare(READERS)
def page() -> str:
    """The record by pages: `who`, `wearer` (names), `group`, `since`, `until`, `before`; itself on record."""
    _may()
    asked = _asked()
    _record("view_audit", asked, every=False)
    entries = find(db.session, viewer(), asked, limit=PAGE + 1)
    shown = entries[:PAGE]
    given = _given()
    return render_template(
        "audits/audit.html",
        asked=asked,
        rows=list(in_words(db.session, shown)),
        groups=GROUP_WORDS,
        given=given,
        today=local(now()).date(),
        older=url_for("audits.page", before=shown[-1].seq, **given) if len(entries) > PAGE else None,
        newest=url_for("audits.page", **given) if asked.before is not None else None,
        **_state(),
    )


@blueprint.get("/desk/audit.csv")
@declare(READERS)
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def table() -> Response:
    """The newest entries that match, for a spreadsheet; on record first."""
    _may()
    asked = _asked()
    _record("export_audit", asked, every=True)
    rows = in_words(db.session, find(db.session, viewer(), asked, limit=MOST_ROWS))
    name = f"{gettext('操作记录')}-{local(now()):%Y%m%d}.csv"
    return download(list(csv_chunks(_sheet(rows))), CSV_TYPE, name)


@blueprint.post("/desk/audit/verify")
@declare(READERS)
@limiter.limit(VERIFY_LIMIT, key_func=_who)
def verify() -> ResponseReturnValue:
    """Check the record from its first entry; one too long for a request has the command."""
    _may()
    if audit.length(db.session) > check.MOST_AT_ONCE:
        flash(gettext("记录太长，网页上核对不完。请在服务器上运行页面里写的命令。"), "warning")
        return redirect(url_for("audits.page"))
    db.session.rollback()
    broken = check.verify(actor=_who(), at=now())
    if broken is None:
        flash(gettext("核对完了，记录完整。"), "good")
    else:
        reason = str(REASONS[broken.reason])
        flash(gettext("第 %(seq)s 条有问题：%(reason)s", seq=broken.seq or 0, reason=reason), "danger")
    return redirect(url_for("audits.page"))


def _may() -> None:
    if not reads_audit(viewer()):
        abort(HTTPStatus.NOT_FOUND)


def _state() -> dict[str, Any]:
    """Whether the record is whole, as far as anybody checked, and where it ends."""
    checked, line = check.last_check(db.session), audit.anchor_line(db.session)
    length = audit.length(db.session)
    reason = "" if checked is None else str(REASONS.get(checked.reason, ""))
    by = "" if checked is None else _name(checked.actor)
    return {
        "checked": checked,
        "checked_by": by,
        "reason": reason,
        "length": length,
        "too_long": length > check.MOST_AT_ONCE,
        "anchor": check.told(line) if line else "",
    }


def _name(actor: str) -> str:
    return actor_names(db.session, [AuditEntry(actor=actor)]).get(actor, actor)


def _asked() -> Asked:
    said = request.args
    before = said.get("before", "")
    return Asked(
        who=said.get("who", "").strip()[:NAME_CHARACTERS],
        wearer=said.get("wearer", "").strip()[:NAME_CHARACTERS],
        group=said.get("group", "") if said.get("group") in GROUPS else "",
        since=_day(said.get("since", "")),
        until=_day(said.get("until", "")),
        before=min(int(before), MOST_SEQ) if before.isascii() and before.isdecimal() else None,
    )


def _given() -> dict[str, Any]:
    """The question of this address without its page."""
    names = ("who", "wearer", "group", "since", "until")
    return {name: request.args[name] for name in names if request.args.get(name)}


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(2000, 1, 1) <= found < date(2200, 1, 1) else None


def _record(action: str, asked: Asked, *, every: bool) -> None:
    """Put on record that the record is read, and what was looked for in it."""
    said = (asked.who, asked.wearer, asked.group, asked.since, asked.until)
    detail = " ".join(str(one) for one in said if one)
    entry = {"actor": _who(), "action": action, "subject": f"community:{viewer().community}"}
    entry |= {"detail": detail}
    if not every and audit.recorded_since(db.session, **entry, since=now() - ONE_LOOK):
        return
    with writing() as session:
        audit.record(session, at=now(), **entry)


def _sheet(rows: Iterator[Row]) -> Iterator[list[object]]:
    yield [
        gettext("序号"),
        gettext("时间"),
        gettext("谁"),
        gettext("做了什么"),
        gettext("关于谁"),
        gettext("用途"),
        gettext("明细"),
        gettext("封印"),
    ]
    for row in rows:
        yield [row.seq, clock(row.at), row.who, row.what, row.about, row.purpose, row.detail, row.seal]
