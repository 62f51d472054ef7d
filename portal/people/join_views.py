"""Coming in: the page behind an invitation, choosing one's home step by step, and one's own household.

One thing a step, so that a first visit succeeds: who you are, which building, which entrance, which door.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask_security import current_user

from portal.db import db
from portal.i18n import gettext
from portal.people import claims, invitations, signup
from portal.people.address_words import building_words, household_words
from portal.people.addresses import natural, split_name
from portal.people.join_models import ClaimNotice, HouseholdClaim, Invitation
from portal.people.models import ROLES, Organisation, User
from portal.people.organisations import inside
from portal.people.register import MOST_ID
from portal.people.role_words import role_words
from portal.policy import ANYONE, SIGNED_IN, declare
from portal.security import limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("join", __name__, template_folder="templates")
blueprint.app_template_filter("building")(building_words)
blueprint.app_template_filter("household")(household_words)
LOOK_LIMIT: Final = "60 per minute; 600 per hour"
CLAIM_LIMIT: Final = "20 per hour"
TOKEN_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of choosing a home: what is chosen so far, and what can be chosen next.

    `ask` is `building`, `unit`, `room` or `sure`; choices are words and the address of the next step.
    """

    ask: str
    building: Organisation | None = None
    unit: str = ""
    home: Organisation | None = None
    choices: tuple[tuple[str, dict[str, str]], ...] = ()


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.get("/join/<token>")
@declare(ANYONE)
@limiter.limit(LOOK_LIMIT)
def open_door(token: str) -> ResponseReturnValue:
    """The page behind the code on a poster: what it is for, then step by step."""
    found = _invitation(token)
    if found is None:
        return _worthless()
    if not viewer().signed_in:
        return render_template(
            "people/join.html", step="welcome", invitation=found, token=token, **_words(found)
        )
    if found.kind == "role":
        return render_template(
            "people/join.html", step="role", invitation=found, token=token, **_words(found)
        )
    step = _step(found.organisation)
    return render_template("people/join_home.html", step=step, token=token, place=found.organisation)


@blueprint.post("/join/<token>/begin")
@declare(ANYONE)
@limiter.limit(LOOK_LIMIT)
def begin(token: str) -> ResponseReturnValue:
    """To the telephone number, and back here."""
    if _invitation(token) is None:
        return _worthless()
    target = url_for("join.open_door", token=token)
    return signup.invite(target)


@blueprint.post("/join/<token>/accept")
@declare(SIGNED_IN)
def accept(token: str) -> ResponseReturnValue:
    """Take on the role of an invitation."""
    found = _invitation(token)
    if found is None or found.kind != "role":
        return _worthless()
    try:
        fresh = invitations.accept(db.session, found, _account(), now=now())
    except (invitations.UsedUp, invitations.NoLonger):
        db.session.rollback()
        return _worthless()
    db.session.commit()
    words = role_words()[ROLES[found.role]]
    if fresh:
        flash(
            gettext("欢迎您，现在您是 %(place)s 的%(role)s。", place=found.organisation.name, role=words),
            "good",
        )
    else:
        flash(
            gettext("您已经是 %(place)s 的%(role)s了。", place=found.organisation.name, role=words),
            "information",
        )
    return redirect(url_for("capacity.choose") if len(_account().capacities) > 1 else url_for("people.me"))


@blueprint.post("/join/<token>/claim")
@declare(SIGNED_IN)
@limiter.limit(CLAIM_LIMIT, key_func=_who)
def claim(token: str) -> ResponseReturnValue:
    """Claim the household that was chosen (`home`), by an invitation."""
    found = _invitation(token)
    if found is None or found.kind == "role":
        return _worthless()
    return _claim(found.organisation, url_for("join.open_door", token=token), found)


@blueprint.get("/me/home")
@declare(SIGNED_IN)
def mine() -> str:
    """My household: where I live, who else does, what I claimed, and who says to have moved in."""
    me = _account()
    homes = [grant.organisation for grant in me.grants if grant.organisation.kind == "household"]
    query = sa.select(HouseholdClaim).where(
        HouseholdClaim.user_id == me.id, HouseholdClaim.state != "confirmed"
    )
    return render_template(
        "people/home.html",
        homes=[(home, claims.members(db.session, home.id)) for home in dict.fromkeys(homes)],
        own=list(db.session.scalars(query.order_by(HouseholdClaim.id.desc()).limit(5))),
        notices=claims.notices(db.session, me.id),
    )


@blueprint.get("/me/home/choose")
@declare(SIGNED_IN)
def choose() -> str:
    """Choose one's home in the community of this portal, without an invitation."""
    place = _community()
    return render_template("people/join_home.html", step=_step(place), token="", place=place)


@blueprint.post("/me/home/claim")
@declare(SIGNED_IN)
@limiter.limit(CLAIM_LIMIT, key_func=_who)
def claim_home() -> ResponseReturnValue:
    """Claim the household that was chosen (`home`)."""
    return _claim(_community(), url_for("join.choose"), None)


