"""The addresses of a wearer's care settings: the page, contacts' order, removals, restoring, dropping."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from flask import Blueprint, abort, flash, redirect, request, url_for

from gateway.profile import ContactTable, Profile
from portal.api.gateway import ring
from portal.care import queries
from portal.care.consent.looks import record_look
from portal.care.consent.sight import located
from portal.care.consent.why import purpose_or
from portal.care.models import Wearer
from portal.care.profile import versions as profiles
from portal.care.profile.page import is_silent, may_edit, not_theirs, profile_page
from portal.care.wearer_page import ONCE_BYTES
from portal.db import db
from portal.i18n import gettext
from portal.policy import WATCHERS, Role, declare, only
from portal.security import limiter, viewer
from portal.words import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

EDIT_LIMIT = "30 per minute; 300 per hour"
LOOK = "view_profile"
UNSAID = frozenset({"csrf_token", "once", "seen"})
"""Fields of a form that are no answers."""
EDITORS = only(Role.GUARDIAN, Role.STAFF)

blueprint = Blueprint("profiles", __name__)


def who_edits() -> str:
    """The account whose changes are counted."""
    return f"user:{viewer().user}"


@blueprint.get("/care/wearers/<int:wearer_id>/profile")
@declare(only(Role.GUARDIAN, *WATCHERS))
def page(wearer_id: int) -> str:
    """Who is told, fences, limits, and every version; what waits for the gateway, and what it refused."""
    wearer = queries.find_wearer(db.session, viewer(), wearer_id)
    if wearer is None:
        abort(HTTPStatus.NOT_FOUND)
    record_look(wearer, LOOK, purpose=purpose_or(wearer, "settings"))
    return profile_page(wearer)


@blueprint.post("/care/wearers/<int:wearer_id>/profile/contacts/move")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def move_contact(wearer_id: int) -> ResponseReturnValue:
    """Ring a contact one place sooner, or later."""
    wearer, step = editable(wearer_id), -1 if request.form.get("to") == "up" else 1
    name = request.form.get("id", "")
    return ordered(wearer, lambda profile: _moved(profile, name, step), "contacts")


@blueprint.post("/care/wearers/<int:wearer_id>/profile/<any(contacts, fences):part>/remove")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def remove(wearer_id: int, part: str) -> ResponseReturnValue:
    """Take a contact or a fence away."""
    wearer, name = editable(wearer_id), request.form.get("id", "")
    if part == "fences":
        located(wearer_id)

    def without(profile: Profile) -> Profile:
        kept = tuple(one for one in getattr(profile, part) if one.id != name)
        return msgspec.structs.replace(profile, **{part: kept})

    return ordered(wearer, without, part)


@blueprint.post("/care/wearers/<int:wearer_id>/profile/restore")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def restore(wearer_id: int) -> ResponseReturnValue:
    """Order that an older version be in force again."""
    wearer, version = editable(wearer_id), request.form.get("version", 0, type=int)
    row, found = profiles.find_version(db.session, wearer, version), profiles.current(db.session, wearer)
    if row is None or found is None:
        abort(HTTPStatus.NOT_FOUND)
    if not_theirs(wearer, found.profile, profiles.profile_of(row)):
        flash(gettext("这个版本还改动了求救等规则，请联系工作人员恢复。"), "warning")
        return redirect(url_for("profiles.page", wearer_id=wearer.id))
    profiles.restore(db.session, wearer, version, who=viewer(), once=once(), now=now())
    return sent(wearer)


@blueprint.post("/care/wearers/<int:wearer_id>/profile/drop")
@declare(EDITORS)
@limiter.limit(EDIT_LIMIT, key_func=who_edits)
def drop(wearer_id: int) -> ResponseReturnValue:
    """Drop what waits for the gateway, or what it refused."""
    wearer = editable(wearer_id)
    if profiles.drop(db.session, wearer, request.form.get("command", ""), who=viewer(), now=now()):
        flash(gettext("已撤回。"), "good")
    else:
        flash(gettext("守望设备已经处理了，没有可撤回的。"), "warning")
    db.session.commit()
    ring()
    return redirect(url_for("profiles.page", wearer_id=wearer.id))


def editable(wearer_id: int) -> Wearer:
    """Give the wearer, or answer "not found" to whoever may not change their settings."""
    wearer = queries.find_wearer(db.session, viewer(), wearer_id)
    if wearer is None or not may_edit(wearer):
        abort(HTTPStatus.NOT_FOUND)
    return wearer


def ordered(wearer: Wearer, edit: Callable[[Profile], Profile], anchor: str) -> ResponseReturnValue:
    """Order a change and go back to the page; a wearer without a profile is "not found"."""
    try:
        order = profiles.change(db.session, wearer, edit, who=viewer(), once=once(), now=now())
    except LookupError:
        abort(HTTPStatus.NOT_FOUND)
    if order is None:
        flash(gettext("没有改动，不用提交。"), "information")
        return redirect(url_for("profiles.page", wearer_id=wearer.id, _anchor=anchor))
    return sent(wearer)


def sent(wearer: Wearer) -> ResponseReturnValue:
    """Commit what was ordered, say so, and go back to the page."""
    db.session.commit()
    ring()
    if is_silent(wearer.gateway):
        flash(gettext("已记下。守望设备现在没有连上，连上后会自动生效。"), "warning")
    else:
        flash(gettext("已发给守望设备，确认后生效。"), "good")
    return redirect(url_for("profiles.page", wearer_id=wearer.id))


def once() -> str:
    """The name of this press of a button: the same answers to the same form are the same press."""
    said = [page_once(), request.full_path]
    said += [f"{name}={text}" for name, text in sorted(request.form.items(multi=True)) if name not in UNSAID]
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[: 2 * ONCE_BYTES]


def page_once() -> str:
    """The name of the page whose form this is, or a new one."""
    said = request.form.get("once", "")
    return said if re.fullmatch(r"[0-9a-f]{16}", said) else secrets.token_hex(ONCE_BYTES)


def _moved(profile: Profile, name: str, step: int) -> Profile:
    contacts: list[ContactTable] = list(profile.contacts)
    place = next((number for number, one in enumerate(contacts) if one.id == name), None)
    if place is None or not 0 <= place + step < len(contacts):
        return profile
    contacts[place], contacts[place + step] = contacts[place + step], contacts[place]
    return msgspec.structs.replace(profile, contacts=tuple(contacts))
