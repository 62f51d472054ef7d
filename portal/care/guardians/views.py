"""Guardianship: asked for with proof, judged by the committee, objected to by the wearer and their family."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for

from portal import media
from portal.api.gateway import ring
from portal.care import queries
from portal.care.consent.sights import facts_of
from portal.care.guardians import record as guardianships
from portal.care.guardians import texts
from portal.care.guardians.forms import basis_choices, fields, reason_of, until_of
from portal.care.guardians.models import GuardianClaim
from portal.care.models import MOST_ID, Guardianship
from portal.db import db
from portal.fields import SHANGHAI
from portal.i18n import gettext
from portal.policy import REGISTRARS, SIGNED_IN, Role, Viewer, declare, only
from portal.security import limiter, viewer
from portal.words import fill, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue


JUDGES = only(*REGISTRARS)
OBJECTORS = only(Role.WEARER, Role.GUARDIAN)
CLAIM_LIMIT = "5 per hour; 10 per day"
OBJECT_LIMIT = "10 per hour"
PAPERS = "guardian_claim"

blueprint = Blueprint("guardians", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


def waiting_count(me: Viewer) -> int:
    """How much waits for this viewer, for the doors of the pages."""
    return guardianships.waiting_count(db.session, me, now())


@blueprint.app_context_processor
def _words() -> dict[str, object]:
    return {"guardian_basis": basis_choices}


# ---------------------------------------------------------------- who asks


@blueprint.route("/care/guardians/claim", methods=["GET", "POST"])
@declare(SIGNED_IN)
@limiter.limit(CLAIM_LIMIT, key_func=_who, methods=["POST"])
def claim() -> ResponseReturnValue:
    """Ask to be somebody's guardian; the answer is the same whether or not there is such a wearer."""
    form = fill(fields(), request.form.to_dict(flat=False) if request.method == "POST" else {})
    if request.method == "GET":
        form.errors.clear()
        return render_template("care/guardian_claim.html", form=form, fields=fields())
    paper = None if form.errors else media.sent(form, "paper", gettext("材料的照片"))
    if form.errors:
        page = render_template("care/guardian_claim.html", form=form, fields=fields())
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    words = {name: str(form.values[name]) for name in ("named", "home", "relation", "basis", "proof")}
    made = GuardianClaim(
        community=viewer().community or current_app.config["PORTAL"].community,
        user_id=viewer().user,
        decides=form.values["decides"] == "yes",
        state="waiting",
        made_at=now(),
        **words,
    )
    try:
        kept = guardianships.ask(db.session, made)
    except guardianships.TooMany:
        flash(gettext("您还有几份申请在等居委会核对，请等有了结果再申请。"), "warning")
        return redirect(url_for("guardians.mine"))
    if paper is not None and kept is made:
        paper.subject_kind, paper.subject_id, paper.purpose = PAPERS, made.id, "proof"
    if kept is made:
        texts.tell_of_claim(db.session, made, at=now())
    db.session.commit()
    ring()
    flash(gettext("已提交，居委会核对材料后，结果会写在这里。"), "good")
    return redirect(url_for("guardians.mine"))


@blueprint.get("/me/guardians")
@declare(SIGNED_IN)
def mine() -> str:
    """What I asked for, and what the committee said."""
    return render_template(
        "care/guardians_mine.html",
        claims=guardianships.of_user(db.session, viewer().user or 0),
        at=now(),
    )


# ---------------------------------------------------------------- who judges


@blueprint.get("/care/guardians/")
@declare(JUDGES)
def queue() -> str:
    """What waits: objections first, then claims; then who guards whom."""
    who = viewer()
    wearers = guardianships.candidates(db.session, who)
    waiting = guardianships.waiting(db.session, who)
    return render_template(
        "care/guardians.html",
        waiting=waiting,
        papers=media.of_subjects(db.session, PAPERS, [one.id for one in waiting]),
        wearers=wearers,
        alike={one.id: guardianships.alike(one, wearers) for one in waiting},
        objected=guardianships.objected(db.session, who, now()),
        in_force=guardianships.in_force(db.session, who, now()),
        ended=guardianships.lately_ended(db.session, who, now()),
    )


@blueprint.post("/care/guardians/claims/<int:claim_id>/confirm")
@declare(JUDGES)
def confirm(claim_id: int) -> ResponseReturnValue:
    """Say that the proof is right, for which wearer (`wearer`), until when (`until`, optional)."""
    found = _claim(claim_id)
    chosen = request.form.get("wearer", "")
    wearers = {str(one.id): one for one in guardianships.candidates(db.session, viewer())}
    if chosen not in wearers:
        flash(gettext("请先选好是哪位戴手环的人。"), "warning")
        return redirect(url_for("guardians.queue"))
    try:
        until = until_of(request.form.get("until", ""), now().astimezone(SHANGHAI).date())
    except ValueError:
        flash(gettext("到期日请选今天或以后的一天，一直有效就不填。"), "warning")
        return redirect(url_for("guardians.queue"))
    decides = request.form.get("decides") == "yes"
    guardianships.confirm(
        db.session, found, wearers[chosen], until=until, decides=decides, by=viewer(), at=now()
    )
    texts.tell_of_answer(db.session, found, at=now())
    return _done(gettext("已确认 %(name)s 的监护身份，马上生效。", name=found.user.name))


