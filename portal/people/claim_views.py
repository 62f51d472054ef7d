"""Household claims for the committee: what waits, confirming, refusing with a reason, undoing."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from portal.db import db
from portal.i18n import gettext
from portal.people import claims
from portal.people.join_models import HouseholdClaim
from portal.people.models import Resident
from portal.people.register import MOST_ID
from portal.policy import REGISTRARS, Viewer, declare, only
from portal.security import viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("claims", __name__, template_folder="templates")
KEEPERS = only(*REGISTRARS)


def waiting_count(me: Viewer) -> int:
    """How many claims wait for this viewer, for the doors of the pages."""
    return claims.waiting_count(db.session, me)


@blueprint.get("/claims/")
@declare(KEEPERS)
def queue() -> str:
    """The claims that wait, each beside who the register has there; then the newest that were judged."""
    waiting = claims.waiting(db.session, viewer())
    homes = {claim.household_id for claim in waiting}
    query = sa.select(Resident).where(Resident.household_id.in_(homes), Resident.left_at.is_(None))
    registered: dict[int, list[Resident]] = {}
    for person in db.session.scalars(query.order_by(Resident.id)):
        registered.setdefault(person.household_id or 0, []).append(person)
    return render_template(
        "people/claims.html",
        waiting=waiting,
        judged=claims.judged(db.session, viewer()),
        registered=registered,
        members={home: claims.members(db.session, home) for home in homes},
    )


@blueprint.post("/claims/<int:claim_id>/confirm")
@declare(KEEPERS)
def confirm(claim_id: int) -> ResponseReturnValue:
    """Say that a waiting claim is right."""
    found = _found(claim_id, "waiting")
    claims.confirm(db.session, found, by=viewer(), at=now())
    db.session.commit()
    flash(gettext("已确认 %(name)s 的住户身份。", name=found.user.name), "good")
    return redirect(url_for("claims.queue"))


@blueprint.post("/claims/<int:claim_id>/refuse")
@declare(KEEPERS)
def refuse(claim_id: int) -> ResponseReturnValue:
    """Say that it is not, and why (`reason`)."""
    found = _found(claim_id, "waiting")
    reason = request.form.get("reason", "").strip()
    if not reason:
        flash(gettext("请写一句原因，对方会看到。"), "warning")
        return redirect(url_for("claims.queue"))
    claims.refuse(db.session, found, reason=reason, by=viewer(), at=now())
    db.session.commit()
    flash(gettext("已退回，原因会告诉 %(name)s。", name=found.user.name), "good")
    return redirect(url_for("claims.queue"))


@blueprint.post("/claims/<int:claim_id>/undo")
@declare(KEEPERS)
def undo(claim_id: int) -> ResponseReturnValue:
    """Undo a confirmation that was wrong (`reason`)."""
    found = _found(claim_id, "confirmed")
    reason = request.form.get("reason", "").strip() or gettext("核对后发现不是这一户的住户")
    claims.undo(db.session, found, reason=reason, by=viewer(), at=now())
    db.session.commit()
    flash(gettext("已撤销 %(name)s 的住户身份。", name=found.user.name), "good")
    return redirect(url_for("claims.queue"))


def _found(claim_id: int, state: str) -> HouseholdClaim:
    query = sa.select(HouseholdClaim).where(HouseholdClaim.id == claim_id, claims.judged_by(viewer()))
    found = db.session.scalar(query) if 0 < claim_id <= MOST_ID else None
    if found is None or found.state != state:
        abort(HTTPStatus.NOT_FOUND)
    return found
