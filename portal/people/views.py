"""Pages about oneself: my account, the language of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for

from portal.people import (
    account_data_views,
    account_views,
    band_views,
    capacity_views,
    card_views,
    claim_views,
    coverage_views,
    intake_views,
    invitation_views,
    join_views,
    people_tabs,
    place_views,
    register_views,
    signup,
)
from portal.people.language import LANGUAGES, speak
from portal.policy import ANYONE, REGISTRARS, SIGNED_IN, declare
from portal.security import local_path, viewer

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("people", __name__, template_folder="templates")
PARTS = (
    signup,
    account_views,
    account_data_views,
    card_views,
    place_views,
    register_views,
    intake_views,
    band_views,
    claim_views,
    invitation_views,
    join_views,
    capacity_views,
    coverage_views,
)
"""The parts of people with a blueprint of their own."""


@blueprint.record_once
def _wire(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    for part in PARTS:
        app.register_blueprint(part.blueprint)
    app.extensions["waiting_claims"] = claim_views.waiting_count
    app.extensions["waiting_bands"] = band_views.waiting_count


@blueprint.app_context_processor
def people_words() -> dict[str, Any]:
    """Give the templates the doors between the pages of places and people, and what this viewer keeps."""
    return {
        "people_tabs": lambda: people_tabs.tabs(viewer()),
        "may_register": bool(viewer().roles & REGISTRARS),
        "views": current_app.view_functions,
        "capacities": capacity_views.mine,
        "new_members": join_views.unanswered,
    }


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
        session["language"] = speak(wanted)
        session.permanent = True
    return redirect(local_path(request.form.get("next"), url_for("people.me")))
