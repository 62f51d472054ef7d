"""The tree of places for those who keep it: look, add, add many, rename, move, close and open again."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import aliased

from portal import audit
from portal.care.changes import announce
from portal.care.models import Wearer
from portal.db import db
from portal.fields import Filled
from portal.i18n import gettext, ngettext
from portal.people import organisations, place_forms
from portal.people.addresses import household_name, natural
from portal.people.models import BODIES, Organisation, Resident
from portal.people.register import MOST_ID
from portal.policy import KEEPERS, changes_place, declare, keeps_place, only
from portal.security import viewer
from portal.words import fill, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("places", __name__, template_folder="templates")
ALLOWED = only(*KEEPERS)


@blueprint.get("/places/")
@declare(ALLOWED)
def index() -> ResponseReturnValue:
    """The place that is this viewer's own."""
    own = db.session.scalar(sa.select(Organisation).where(Organisation.path == viewer().scope))
    if own is None:
        abort(HTTPStatus.NOT_FOUND)
    return redirect(url_for("places.place", place_id=own.id))


@blueprint.get("/places/<int:place_id>/")
@declare(ALLOWED)
def place(place_id: int) -> str:
    """One place: where it lies, what is in it, who acts for it, and what may be done with it."""
    return _page(_kept(place_id))


@blueprint.post("/places/<int:place_id>/add")
@declare(ALLOWED)
def add(place_id: int) -> ResponseReturnValue:
    """Add one place or body under this one (`kind`, `name`, and `code` for a community)."""
    parent = _kept(place_id)
    form = fill(place_forms.add_fields(parent.kind), request.form.to_dict(flat=False))
    if form.errors:
        return _page(parent, add_form=form), HTTPStatus.UNPROCESSABLE_ENTITY
    name, kind = str(form.values["name"]), str(form.values["kind"])
    code = str(form.values.get("code", "")) or organisations.new_code(parent.community or parent.code)
    wrong = place_forms.trouble(db.session, parent, name=name, code=code, kind=kind)
    if wrong:
        form.errors.update(wrong)
        db.session.rollback()
        return _page(_kept(place_id), add_form=form), HTTPStatus.UNPROCESSABLE_ENTITY
    made = organisations.add(db.session, code=code, name=name, kind=kind, parent=parent)
    _record("add_place", made, name)
    db.session.commit()
    flash(gettext("已添加：%(name)s", name=name), "good")
    return redirect(url_for("places.place", place_id=parent.id))


@blueprint.post("/places/<int:place_id>/many")
@declare(ALLOWED)
def add_many(place_id: int) -> ResponseReturnValue:
    """Add the households of a building at once (`units`, `floors`, `doors`): those already there stay."""
    parent = _kept(place_id)
    if parent.kind != "building" or parent.closed_at is not None:
        abort(HTTPStatus.NOT_FOUND)
    form = fill(place_forms.many_fields(), request.form.to_dict(flat=False))
    if form.errors:
        return _page(parent, many_form=form), HTTPStatus.UNPROCESSABLE_ENTITY
    units, floors, doors = (int(str(form.values[key])) for key in ("units", "floors", "doors"))
    known = {row.name for row in organisations.children_of(db.session, [parent.id])}
    wanted = [
        household_name(unit, floor, door)
        for unit in range(1, units + 1)
        for floor in range(1, floors + 1)
        for door in range(1, doors + 1)
    ]
    named = [(organisations.new_code(parent.community), name) for name in wanted if name not in known]
    organisations.add_many(db.session, parent, kind="household", named=named)
    _record("add_households", parent, f"{len(named)}")
    db.session.commit()
    flash(ngettext("添加了 %(num)s 户", "添加了 %(num)s 户", len(named)), "good")
    return redirect(url_for("places.place", place_id=parent.id))


@blueprint.post("/places/<int:place_id>/rename")
@declare(ALLOWED)
def rename(place_id: int) -> ResponseReturnValue:
    """Give a place another name."""
    found = _changed(place_id)
    form = fill(place_forms.rename_fields(), request.form.to_dict(flat=False))
    if not form.errors and found.parent is not None:
        named = str(form.values["name"])
        wrong = place_forms.trouble(db.session, found.parent, name=named, except_for=found.id)
        form.errors.update(wrong)
    if form.errors:
        return _page(found, rename_form=form), HTTPStatus.UNPROCESSABLE_ENTITY
    before, found.name = found.name, str(form.values["name"])
    _record("rename_place", found, f"{before} -> {found.name}")
    db.session.commit()
    flash(gettext("名称已改为 %(name)s", name=found.name), "good")
    return redirect(url_for("places.place", place_id=found.id))


@blueprint.post("/places/<int:place_id>/move")
@declare(ALLOWED)
def move(place_id: int) -> ResponseReturnValue:
    """Put a place under another one of the same community (`under`)."""
    found = _changed(place_id)
    typed = request.form.get("under", "")
    under = _kept(int(typed)) if typed.isascii() and typed.isdigit() else None
    if under is None:
        flash(gettext("请选择要移到哪里。"), "warning")
        return redirect(url_for("places.place", place_id=found.id))
    name, above = found.name, under.name
    try:
        organisations.move(db.session, found, under)
    except organisations.Misplaced:
        db.session.rollback()
        flash(gettext("%(name)s 不能移到 %(above)s 下面，没有改动。", name=name, above=above), "warning")
        return redirect(url_for("places.place", place_id=place_id))
    found = _kept(place_id)
    _record("move_place", found, above)
    _tell_live_pages(found.path)
    db.session.commit()
    flash(gettext("%(name)s 已移到 %(above)s", name=name, above=above), "good")
    return redirect(url_for("places.place", place_id=place_id))


