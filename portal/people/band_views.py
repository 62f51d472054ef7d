"""The page where the committee says who of the register wears which band."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from portal.care.queries import find_wearer, visible_wearers
from portal.db import db
from portal.i18n import gettext
from portal.people import register, wearer_links
from portal.people.addresses import households
from portal.people.models import Resident
from portal.policy import REGISTRARS, Viewer, declare, only
from portal.security import viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("bands", __name__, template_folder="templates")
KEEPERS = only(*REGISTRARS)


def waiting_count(me: Viewer) -> int:
    """How many wearers nobody has tied to the register, for the doors of the pages."""
    return sum(wearer.resident_id is None for wearer in visible_wearers(db.session, me))


@blueprint.get("/register/bands/")
@declare(KEEPERS)
def index() -> str:
    """Every wearer, who they are in the register, and a suggestion where that is not known."""
    me = viewer()
    wearers = visible_wearers(db.session, me)
    ids = {wearer.resident_id for wearer in wearers if wearer.resident_id}
    rows = db.session.scalars(sa.select(Resident).where(Resident.id.in_(ids)))
    return render_template(
        "people/bands.html",
        wearers=sorted(wearers, key=lambda wearer: wearer.resident_id is not None),
        people={person.id: person for person in rows},
        suggested=wearer_links.suggestions(db.session, wearers),
        homes=households(db.session, me.community).labels,
    )


@blueprint.post("/register/bands/<int:wearer_id>")
@declare(KEEPERS)
def link(wearer_id: int) -> ResponseReturnValue:
    """Tie a wearer to a person: by `resident` (an id), or by `name` where one person has it; empty unties."""
    wearer = find_wearer(db.session, viewer(), wearer_id)
    if wearer is None:
        abort(HTTPStatus.NOT_FOUND)
    typed, name = request.form.get("resident", ""), request.form.get("name", "").strip()
    person = None
    if name:
        query = sa.select(Resident).where(
            register.readable(viewer()), Resident.name == name, Resident.left_at.is_(None)
        )
        found = db.session.scalars(query.limit(2)).all()
        if len(found) != 1:
            words = gettext("名册里有几位 %(name)s，请打开那位居民再关联。", name=name)
            none = gettext("名册里没有 %(name)s，请先登记。", name=name)
            flash(words if found else none, "warning")
            return redirect(url_for("bands.index"))
        person = found[0]
    elif typed.isascii() and typed.isdigit():
        person = register.one(db.session, viewer(), int(typed))
        if person is None:
            abort(HTTPStatus.NOT_FOUND)
    if person is not None and person.community != wearer.community:
        abort(HTTPStatus.NOT_FOUND)
    wearer_links.link(db.session, wearer, person, by=viewer(), at=now())
    db.session.commit()
    tied = gettext("%(name)s 的手环已关联。", name=wearer.name)
    flash(tied if person is not None else gettext("已取消 %(name)s 的关联。", name=wearer.name), "good")
    return redirect(url_for("bands.index"))
