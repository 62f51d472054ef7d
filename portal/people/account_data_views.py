"""What is kept of my account, taken along as a file, by who has just shown who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, current_app, render_template
from flask_security import auth_required, current_user

from portal import audit
from portal.care.consent.own_data import chunks
from portal.db import db, reading
from portal.people import account_data
from portal.people.models import User
from portal.policy import SIGNED_IN, declare
from portal.security import FRESH_FOR, limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

EXPORT_LIMIT = "6 per hour"

blueprint = Blueprint("account_data", __name__, template_folder="templates")
fresh = auth_required("session", within=lambda: FRESH_FOR, grace=lambda: FRESH_FOR)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/me/data")
@declare(SIGNED_IN)
@fresh
def page() -> str:
    """What the file holds, and the button that makes it."""
    return render_template("people/account_data.html")


@blueprint.post("/me/data.zip")
@declare(SIGNED_IN)
@fresh
@limiter.limit(EXPORT_LIMIT, key_func=_who)
def export() -> ResponseReturnValue:
    """Everything as a ZIP; on record first."""
    settings, number = current_app.config["PORTAL"], int(current_user.id)
    subject = f"user:{number}"
    audit.record(db.session, at=now(), actor=subject, action="export_account", subject=subject)
    db.session.commit()
    with reading() as session:
        user = session.get_one(User, number)
        file = account_data.packed(session, user, at=now(), secret_key=settings.secret_key)
    saved = 'attachment; filename="shouwang-account.zip"'
    heads = {"Content-Disposition": saved, "Cache-Control": "no-store"}
    return current_app.response_class(chunks(file), mimetype="application/zip", headers=heads)
