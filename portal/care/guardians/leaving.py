"""A guardian steps down: what ends is said first, the wearer, the family and the committee see it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from portal.api.gateway import ring
from portal.care.guardians import record as guardianships
from portal.care.guardians.texts import tell_of_leaving
from portal.care.models import MOST_ID, Guardianship
from portal.db import db
from portal.i18n import gettext
from portal.policy import SIGNED_IN, declare
from portal.security import viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("leaving", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left when this guardian goes: who else guards, who else decides, whether they are called on."""

    last: bool
    last_decider: bool
    called: bool


@blueprint.route("/care/guardians/<int:guardianship_id>/leave", methods=["GET", "POST"])
@declare(SIGNED_IN)
def leave(guardianship_id: int) -> ResponseReturnValue:
    """Say what ends and ask once (`sure`); then end this guardianship of mine at once."""
    row = _mine(guardianship_id)
    left = _left(row)
    if request.method == "GET":
        return render_template("care/guardian_leave.html", row=row, left=left, problem="")
    if request.form.get("sure") != "yes":
        problem = gettext("请先勾选“我明白”。")
        page = render_template("care/guardian_leave.html", row=row, left=left, problem=problem)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    name = row.wearer.name
    guardianships.leave(db.session, row, by=viewer(), at=now())
    tell_of_leaving(db.session, row, at=now())
    db.session.commit()
    ring()
    flash(gettext("您不再是%(name)s的监护人了。家人和居委会都看得到。", name=name), "good")
    return redirect(url_for("guardians.mine"))


def _mine(guardianship_id: int) -> Guardianship:
    found = db.session.get(Guardianship, guardianship_id) if 0 < guardianship_id <= MOST_ID else None
    if found is None or found.user_id != viewer().user or not found.holds(now()):
        abort(HTTPStatus.NOT_FOUND)
    return found


def _left(row: Guardianship) -> Left:
    others = [one for one in row.wearer.guardianships if one.id != row.id and one.holds(now())]
    return Left(
        last=not others,
        last_decider=row.decides and not any(one.decides for one in others),
        called=any(contact.phone == viewer().phone for contact in row.wearer.contacts),
    )
