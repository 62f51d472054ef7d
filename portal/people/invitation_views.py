"""Invitations for those who give them: the list, a new one, the poster with its code, taking one back."""

from __future__ import annotations

import datetime as dt
import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import segno
import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for

from portal.db import db
from portal.fields import Choice, Field, Filled
from portal.i18n import gettext
from portal.people import invitations
from portal.people.addresses import natural
from portal.people.join_models import Invitation
from portal.people.models import Organisation
from portal.people.organisations import inside
from portal.people.place_forms import kind_words
from portal.people.register import MOST_ID
from portal.people.role_words import role_words
from portal.policy import GIVEN_AT, GRANTS, Role, declare, only
from portal.security import viewer
from portal.words import fill, local, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("invitations", __name__, template_folder="templates")
INVITERS = only(*GRANTS)
LISTED: Final = 100
DAYS: Final = 14
MOST_USES: Final = 2000


@blueprint.get("/invitations/")
@declare(INVITERS)
def index() -> str:
    """The invitations to places of this viewer, and the form for a new one."""
    return _page(Filled(raw={"uses": "50", "days": str(DAYS)}))


@blueprint.post("/invitations/")
@declare(INVITERS)
def new() -> ResponseReturnValue:
    """Make an invitation (`what`, `place`, `uses`, `days`) and show its poster."""
    form = fill(_fields(), request.form.to_dict(flat=False))
    if form.errors:
        return _page(form), HTTPStatus.UNPROCESSABLE_ENTITY
    what, place = str(form.values["what"]), _place(str(form.values["place"]))
    role = Role(what) if what != "home" else None
    if place is None or not invitations.may_invite(viewer(), place, role):
        form.errors["place"] = _wrong_place(role)
        return _page(form), HTTPStatus.UNPROCESSABLE_ENTITY
    made = invitations.make(
        db.session,
        place,
        role=role,
        by=viewer(),
        at=now(),
        until=now() + dt.timedelta(days=int(str(form.values["days"]))),
        uses=int(str(form.values["uses"])),
        secret_key=_key(),
    )
    db.session.commit()
    return redirect(url_for("invitations.poster", invitation_id=made.id))


@blueprint.get("/invitations/<int:invitation_id>/")
@declare(INVITERS)
def poster(invitation_id: int) -> str:
    """The poster to print on A4: a code to scan, what it is for, until when."""
    found = _found(invitation_id)
    return render_template(
        "people/poster.html",
        invitation=found,
        address=_address(found),
        counts=invitations.counts(found, now()),
        role_words=role_words(),
        until=local(found.until),
    )


@blueprint.get("/invitations/<int:invitation_id>/code.svg")
@declare(INVITERS)
def code(invitation_id: int) -> Response:
    """The code itself, as a picture; level Q: a quarter of it may be dirty or torn."""
    out = io.BytesIO()
    made = segno.make(_address(_found(invitation_id)), error="q", micro=False)
    made.save(out, kind="svg", scale=8, border=4, light="#ffffff", dark="#000000")
    return Response(out.getvalue(), mimetype="image/svg+xml")


@blueprint.post("/invitations/<int:invitation_id>/end")
@declare(INVITERS)
def end(invitation_id: int) -> ResponseReturnValue:
    """Take an invitation back."""
    invitations.end(db.session, _found(invitation_id), by=viewer(), at=now())
    db.session.commit()
    flash(gettext("邀请已收回，贴出去的二维码不能再用了。"), "good")
    return redirect(url_for("invitations.index"))


def _page(form: Filled) -> str:
    query = sa.select(Invitation).where(invitations.visible(viewer())).order_by(Invitation.id.desc())
    rows = list(db.session.scalars(query.limit(LISTED)))
    return render_template(
        "people/invitations.html",
        rows=rows,
        counting={row.id for row in rows if invitations.counts(row, now())},
        fields=_fields(),
        form=form,
        role_words=role_words(),
    )


def _fields() -> tuple[Field, ...]:
    words, me = role_words(), viewer()
    given = {role for own in me.roles for role in GRANTS.get(own, frozenset())}
    what = [Choice(value="home", label=gettext("住户来认领自己的家"))] if Role.RESIDENT in given else []
    what += [
        Choice(value=role.value, label=gettext("担任%(role)s", role=words[role]))
        for role in Role
        if role in given and role is not Role.RESIDENT
    ]
    kinds = kind_words()
    places = [
        Choice(value=str(row.id), label=f"{kinds[row.kind]} {row.name}")
        for row in _places(home="home" in {c.value for c in what})
    ]
    return (
        Field(name="what", kind="select", label=gettext("邀请做什么"), choices=tuple(what)),
        Field(
            name="place",
            kind="select",
            label=gettext("在哪里"),
            choices=tuple(places),
            hint=gettext("认领选小区、网格或楼栋；物业、业委会等选对应的单位"),
        ),
        Field(
            name="uses",
            kind="number",
            label=gettext("最多用几次"),
            minimum=1,
            maximum=MOST_USES,
            max_length=4,
        ),
        Field(name="days", kind="number", label=gettext("几天内有效"), minimum=1, maximum=365, max_length=3),
    )


def _places(*, home: bool) -> list[Organisation]:
    """The places of this viewer somebody could be invited to; households are invited from their own page."""
    kinds = {kind for role in Role for kind in GIVEN_AT.get(role, frozenset())} - {"household"}
    kinds |= invitations.HOMES - {"household"} if home else set()
    query = sa.select(Organisation).where(
        inside(viewer().scope), Organisation.kind.in_(kinds), Organisation.closed_at.is_(None)
    )
    order = list(kind_words())
    rows = list(db.session.scalars(query))
    return sorted(rows, key=lambda row: (order.index(row.kind), natural(row.name)))


def _wrong_place(role: Role | None) -> str:
    if role is None:
        return gettext("认领要选小区、网格或楼栋。")
    kinds = kind_words()
    fits = gettext("、").join(kinds[kind] for kind in kinds if kind in GIVEN_AT.get(role, frozenset()))
    return gettext("这个身份要选：%(kinds)s。", kinds=fits)


def _place(typed: str) -> Organisation | None:
    number = int(typed) if typed.isascii() and typed.isdigit() else 0
    return db.session.get(Organisation, number) if 0 < number <= MOST_ID else None


def _found(invitation_id: int) -> Invitation:
    query = sa.select(Invitation).where(Invitation.id == invitation_id, invitations.visible(viewer()))
    found = db.session.scalar(query) if 0 < invitation_id <= MOST_ID else None
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _address(found: Invitation) -> str:
    base = str(current_app.config["PORTAL"].public_url).rstrip("/")
    return base + url_for("join.open_door", token=invitations.token_of(found, secret_key=_key()))


def _key() -> str:
    return str(current_app.config["PORTAL"].secret_key)
