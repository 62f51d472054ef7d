"""In which of their capacities a person acts: the page to choose, and the switch."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask_security import current_user

from portal import audit
from portal.care.changes import account_changed
from portal.db import db
from portal.i18n import gettext
from portal.people.models import User
from portal.people.role_words import capacity_words
from portal.policy import SIGNED_IN, declare
from portal.security import CAPACITY, local_path, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("capacity", __name__, template_folder="templates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One capacity in words; `chosen` is the one in force."""

    key: str
    words: str
    place: str
    chosen: bool


def mine() -> list[Shown]:
    """The capacities of whoever is signed in, offices first; none for nobody."""
    user = current_user
    if not viewer().signed_in or not isinstance(account := user._get_current_object(), User):  # noqa: SLF001  # Flask-Login's own way to the row
        return []
    capacities = account.capacities
    kept = session.get(CAPACITY, "")
    chosen = kept if kept in capacities else next(iter(capacities), "")
    found = []
    for key, grants in capacities.items():
        words, place = capacity_words(key, grants)
        found.append(Shown(key=key, words=words, place=place, chosen=key == chosen))
    return found


@blueprint.get("/me/capacity")
@declare(SIGNED_IN)
def choose() -> str:
    """Choose in which capacity to act."""
    return render_template("people/capacity.html", held=mine(), back_to=request.args.get("next", ""))


@blueprint.post("/me/capacity")
@declare(SIGNED_IN)
def switch() -> ResponseReturnValue:
    """Act in another capacity from now on (`capacity`); on record, and live pages of the old one end."""
    wanted = request.form.get("capacity", "")
    found = next((shown for shown in mine() if shown.key == wanted), None)
    me = viewer()
    if found is None or me.user is None:
        abort(HTTPStatus.NOT_FOUND)
    if not found.chosen:
        session[CAPACITY] = wanted
        actor = f"user:{me.user}"
        detail = f"grant:{wanted}"
        audit.record(db.session, at=now(), actor=actor, action="act_as", subject=actor, detail=detail)
        account_changed(db.session, me.user)
        db.session.commit()
    flash(gettext("现在以%(words)s身份使用。", words=found.words), "good")
    return redirect(local_path(request.form.get("next"), url_for("home.index")))
