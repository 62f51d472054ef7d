"""Why somebody looks at a wearer: plain from who they are or from an emergency, else said in one tap.

What was said holds for one wearer and ten minutes, in the session: nobody is asked at every click.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import NoReturn

from flask import abort, make_response, render_template, request, session

from portal.care.consent.purposes import CHOICES, PURPOSES
from portal.care.consent.sights import facts_of
from portal.care.models import Wearer
from portal.policy import Data, guards, is_wearer
from portal.security import viewer
from portal.words import now

SAID = "why"
"""Where the session keeps what was said: wearer -> (purpose, when)."""
HOLDS = timedelta(minutes=10)
MOST = 20
"""Of so many wearers; a session is a cookie."""
ASKED = HTTPStatus.PRECONDITION_REQUIRED
"""A file is not sent before it is said what for (RFC 6585, 3); a page is the question itself."""


def purpose_of(wearer: Wearer) -> str:
    """What this request looks for, a key of `PURPOSES`; empty where that has to be said first.

    The family cares; somebody in need is the purpose, whatever else was said; `why` in the address is a
    link that says it, and is remembered like a choice.
    """
    known = evident(wearer)
    if known:
        return known
    said = request.args.get("why", "")
    if said in CHOICES:
        say(wearer.id, said)
        return said
    return _remembered(wearer.id)


def purpose_or(wearer: Wearer, otherwise: str) -> str:
    """The same, where what the page is for is purpose enough and nobody is asked."""
    return evident(wearer) or otherwise


def evident(wearer: Wearer) -> str:
    """The purpose that needs no saying, empty where there is none."""
    facts, who = facts_of(wearer), viewer()
    if is_wearer(who, facts):
        return "own"
    if guards(who, facts):
        return "care"
    if facts.emergency:
        return "emergency"
    return "lost" if facts.searched else ""


def say(wearer_id: int, why: str) -> None:
    """Remember what was chosen."""
    at = now()
    kept = {key: one for key, one in _said().items() if _holds(one)}
    kept.pop(str(wearer_id), None)
    newest = dict(list(kept.items())[-(MOST - 1) :])
    session[SAID] = newest | {str(wearer_id): [why, int(at.timestamp())]}


def ask(wearer: Wearer, data: Data) -> NoReturn:
    """End the request with the question what the look is for; one tap goes on from here."""
    file = "." in request.path.rsplit("/", 1)[-1]
    page = render_template("care/why.html", wearer=wearer, data=data.value, choices=choices(), file=file)
    abort(make_response(page, ASKED if file else HTTPStatus.OK))


def choices() -> dict[str, object]:
    """What is chosen from, in words."""
    return {name: PURPOSES[name] for name in CHOICES}


def _said() -> dict[str, list[object]]:
    found = session.get(SAID)
    return found if isinstance(found, dict) else {}


def _remembered(wearer_id: int) -> str:
    one = _said().get(str(wearer_id))
    return str(one[0]) if one is not None and _holds(one) and one[0] in CHOICES else ""


def _holds(one: list[object]) -> bool:
    age_s = now().timestamp() - float(str(one[1]))
    return 0 <= age_s < HOLDS.total_seconds()
