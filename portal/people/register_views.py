"""Pages of the register: the list with its search, one person, the form, the number behind a press."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for

from portal import audit
from portal.care.consent.purposes import NUMBER_CHOICES, PURPOSES
from portal.care.consent.sights import facts_of
from portal.care.models import AuditEntry, Wearer
from portal.care.vitals.views import download
from portal.db import db, writing
from portal.fields import Filled
from portal.i18n import gettext, ngettext
from portal.people import identity, register, register_forms, wearer_links
from portal.people.addresses import Households, households, natural
from portal.people.models import Organisation, Resident, User
from portal.people.register import Asked, age_of
from portal.policy import REGISTER_READERS, REGISTRARS, declare, keeps_place, only
from portal.security import limiter, viewer
from portal.sheets import CSV_TYPE, XLSX_TYPE, csv_chunks, xlsx_chunks
from portal.words import fill, local, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.typing import ResponseReturnValue
    from sqlalchemy.orm import Session

blueprint = Blueprint("register", __name__, template_folder="templates")
READERS = only(*REGISTER_READERS)
KEEPERS = only(*REGISTRARS)
AGES = (60, 70, 80, 90)
MOST_PAGES = 10_000
IDENTITY_LIMIT = "30 per minute; 200 per hour"
EXPORT_LIMIT = "20 per minute; 100 per hour"
HISTORY = 20


def _who() -> str:
    return f"user:{viewer().user}"


def purpose_words() -> dict[str, str]:
    """What somebody may open an identity number for."""
    return {name: str(PURPOSES[name]) for name in NUMBER_CHOICES}


@blueprint.get("/register/")
@declare(READERS)
def index() -> str:
    """The register by pages: `text`, `place` (a grid or building), `tag`, `age`, `left=1`, `page`."""
    asked, chosen = _asked()
    people, count = register.page_of(db.session, viewer(), asked, today=_today())
    homes = _homes()
    pages = max(1, -(-count // register.PAGE))
    return render_template(
        "people/register.html",
        asked=asked,
        chosen=chosen,
        people=people,
        count=count,
        pages=pages,
        homes=homes.labels,
        ages={person.id: age_of(person.birth_date, _today()) for person in people},
        places=_filters(),
        age_steps=AGES,
        tag_words=register_forms.tag_words(),
        keeps=bool(viewer().roles & REGISTRARS),
        given=_given(),
    )


@blueprint.get("/register/export.<form>")
@declare(KEEPERS)
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def export(form: str) -> Response:
    """The entries that match as a table (`csv`, `xlsx`), without identity numbers; on record first."""
    if form not in {"csv", "xlsx"}:
        abort(HTTPStatus.NOT_FOUND)
    asked, _ = _asked()
    people = list(db.session.scalars(register.query(db.session, viewer(), asked, today=_today())))
    with writing() as session:
        _record(session, "export_residents", f"community:{viewer().community}", f"{form} {len(people)}")
    rows = _sheet(people, _homes())
    name = f"{gettext('居民名册')}-{local(now()):%Y%m%d}.{form}"
    if form == "csv":
        return download(csv_chunks(rows), CSV_TYPE, name)
    return download(xlsx_chunks(gettext("居民名册"), rows), XLSX_TYPE, name)


@blueprint.route("/register/new", methods=["GET", "POST"])
@declare(KEEPERS)
def new() -> ResponseReturnValue:
    """Write somebody into the register."""
    if not viewer().community:
        abort(HTTPStatus.NOT_FOUND)
    home = request.args.get("home", "")
    return _edit(Resident(community=viewer().community, tags=[]), Filled(raw={"home": home[:60]}))


@blueprint.get("/register/<int:resident_id>/")
@declare(READERS)
def person(resident_id: int) -> str:
    """One person: where they live and with whom, their band, and who changed or opened what."""
    return _page(_found(resident_id))


@blueprint.route("/register/<int:resident_id>/edit", methods=["GET", "POST"])
@declare(KEEPERS)
def edit(resident_id: int) -> ResponseReturnValue:
    """Change an entry; what changed, not to what, goes on record."""
    found = _found(resident_id)
    return _edit(found, register_forms.filled(found, _homes()))


@blueprint.post("/register/<int:resident_id>/identity")
@declare(KEEPERS)
@limiter.limit(IDENTITY_LIMIT, key_func=_who)
def identity_number(resident_id: int) -> ResponseReturnValue:
    """Show the identity number once, for a purpose (`purpose`) that goes on record first."""
    found = _found(resident_id)
    purpose = "emergency" if _in_need(found) else request.form.get("purpose", "")
    if purpose not in NUMBER_CHOICES or found.id_number_sealed is None:
        flash(gettext("请先选择查看的用途。"), "warning")
        return redirect(url_for("register.person", resident_id=found.id))
    register.note(db.session, found, "view_id_number", by=viewer(), at=now(), detail=purpose)
    db.session.commit()
    try:
        shown = identity.unseal(found.id_number_sealed, secret_key=_key())
    except identity.Unreadable:
        flash(gettext("这个号码是用旧密钥保存的，现在打不开。请重新登记一次。"), "danger")
        return redirect(url_for("register.person", resident_id=found.id))
    return _page(found, shown=shown)


@blueprint.post("/register/<int:resident_id>/left")
@declare(KEEPERS)
def left(resident_id: int) -> ResponseReturnValue:
    """Somebody moved away (`left=1`), or is here again."""
    found = _found(resident_id)
    gone = request.form.get("left") == "1"
    register.set_left(db.session, found, left=gone, by=viewer(), at=now())
    db.session.commit()
    words = gettext("%(name)s 已标为迁出，可以随时改回来。", name=found.name)
    flash(words if gone else gettext("%(name)s 已改回在住。", name=found.name), "good")
    return redirect(url_for("register.person", resident_id=found.id))


def _edit(person: Resident, form: Filled) -> ResponseReturnValue:
    fields = register_forms.fields(known_number=person.id_number_sealed is not None)
    homes = _homes()
    if request.method == "POST":
        form = fill(fields, request.form.to_dict(flat=False))
        values = register_forms.read(form, homes, today=_today())
        number = str(form.values.get("id_number", "")) or None
        if number and not form.errors:
            _same_number(person, number, form)
        if not form.errors:
            return _keep(person, values, number)
        db.session.rollback()
    page = render_template("people/resident_form.html", person=person, fields=fields, form=form)
    return page, (HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK)


def _keep(person: Resident, values: dict[str, Any], number: str | None) -> ResponseReturnValue:
    new_entry = person.id is None
    changed = register.put(
        db.session, person, values, by=viewer(), at=now(), id_number=number, secret_key=_key()
    )
    if "household_id" in changed:
        wearer_links.follow(db.session, [person])
    db.session.commit()
    if new_entry:
        flash(gettext("%(name)s 已登记。", name=person.name), "good")
    elif changed:
        flash(ngettext("改了 %(num)s 项。", "改了 %(num)s 项。", len(changed)), "good")
    else:
        flash(gettext("没有改动。"), "information")
    return redirect(url_for("register.person", resident_id=person.id))


def _same_number(person: Resident, number: str, form: Filled) -> None:
    found = identity.digest(number, secret_key=_key())
    query = sa.select(Resident.name).where(
        Resident.community == person.community, Resident.id_number_digest == found, Resident.left_at.is_(None)
    )
    if person.id is not None:
        query = query.where(Resident.id != person.id)
    name = db.session.scalar(query)
    if name is not None:
        form.errors["id_number"] = gettext("这个号码已经登记在 %(name)s 名下。", name=name)


def _page(found: Resident, shown: str | None = None) -> str:
    keeps = bool(viewer().roles & REGISTRARS)
    return render_template(
        "people/resident.html",
        person=found,
        age=age_of(found.birth_date, _today()),
        home=_homes().labels.get(found.household_id or 0, ""),
        mates=_mates(found),
        wearers=_wearers(found),
        in_need=_in_need(found),
        shown=shown,
        masked=_masked(found) if keeps else "",
        purposes=purpose_words(),
        keeps=keeps,
        tag_words=register_forms.tag_words(),
        sex_words=register_forms.sex_words(),
        history=_history(found) if keeps else [],
        sees_place=found.household is not None and keeps_place(viewer(), found.household.path),
    )


def _wearers(found: Resident) -> list[Wearer]:
    return list(db.session.scalars(sa.select(Wearer).where(Wearer.resident_id == found.id)))


def _in_need(found: Resident) -> bool:
    """Whether they call for help now: then that is what their number is needed for."""
    return any(facts_of(wearer).emergency for wearer in _wearers(found))


def _masked(found: Resident) -> str:
    if found.id_number_sealed is None:
        return ""
    try:
        return identity.masked(identity.unseal(found.id_number_sealed, secret_key=_key()))
    except identity.Unreadable:
        return "*" * 18


def _mates(found: Resident) -> list[Resident]:
    if found.household_id is None:
        return []
    query = sa.select(Resident).where(
        Resident.household_id == found.household_id, Resident.id != found.id, Resident.left_at.is_(None)
    )
    return list(db.session.scalars(query.order_by(Resident.id)))


def _history(found: Resident) -> list[dict[str, Any]]:
    """The newest entries of the record about this person, in words."""
    query = sa.select(AuditEntry).where(AuditEntry.subject == f"resident:{found.id}")
    entries = list(db.session.scalars(query.order_by(AuditEntry.seq.desc()).limit(HISTORY)))
    ids = {int(entry.actor.removeprefix("user:")) for entry in entries if entry.actor[5:].isdigit()}
    names = {user.id: user.name for user in db.session.scalars(sa.select(User).where(User.id.in_(ids)))}
    return [
        {
            "at": dt.datetime.fromtimestamp(entry.at_ms / 1000, dt.UTC),
            "who": names.get(int(entry.actor[5:]), "") if entry.actor[5:].isdigit() else "",
            "what": _action_words().get(entry.action, entry.action),
            "detail": _detail_words(entry),
        }
        for entry in entries
    ]


def _action_words() -> dict[str, str]:
    return {
        "add_resident": gettext("登记"),
        "edit_resident": gettext("修改"),
        "import_resident": gettext("导入"),
        "left_resident": gettext("标为迁出"),
        "returned_resident": gettext("改回在住"),
        "view_id_number": gettext("查看身份证号码"),
        "link_wearer": gettext("关联手环"),
        "unlink_wearer": gettext("取消关联手环"),
    }


def _detail_words(entry: AuditEntry) -> str:
    if entry.action == "view_id_number":
        return purpose_words().get(entry.detail, "")
    said = {
        "name": gettext("姓名"),
        "sex": gettext("性别"),
        "birth_date": gettext("出生日期"),
        "phone": gettext("电话"),
        "relation": gettext("与户主关系"),
        "tags": gettext("标签"),
        "note": gettext("备注"),
        "household_id": gettext("住址"),
        "id_number": gettext("身份证号码"),
    }
    return gettext("、").join(said[name] for name in entry.detail.split(", ") if name in said)


def _found(resident_id: int) -> Resident:
    found = register.one(db.session, viewer(), resident_id)
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _asked() -> tuple[Asked, int]:
    """What the address asks for, and the id of the chosen place (0 for none)."""
    said = request.args
    places = {place.id: place for place in _filters()}
    typed = said.get("place", "")
    chosen = places.get(int(typed)) if typed.isascii() and typed.isdigit() else None
    age, page = said.get("age", ""), said.get("page", "")
    asked = Asked(
        text=said.get("text", "").strip()[: register.SEARCH_CHARACTERS],
        place=chosen.path if chosen is not None else "",
        tag=said.get("tag", "") if said.get("tag") in register.TAGS else "",
        age_from=int(age) if age in {str(step) for step in AGES} else None,
        left=said.get("left") == "1",
        page=min(MOST_PAGES, int(page)) if page.isascii() and page.isdigit() and page != "0" else 1,
    )
    return asked, chosen.id if chosen is not None else 0


def _given() -> dict[str, str]:
    """The question of this address without its page, to ask it again elsewhere."""
    names = ("text", "place", "tag", "age", "left")
    return {name: request.args[name] for name in names if request.args.get(name)}


def _filters() -> list[Organisation]:
    """The grids and buildings this viewer can choose between."""
    me = viewer()
    query = sa.select(Organisation).where(
        Organisation.path.startswith(me.scope, autoescape=True), Organisation.kind.in_(("grid", "building"))
    )
    rows = list(db.session.scalars(query))
    return sorted(rows, key=lambda row: (row.kind != "grid", natural(row.name)))


def _homes() -> Households:
    return households(db.session, viewer().community)


def _sheet(people: list[Resident], homes: Households) -> Iterator[list[Any]]:
    tags, sexes = register_forms.tag_words(), register_forms.sex_words()
    yield [
        gettext("姓名"),
        gettext("性别"),
        gettext("出生日期"),
        gettext("电话"),
        gettext("住址"),
        gettext("与户主关系"),
        gettext("标签"),
        gettext("备注"),
    ]
    for person in people:
        yield [
            person.name,
            sexes.get(person.sex, ""),
            person.birth_date.isoformat() if person.birth_date else "",
            person.phone.removeprefix("+86"),
            homes.labels.get(person.household_id or 0, ""),
            person.relation,
            gettext("、").join(tags[tag] for tag in person.tags if tag in tags),
            person.note,
        ]


def _record(session: Session, action: str, subject: str, detail: str) -> None:
    audit.record(session, at=now(), actor=_who(), action=action, subject=subject, detail=detail)


def _today() -> dt.date:
    return local(now()).date()


def _key() -> str:
    return str(current_app.config["PORTAL"].secret_key)
