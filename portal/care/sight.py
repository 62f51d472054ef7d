"""What of a wearer who looks may see, for the pages about places: asked in one place."""

from __future__ import annotations

from http import HTTPStatus

from flask import abort

from portal.care import queries
from portal.care.models import Wearer
from portal.db import db
from portal.security import viewer


def located(wearer_id: int) -> Wearer:
    """The wearer, where who looks may see where they are; else the request ends as not found."""
    wearer = queries.find_wearer(db.session, viewer(), wearer_id)
    if wearer is None:
        abort(HTTPStatus.NOT_FOUND)
    return wearer


def sees_health(wearer: Wearer) -> bool:
    """Whether who looks may see this wearer's vital signs."""
    return queries.may_see(viewer(), wearer)
