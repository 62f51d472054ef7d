"""Consents: what somebody agreed to, given one by one, and withdrawn at once.

Whoever sees a wearer sees what was agreed to. The wearer decides; a guardian decides for one who cannot;
staff only put on record what one of those signed.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from portal import audit, media
from portal.api.gateway import ring
from portal.care import queries
from portal.care.changes import rights_changed
from portal.care.consent import record as consents
from portal.care.consent.forms import fields_of, given_by, proof_of
from portal.care.consent.page import consent_page
from portal.care.consent.sight import visible
from portal.care.consent.sights import consented, facts_of
from portal.care.consent.words import UNTIL_DAYS, asked
from portal.care.models import Consent, Wearer
from portal.db import db
from portal.i18n import gettext
from portal.policy import Audience, Basis, Data, Role, Viewer, consents_as, declare, only
from portal.security import limiter, viewer
from portal.words import fill, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from portal.fields import Filled

READERS = only(Role.WEARER, Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN)
DECIDERS = only(Role.WEARER, Role.GUARDIAN, Role.STAFF)
DECIDE_LIMIT = "30 per minute; 200 per hour"
PAPERS = "consent"
KINDS = "any(location, health, face)"
ALL = "all"

blueprint = Blueprint("consents", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/care/wearers/<int:wearer_id>/consents")
@declare(READERS)
def page(wearer_id: int) -> str:
    """What was agreed to and what was not, what came before, who guards them, who looked."""
    return consent_page(visible(wearer_id))


@blueprint.route(
    f"/care/wearers/<int:wearer_id>/consents/<{KINDS}:data>/<any(guardians, staff):audience>",
    methods=["GET", "POST"],
)
@declare(DECIDERS)
@limiter.limit(DECIDE_LIMIT, key_func=_who, methods=["POST"])
def decide(wearer_id: int, data: str, audience: str) -> ResponseReturnValue:
    """One decision: agree to these data for this audience, or do not; nothing else hangs on it."""
    wearer, basis = _decided(wearer_id)
    fields = fields_of(basis)
    if request.method == "GET":
        return _decision(wearer, data, audience, basis, None)
    if request.form.get("answer") != "yes":
        flash(gettext("没有同意，什么都没有改变。"), "information")
        return _back(wearer)
    form = fill(fields, request.form.to_dict(flat=False))
    paper = media.sent(form, "paper", gettext("纸面的照片")) if basis is Basis.PAPER else None
    if form.errors:
        return _decision(wearer, data, audience, basis, form), HTTPStatus.UNPROCESSABLE_ENTITY
    days, at = UNTIL_DAYS[str(form.values["until"])], now()
    row = consents.give(
        db.session,
        wearer,
        data=Data(data),
        audience=Audience(audience),
        basis=basis.value,
        given_by=given_by(basis, form, wearer.name, viewer().name),
        proof=proof_of(form),
        at=at,
        until=None if days is None else at + timedelta(days=days),
        recorded_by=viewer().user,
    )
    if paper is not None:
        paper.subject_kind, paper.subject_id, paper.purpose = PAPERS, row.id, "consent"
    _change(wearer, "give_consent", f"{data} {audience} {basis.value}")
    flash(gettext("已记下，马上生效。以后随时可以收回。"), "good")
    return _back(wearer)


@blueprint.route(
    f"/care/wearers/<int:wearer_id>/consents/<{KINDS}:data>/<any(guardians, staff, all):audience>/withdraw",
    methods=["GET", "POST"],
)
@declare(DECIDERS)
def withdraw(wearer_id: int, data: str, audience: str) -> ResponseReturnValue:
    """Ask once, then end a consent at once; `erase` also deletes what was kept, where nobody may see it now.

    No limit: who wants to take it back is never told to wait.
    """
    wearer, basis = _decided(wearer_id)
    kind = Data(data)
    ended = tuple(Audience) if audience == ALL else (Audience(audience),)
    held = consented(wearer.consents, now())
    left = {one for one in held if one[0] is kind and one[1] not in ended}
    if request.method == "GET":
        return render_template(
            "care/consent_withdraw.html",
            wearer=wearer,
            asked=asked(kind, ended[0]),
            everybody=audience == ALL,
            last=not left and kind is not Data.FACE,
            mine=basis is Basis.OWN,
        )
    by = viewer().name if basis is not Basis.PAPER else gettext("%(name)s 登记", name=viewer().name)
    count = consents.withdraw(db.session, wearer, data=kind, audiences=ended, by=by, at=now())
    gone = 0
    if request.form.get("erase") == "yes" and not left:
        gone = consents.erase(db.session, wearer, kind)
    if count or gone:
        _change(wearer, "withdraw_consent", f"{data} {audience} {basis.value} erased {gone}")
    flash(gettext("已收回，现在就看不到了。求救和报警照常。"), "good")
    return _back(wearer)


def _decided(wearer_id: int) -> tuple[Wearer, Basis]:
    """The wearer, and in what right who asks decides; who has none is told "not found"."""
    wearer = visible(wearer_id)
    basis = consents_as(viewer(), facts_of(wearer))
    if basis is None:
        abort(HTTPStatus.NOT_FOUND)
    return wearer, basis


def _decision(wearer: Wearer, data: str, audience: str, basis: Basis, form: Filled | None) -> str:
    return render_template(
        "care/consent_decide.html",
        wearer=wearer,
        asked=asked(Data(data), Audience(audience)),
        basis=basis.value,
        fields=fields_of(basis),
        form=form or fill((), {}),
    )


def _change(wearer: Wearer, action: str, detail: str) -> None:
    """Put it on record, and have every open page and stream that this concerns judged anew."""
    entry = {"actor": f"user:{viewer().user}", "action": action, "subject": f"wearer:{wearer.id}"}
    audit.record(db.session, at=now(), **entry, detail=detail)
    rights_changed(db.session, wearer.id)
    db.session.commit()
    ring()


def _back(wearer: Wearer) -> ResponseReturnValue:
    if Role.WEARER in viewer().roles and consents_as(viewer(), facts_of(wearer)) is Basis.OWN:
        return redirect(url_for("mine.page"))
    return redirect(url_for("consents.page", wearer_id=wearer.id))


def _may_see_paper(who: Viewer, consent_id: int) -> bool:
    """Papers are seen by those who may decide."""
    row = db.session.get(Consent, consent_id)
    wearer = None if row is None else queries.find_wearer(db.session, who, row.wearer_id)
    return wearer is not None and consents_as(who, facts_of(wearer)) is not None


media.guard(PAPERS, _may_see_paper)
