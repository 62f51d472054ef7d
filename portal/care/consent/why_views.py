"""The tap that says what a look is for."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, request, url_for

from portal.care.consent.purposes import CHOICES
from portal.care.consent.sight import visible
from portal.care.consent.why import say
from portal.policy import WATCHERS, Role, declare, only
from portal.security import local_path

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

CARERS = only(Role.GUARDIAN, *WATCHERS)

blueprint = Blueprint("purposes", __name__)


@blueprint.post("/care/wearers/<int:wearer_id>/why")
@declare(CARERS)
def choose(wearer_id: int) -> ResponseReturnValue:
    """Say what the look is for (`why`), and go on to where it was asked (`next`)."""
    wearer = visible(wearer_id)
    why = request.form.get("why", "")
    if why not in CHOICES:
        abort(HTTPStatus.BAD_REQUEST)
    say(wearer.id, why)
    onward = local_path(request.form.get("next"), url_for("care.wearer", wearer_id=wearer.id))
    return redirect(onward, HTTPStatus.SEE_OTHER)