@blueprint.post("/care/guardians/claims/<int:claim_id>/refuse")
@declare(JUDGES)
def refuse(claim_id: int) -> ResponseReturnValue:
    """Say that it is not, and why (`reason`)."""
    found, reason = _claim(claim_id), reason_of(request.form.get("reason", ""))
    if not reason:
        return _no_reason()
    guardianships.refuse(db.session, found, reason=reason, by=viewer(), at=now())
    texts.tell_of_answer(db.session, found, at=now())
    return _done(gettext("已退回，原因会告诉 %(name)s。", name=found.user.name))


@blueprint.post("/care/guardians/<int:guardianship_id>/end")
@declare(JUDGES)
def end(guardianship_id: int) -> ResponseReturnValue:
    """End a guardianship at once (`reason`)."""
    found, reason = _judged(guardianship_id), reason_of(request.form.get("reason", ""))
    if not reason:
        return _no_reason()
    guardianships.end(db.session, found, reason=reason, by=viewer(), at=now())
    texts.tell_of_end(db.session, found, at=now())
    return _done(gettext("已结束 %(name)s 的监护，现在就看不到了。", name=found.user.name))


@blueprint.post("/care/guardians/<int:guardianship_id>/keep")
@declare(JUDGES)
def keep(guardianship_id: int) -> ResponseReturnValue:
    """Say that a guardianship somebody objected to stays (`reason`)."""
    found, reason = _judged(guardianship_id), reason_of(request.form.get("reason", ""))
    if found.objected_at is None:
        abort(HTTPStatus.NOT_FOUND)
    if not reason:
        return _no_reason()
    guardianships.keep(db.session, found, reason=reason, by=viewer(), at=now())
    return _done(gettext("%(name)s 的监护照旧，已恢复。", name=found.user.name))


# ---------------------------------------------------------------- who objects


@blueprint.route("/care/guardians/<int:guardianship_id>/object", methods=["GET", "POST"])
@declare(OBJECTORS)
@limiter.limit(OBJECT_LIMIT, key_func=_who, methods=["POST"])
def object_to(guardianship_id: int) -> ResponseReturnValue:
    """Ask once, then have the committee look again; until then the guardian hears only alarms."""
    row = _row(guardianship_id)
    facts = facts_of(row.wearer)
    if not row.holds(now()) or not guardianships.may_object(viewer(), row, facts):
        abort(HTTPStatus.NOT_FOUND)
    if request.method == "GET":
        return render_template("care/guardian_object.html", row=row)
    why = request.form.get("reason", "").strip()[:400]
    guardianships.object_to(db.session, row, why=why, by=viewer(), at=now())
    db.session.commit()
    ring()
    flash(gettext("已告诉居委会。核对好之前，对方看不到位置和身体情况，求救照常通知。"), "good")
    if facts.own == viewer().user:
        return redirect(url_for("mine.page"))
    return redirect(url_for("consents.page", wearer_id=row.wearer_id))


def _done(words: str) -> ResponseReturnValue:
    db.session.commit()
    ring()
    flash(words, "good")
    return redirect(url_for("guardians.queue"))


def _no_reason() -> ResponseReturnValue:
    flash(gettext("请写一句原因，对方会看到。"), "warning")
    return redirect(url_for("guardians.queue"))


def _claim(claim_id: int) -> GuardianClaim:
    query = sa.select(GuardianClaim).where(GuardianClaim.id == claim_id, guardianships.judges(viewer()))
    found = db.session.scalar(query) if 0 < claim_id <= MOST_ID else None
    if found is None or found.state != "waiting":
        abort(HTTPStatus.NOT_FOUND)
    return found


def _row(guardianship_id: int) -> Guardianship:
    found = db.session.get(Guardianship, guardianship_id) if 0 < guardianship_id <= MOST_ID else None
    if found is None or queries.find_wearer(db.session, viewer(), found.wearer_id) is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _judged(guardianship_id: int) -> Guardianship:
    query = sa.select(Guardianship).where(
        Guardianship.id == guardianship_id, guardianships.judges_of(viewer())
    )
    found = db.session.scalar(query) if 0 < guardianship_id <= MOST_ID else None
    if found is None or not found.holds(now()):
        abort(HTTPStatus.NOT_FOUND)
    return found


def _may_see_paper(who: Viewer, claim_id: int) -> bool:
    """The photograph is seen by who sent it and who judges it."""
    row = db.session.get(GuardianClaim, claim_id)
    if row is None or not who.signed_in:
        return False
    judging = sa.select(GuardianClaim.id).where(GuardianClaim.id == claim_id, guardianships.judges(who))
    return row.user_id == who.user or db.session.scalar(judging) is not None


media.guard(PAPERS, _may_see_paper)
