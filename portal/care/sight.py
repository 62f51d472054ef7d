"""What of a wearer who looks may see, for the pages about places: asked in one place."""

from __future__ import annotations

from http import HTTPStatus

from flask import abort

from portal.care import queries
from portal.care.models import Wearer
from portal.care.sights import facts_of, sight_of
from portal.db import db
from portal.policy import Data
from portal.security import viewer


def located(wearer_id: int) -> Wearer:
    """The wearer, where who looks may see where they are; else the request ends as not found."""
    wearer = queries.find_wearer(db.session, viewer(), wearer_id)
    if wearer is None or not sight_of(viewer(), wearer).location:
        abort(HTTPStatus.NOT_FOUND)
    return wearer


def sees_health(wearer: Wearer) -> bool:
    """Whether who looks may see this wearer's vital signs."""
    return sight_of(viewer(), wearer).health


def is_shared(wearer: Wearer) -> bool:
    """Whether helpers without an account may be told where this wearer is.

    A link gives no more than its makers have: a consent to location that is in force, or an emergency.
    """
    facts = facts_of(wearer)
    return facts.emergency or any(data is Data.LOCATION for data, _ in facts.consents)
