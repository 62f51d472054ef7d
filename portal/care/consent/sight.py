"""The wearer of a page, for who may see as much of them as the page shows: asked in one place."""

from __future__ import annotations

from http import HTTPStatus

from flask import abort, make_response, render_template, request

from portal.care import queries
from portal.care.consent.sights import facts_of, sight_of
from portal.care.models import Wearer
from portal.db import db
from portal.policy import Data
from portal.security import viewer, wants_json


def visible(wearer_id: int) -> Wearer:
    """The wearer, where who looks may see them at all; else the request ends as not found."""
    wearer = queries.find_wearer(db.session, viewer(), wearer_id)
    if wearer is None:
        abort(HTTPStatus.NOT_FOUND)
    return wearer


def located(wearer_id: int) -> Wearer:
    """The wearer, where who looks may see where they are; else the request ends as not found."""
    wearer = visible(wearer_id)
    if not sight_of(viewer(), wearer).location:
        withhold(wearer, Data.LOCATION)
    return wearer


def measured(wearer_id: int) -> Wearer:
    """The wearer, where who looks may see what was measured of them; else the request ends as not found."""
    wearer = visible(wearer_id)
    if not sees_health(wearer):
        withhold(wearer, Data.HEALTH)
    return wearer


def sees_location(wearer: Wearer) -> bool:
    """Whether who looks may see where this wearer is and was."""
    return sight_of(viewer(), wearer).location


def sees_health(wearer: Wearer) -> bool:
    """Whether who looks may see this wearer's vital signs."""
    return sight_of(viewer(), wearer).health


def is_shared(wearer: Wearer) -> bool:
    """Whether helpers without an account may be told where this wearer is.

    A link gives no more than its makers have: a consent to location that is in force, or an emergency.
    """
    facts = facts_of(wearer)
    return facts.emergency or facts.searched or any(data is Data.LOCATION for data, _ in facts.consents)


def withhold(wearer: Wearer, data: Data) -> None:
    """End the request as not found; a person reading a page is told which consent is missing."""
    file = "." in request.path.rsplit("/", 1)[-1]
    if file or wants_json():
        abort(HTTPStatus.NOT_FOUND)
    page = render_template("care/withheld.html", wearer=wearer, data=data.value)
    abort(make_response(page, HTTPStatus.NOT_FOUND))