@blueprint.post("/places/<int:place_id>/close")
@declare(ALLOWED)
def close(place_id: int) -> ResponseReturnValue:
    """Close a place nobody lives in any more; it stays in the tree, marked."""
    found = _changed(place_id)
    name = found.name
    try:
        organisations.close(db.session, found, at=now())
    except organisations.Inhabited as lived:
        db.session.rollback()
        words = ngettext(
            "%(name)s 还有 %(num)s 人登记居住，请先把他们迁走再停用。",
            "%(name)s 还有 %(num)s 人登记居住，请先把他们迁走再停用。",
            lived.count,
            name=name,
        )
        flash(words, "warning")
        return redirect(url_for("places.place", place_id=place_id))
    _record("close_place", _kept(place_id), name)
    db.session.commit()
    flash(gettext("%(name)s 已停用，可以随时恢复。", name=name), "good")
    return redirect(url_for("places.place", place_id=place_id))


@blueprint.post("/places/<int:place_id>/open")
@declare(ALLOWED)
def reopen(place_id: int) -> ResponseReturnValue:
    """Open a closed place again."""
    found = _changed(place_id)
    try:
        organisations.reopen(db.session, found)
    except organisations.Misplaced:
        flash(gettext("请先恢复它的上一级。"), "warning")
        return redirect(url_for("places.place", place_id=place_id))
    _record("reopen_place", found, found.name)
    db.session.commit()
    flash(gettext("%(name)s 已恢复使用", name=found.name), "good")
    return redirect(url_for("places.place", place_id=place_id))


def _kept(place_id: int) -> Organisation:
    found = db.session.get(Organisation, place_id) if 0 < place_id <= MOST_ID else None
    if found is None or not keeps_place(viewer(), found.path):
        abort(HTTPStatus.NOT_FOUND)
    return found


def _changed(place_id: int) -> Organisation:
    found = _kept(place_id)
    if not changes_place(viewer(), found.path):
        abort(HTTPStatus.NOT_FOUND)
    return found


def _record(action: str, about: Organisation, detail: str) -> None:
    audit.record(
        db.session,
        at=now(),
        actor=f"user:{viewer().user}",
        action=action,
        subject=f"organisation:{about.id}",
        detail=detail,
    )


def _tell_live_pages(path: str) -> None:
    """Who watches over a part may see others now: their live pages are judged anew."""
    ids = db.session.scalars(sa.select(Wearer.id).where(Wearer.place.startswith(path, autoescape=True)))
    announce(db.session, [("rights", number, number) for number in ids])


def _page(found: Organisation, **forms: Filled) -> str:
    line = organisations.line_of(db.session, found)
    below = organisations.children_of(db.session, [found.id])
    below.sort(key=lambda row: (row.closed_at is not None, natural(row.name)))
    changes = changes_place(viewer(), found.path)
    return render_template(
        "people/place.html",
        place=found,
        above=[row for row in line[:-1] if keeps_place(viewer(), row.path)],
        places=[row for row in below if row.kind not in BODIES],
        bodies=[row for row in below if row.kind in BODIES],
        counts=_counts(found),
        people=organisations.residents_in(db.session, found.path),
        changes=changes,
        targets=_targets(found) if changes else [],
        kind_words=place_forms.kind_words(),
        add_fields=place_forms.add_fields(found.kind),
        many_fields=place_forms.many_fields() if found.kind == "building" else (),
        rename_fields=place_forms.rename_fields(),
        **_forms(found, forms),
    )


def _forms(found: Organisation, given: dict[str, Filled]) -> dict[str, Any]:
    blank = {"add_form": Filled(), "many_form": Filled(), "rename_form": Filled(raw={"name": found.name})}
    return blank | given


def _counts(found: Organisation) -> dict[int, int]:
    """How many people of the register live in each place directly under this one."""
    below = aliased(Organisation)
    query = (
        sa.select(below.id, sa.func.count(Resident.id))
        .join(Organisation, Organisation.path.like(below.path.concat("%")))
        .join(Resident, Resident.household_id == Organisation.id)
        .where(below.parent_id == found.id, Resident.left_at.is_(None))
        .group_by(below.id)
    )
    return {number: count for number, count in db.session.execute(query)}  # noqa: C416


def _targets(found: Organisation) -> list[Organisation]:
    """Where this place could be moved to, by name."""
    inside = organisations.inside(viewer().scope)
    query = sa.select(Organisation).where(inside, Organisation.closed_at.is_(None))
    if found.kind != "community":
        query = query.where(Organisation.community == found.community)
    rows = [
        row
        for row in db.session.scalars(query)
        if organisations.stands_under(found.kind, row.kind)
        and row.id != found.parent_id
        and not row.path.startswith(found.path)
    ]
    return sorted(rows, key=lambda row: natural(row.name))
