"""The forms of a wearer's care settings: the person, a contact, a fence, the limits.

Each form changes one piece and remembers what that piece said (`seen`): when somebody else has changed it
meanwhile, that is told, what was typed stays, and pressing the button again takes what was typed.
`draft` names a refused order whose piece the form begins with.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, abort, current_app, render_template, request

from gateway.profile import ContactTable, FenceTable, Profile
from portal.care.consent.looks import record_look
from portal.care.consent.sight import located
from portal.care.consent.why import purpose_or
from portal.care.fences.answers import fence_of, fence_raw
from portal.care.fences.page import Begun, editor
from portal.care.fences.questions import fence_form
from portal.care.models import Wearer
from portal.care.profile import trial as profile_trial
from portal.care.profile import versions as profiles
from portal.care.profile.check import is_id
from portal.care.profile.contact_forms import (
    check_pairs,
    check_year,
    contact_form,
    contact_of,
    contact_raw,
    limits_form,
    limits_raw,
    new_id,
    person_form,
    person_raw,
    with_limits,
    with_person,
)
from portal.care.profile.diff import digest
from portal.care.profile.page import standing_reasons
from portal.care.profile.reasons import Reason
from portal.care.profile.views import (
    EDIT_LIMIT,
    EDITORS,
    LOOK,
    editable,
    once,
    ordered,
    page_once,
    sent,
    who_edits,
)
from portal.care.trial.forms import Typed
from portal.care.wearer_page import ONCE_BYTES
from portal.db import db
from portal.fields import Field, Filled
from portal.policy import declare
from portal.security import limiter, viewer
from portal.words import fill

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

Edit = Callable[[Profile], Profile]
TRIED = frozenset({"fence", "limits"})
PARTS = {
    "contact": {"contacts"},
    "fence": {"fences"},
    "limits": {"rules"},
    "person": {"name", "birth_year", "home"},
}
"""The keys of a profile that each form asks for."""
MARGINS = ("exit_margin_m", "hysteresis_m", "dwell_s", "approach_m", "escalate_m")
UNCHANGED: Any = object()
"""In place of what somebody else made of a piece, where nobody did."""

blueprint = Blueprint("profile_forms", __name__)


@blueprint.route("/care/wearers/<int:wearer_id>/profile/contact", methods=["GET", "POST"])
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits, methods=["POST"])
def contact(wearer_id: int) -> ResponseReturnValue:
    """Add a contact, or change the one of `id`."""
    wearer, name = editable(wearer_id), request.args.get("id", "")
    fields = contact_form()

    def raw(profile: Profile) -> dict[str, list[str]]:
        found = piece_of(profile.contacts, name)
        return {key: [value] for key, value in contact_raw(found).items()}

    def edit(form: Filled, _profile: Profile) -> Edit | None:
        if form.errors:
            return None
        made = contact_of(form.values, name or new_id("c"))
        return lambda profile: with_piece(profile, "contacts", made)

    def piece(profile: Profile) -> object:
        return piece_of(profile.contacts, name)

    return _answer(wearer, "contact", name, fields, piece=piece, raw=raw, edit=edit)


@blueprint.route("/care/wearers/<int:wearer_id>/profile/fence", methods=["GET", "POST"])
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits, methods=["POST"])
def fence(wearer_id: int) -> ResponseReturnValue:
    """Add a fence, or change the one of `id`."""
    wearer, name = editable(wearer_id), request.args.get("id", "")
    if name:
        located(wearer_id)
    known = profiles.current(db.session, wearer)
    old = None if known is None else piece_of(known.profile.fences, name)
    fields = fence_form(old, standards("fence"))

    def raw(profile: Profile) -> dict[str, list[str]]:
        return fence_raw(piece_of(profile.fences, name))

    def edit(form: Filled, profile: Profile) -> Edit | None:
        made = fence_of(form, piece_of(profile.fences, name), name or new_id("f"))
        return None if made is None else lambda profile: with_piece(profile, "fences", made)

    def piece(profile: Profile) -> object:
        return piece_of(profile.fences, name)

    return _answer(wearer, "fence", name, fields, piece=piece, raw=raw, edit=edit)


@blueprint.route("/care/wearers/<int:wearer_id>/profile/person", methods=["GET", "POST"])
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits, methods=["POST"])
def person(wearer_id: int) -> ResponseReturnValue:
    """Change the wearer's name, year of birth and home."""

    def raw(profile: Profile) -> dict[str, list[str]]:
        return {key: [value] for key, value in person_raw(profile).items()}

    def edit(form: Filled, _profile: Profile) -> Edit | None:
        if not form.errors:
            check_year(form)
        return None if form.errors else lambda profile: with_person(profile, form.values)

    return _answer(editable(wearer_id), "person", "", person_form(), piece=person_raw, raw=raw, edit=edit)


@blueprint.route("/care/wearers/<int:wearer_id>/profile/limits", methods=["GET", "POST"])
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits, methods=["POST"])
def limits(wearer_id: int) -> ResponseReturnValue:
    """Change the limits of heart rate, blood pressure, oxygen and temperature."""
    wearer, usual = editable(wearer_id), standards("vitals")

    def raw(profile: Profile) -> dict[str, list[str]]:
        return {key: [value] for key, value in limits_raw(profile).items()}

    def edit(form: Filled, _profile: Profile) -> Edit | None:
        check_pairs(form, usual)
        return None if form.errors else lambda profile: with_limits(profile, form.values)

    return _answer(wearer, "limits", "", limits_form(usual), piece=limits_raw, raw=raw, edit=edit)