@blueprint.post("/me/home/members/<int:claim_id>")
@declare(SIGNED_IN)
def answer(claim_id: int) -> ResponseReturnValue:
    """Say whether the new member of one's household is known (`known=1`) or a stranger."""
    me = viewer().user
    notice = db.session.get(ClaimNotice, (claim_id, me)) if 0 < claim_id <= MOST_ID else None
    if notice is None or notice.answer:
        abort(HTTPStatus.NOT_FOUND)
    known = request.form.get("known") == "1"
    claims.answer(db.session, notice, known=known, at=now())
    db.session.commit()
    flash(gettext("知道了，谢谢。") if known else gettext("已告诉居委会，他们会尽快核对。"), "good")
    return redirect(url_for("join.mine"))


def unanswered() -> list[ClaimNotice]:
    """The new members of their household whoever is signed in has not answered about, for the front page."""
    me = viewer().user
    return claims.notices(db.session, me) if me is not None else []


def _claim(place: Organisation, back: str, invitation: Invitation | None) -> ResponseReturnValue:
    typed = request.form.get("home", "")
    number = int(typed) if typed.isascii() and typed.isdigit() else 0
    home = db.session.get(Organisation, number) if 0 < number <= MOST_ID else None
    if home is None or home.kind != "household" or not home.path.startswith(place.path):
        flash(gettext("请先选好是哪一户。"), "warning")
        return redirect(back)
    at = now()
    try:
        made = claims.make(
            db.session,
            _account(),
            home,
            at=at,
            said=request.form.get("said", "").strip(),
            invitation_id=invitation.id if invitation is not None else None,
        )
        if invitation is not None and made.made_at == at:
            invitations.use(db.session, invitation, now=at)
    except claims.Refused as refused:
        db.session.rollback()
        flash(_refusals()[refused.reason], "warning")
        return redirect(url_for("join.mine"))
    except invitations.UsedUp:
        db.session.rollback()
        return _worthless()
    db.session.commit()
    if made.state == "confirmed":
        flash(gettext("欢迎回家，您的住户身份已经确认。"), "good")
    else:
        flash(gettext("已提交，居委会核对后就会确认，不用再做什么。"), "good")
    return redirect(url_for("join.mine"))


def _step(place: Organisation) -> Step:
    """What is chosen in the address (`building`, `unit`, `home`) and what comes next, inside this place."""
    if place.kind == "household":
        return Step(ask="sure", building=place.parent, home=place)
    rows = list(
        db.session.scalars(
            sa.select(Organisation).where(
                inside(place.path),
                Organisation.kind.in_(("building", "household")),
                Organisation.closed_at.is_(None),
            )
        )
    )
    by_id = {str(row.id): row for row in rows}
    home = by_id.get(request.args.get("home", ""))
    if home is not None and home.kind == "household":
        return Step(ask="sure", building=home.parent, home=home, unit=split_name(home.name)[0])
    building = place if place.kind == "building" else by_id.get(request.args.get("building", ""))
    if building is None or building.kind != "building":
        buildings = sorted((row for row in rows if row.kind == "building"), key=lambda row: natural(row.name))
        choices = tuple((building_words(row.name), {"building": str(row.id)}) for row in buildings)
        return Step(ask="building", choices=choices)
    return _doors(building, [row for row in rows if row.parent_id == building.id])


def _doors(building: Organisation, rows: list[Organisation]) -> Step:
    chosen = {"building": str(building.id)}
    units = sorted({split_name(row.name)[0] for row in rows}, key=natural)
    unit = request.args.get("unit", "") if len(units) > 1 else (units[0] if units else "")
    if unit not in units and rows:
        words = [
            (gettext("%(unit)s 单元", unit=name) if name else gettext("不分单元"), name) for name in units
        ]
        return Step(
            ask="unit",
            building=building,
            choices=tuple((said, {**chosen, "unit": name}) for said, name in words),
        )
    doors = sorted(
        (row for row in rows if split_name(row.name)[0] == unit), key=lambda row: natural(row.name)
    )
    return Step(
        ask="room",
        building=building,
        unit=unit,
        choices=tuple((split_name(row.name)[1], {"home": str(row.id)}) for row in doors),
    )


def _refusals() -> dict[str, str]:
    return {
        "lives_there": gettext("您已经是这一户的住户了。"),
        "closed": gettext("这一户已停用，请另选一户，或问问居委会。"),
        "too_many": gettext("您还有几份申请在等居委会核对，请等有了结果再申请。"),
    }


def _words(found: Invitation) -> dict[str, object]:
    role = ROLES.get(found.role)
    maker = found.maker.name if found.maker is not None else ""
    return {
        "role": role_words()[role] if role is not None else "",
        "maker": maker,
        "place": found.organisation,
    }


def _invitation(token: str) -> Invitation | None:
    if len(token) > TOKEN_CHARACTERS:
        return None
    found = invitations.find(db.session, token)
    return found if found is not None and invitations.counts(found, now()) else None


def _worthless() -> ResponseReturnValue:
    return render_template("people/join_ended.html"), HTTPStatus.NOT_FOUND


def _community() -> Organisation:
    code = viewer().community or current_app.config["PORTAL"].community
    found = db.session.scalar(sa.select(Organisation).where(Organisation.code == code))
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _account() -> User:
    account = current_user._get_current_object()  # noqa: SLF001  # Flask-Login's own way to the row
    assert isinstance(account, User)
    return account
