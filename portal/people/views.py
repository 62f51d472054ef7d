"""Pages about oneself: my account, the language of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Blueprint, redirect, render_template, request, session, url_for

from portal.people import account_views, card_views, signup
from portal.people.language import LANGUAGES
from portal.policy import ANYONE, SIGNED_IN, declare
from portal.security import local_path

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState
    from flask.typing import ResponseReturnValue

PARTS = (signup, account_views, card_views)
"""The parts of people with a blueprint of their own."""

blueprint = Blueprint("people", __name__, template_folder="templates")


@blueprint.record_once
def _wire(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    for part in PARTS:
        app.register_blueprint(part.blueprint)


@blueprint.get("/me/")
@declare(SIGNED_IN)
def me() -> str:
    """My account: name, phone, language, sign out."""
    return render_template("people/me.html")


@blueprint.post("/language")
@declare(ANYONE)
def language() -> ResponseReturnValue:
    """Switch the language of the pages (form fields `language`, `next`) and go back to the page."""
    wanted = request.form.get("language", "")
    if wanted in LANGUAGES:
        session["language"] = wanted
        session.permanent = True
    return redirect(local_path(request.form.get("next"), url_for("people.me")))