def _answer(
    wearer: Wearer,
    part: str,
    name: str,
    fields: Sequence[Field],
    *,
    piece: Callable[[Profile], object],
    raw: Callable[[Profile], Mapping[str, list[str]]],
    edit: Callable[[Filled, Profile], Edit | None],
) -> ResponseReturnValue:
    """Show a form, or take it: nothing wrong and nothing changed meanwhile is an order to the gateway."""
    known = profiles.current(db.session, wearer)
    if known is None or (name and not is_id(name)):
        abort(HTTPStatus.NOT_FOUND)
    seen, draft = digest(piece(known.profile)), request.args.get("draft", "")
    if request.method == "GET":
        if name and piece(known.profile) is None and not draft:
            abort(HTTPStatus.NOT_FOUND)
        record_look(wearer, LOOK, purpose=purpose_or(wearer, "settings"))
        typed = profiles.find_order(db.session, wearer, draft) if draft else known.profile
        form = shown(fields, raw(typed or known.profile))
        return form_page(wearer, part, name, fields, form, seen=seen, draft=draft)
    form = fill(fields, request.form.to_dict(flat=False))
    made = edit(form, known.profile)
    if form.errors or made is None:
        page = form_page(wearer, part, name, fields, form, seen=request.form.get("seen", seen))
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    if "try" in request.form and part in TRIED:
        return _try(wearer.id, part, name, fields, form, wanted=made(known.profile))
    if profiles.is_ordered(db.session, wearer, who=viewer(), once=once()):
        return sent(wearer)
    if request.form.get("seen") != seen:
        page = form_page(wearer, part, name, fields, form, seen=seen, theirs=piece(known.profile))
        return page, HTTPStatus.CONFLICT
    return ordered(wearer, made, {"contact": "contacts", "fence": "fences"}.get(part, part))


def _try(
    wearer_id: int, part: str, name: str, fields: Sequence[Field], form: Filled, *, wanted: Profile
) -> str:
    """The form as it was typed, with what it would have alarmed below it; nothing is sent."""
    if not profile_trial.may_try(editable(wearer_id), part):
        abort(HTTPStatus.NOT_FOUND)
    found = profile_trial.tried(wearer_id, part, wanted)
    seen = request.form.get("seen", "")
    return form_page(
        editable(wearer_id), part, name, fields, form, seen=seen, found=found, busy=found is None
    )


def shown(fields: Sequence[Field], raw: Mapping[str, list[str]]) -> Filled:
    """Give a form with these answers in it, nothing of them judged."""
    return Filled(
        raw={name: typed[-1] for name, typed in raw.items() if typed},
        lists=dict(raw),
        labels={question.name: question.label for question in fields},
    )


def form_page(
    wearer: Wearer,
    part: str,
    name: str,
    fields: Sequence[Field],
    form: Filled,
    *,
    seen: str,
    draft: str = "",
    theirs: Any = UNCHANGED,
    found: Typed | None = None,
    busy: bool = False,
    begun: Begun | None = None,
) -> str:
    """Give the page of a form: what was typed, what is wrong with it, what became of it."""
    old = _old_fence(wearer, name) if part == "fence" else None
    standing = profiles.standing(db.session, wearer) if draft else None
    refused = standing is not None and standing.command == draft and not standing.waits
    return render_template(
        "care/fence_form.html" if part == "fence" else "care/profile_form.html",
        editor=editor(wearer, fields, form, old=old, name=name) if part == "fence" else None,
        begun=begun or Begun(),
        wearer=wearer,
        part=part,
        name=name,
        fields=fields,
        form=form,
        page_seen=seen,
        found=found,
        busy=busy,
        trial=part in TRIED and profile_trial.may_try(wearer, part),
        margins=MARGINS,
        open_margins=any(form.raw.get(field) or field in form.errors for field in MARGINS),
        conflict=theirs is not UNCHANGED,
        gone=theirs is None,
        refused=refused,
        outdated=refused and standing is not None and standing.outdated,
        reasons=_of_form(standing_reasons(standing), part, name) if refused and standing is not None else [],
        once=page_once()
        if request.method == "POST" and theirs is UNCHANGED
        else secrets.token_hex(ONCE_BYTES),
    )


def _of_form(said: Sequence[Reason], part: str, name: str) -> list[Reason]:
    """The reasons that are about what a form asks; all of them where none is."""
    return [one for one in said if one.part in PARTS[part] and one.id in {"", name}] or list(said)


def _old_fence(wearer: Wearer, name: str) -> FenceTable | None:
    known = profiles.current(db.session, wearer)
    found: FenceTable | None = None if known is None else piece_of(known.profile.fences, name)
    return found


def piece_of(pieces: Sequence[Any], name: str) -> Any:
    """Give the contact or fence of an id, None where there is none."""
    return next((one for one in pieces if one.id == name), None)


def with_piece(profile: Profile, part: str, made: ContactTable | FenceTable) -> Profile:
    """The profile with a piece in the place of the one of its name, or at the end."""
    pieces = getattr(profile, part)
    known = any(one.id == made.id for one in pieces)
    kept = tuple(made if one.id == made.id else one for one in pieces)
    return msgspec.structs.replace(profile, **{part: kept if known else (*kept, made)})


def standards(rule: str) -> Mapping[str, float]:
    """What holds in the community where a wearer has nothing of their own."""
    found: Mapping[str, float] = current_app.config["PORTAL"].community_rules.get(rule, {})
    return found
