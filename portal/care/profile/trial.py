"""What is typed into a form of the care settings, tried over the stored history before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from flask import current_app
from flask_limiter.errors import RateLimitExceeded

from gateway.profile import Profile
from portal.care.consent.looks import record_trial
from portal.care.consent.sights import sight_of
from portal.care.models import Wearer
from portal.care.places import LAYERS, read_layer
from portal.care.profile.words import LIMITS
from portal.care.trial import run as trial
from portal.care.trial import shown as trial_shown
from portal.care.trial.forms import USUAL_DAYS, Typed
from portal.care.trial.views import TRIAL_LIMIT
from portal.db import db, reading
from portal.people.language import chosen_language
from portal.security import limiter, viewer
from portal.words import now


def may_try(wearer: Wearer, part: str) -> bool:
    """Whether who looks may try the fences, or the limits: a trial shows where somebody was, or how."""
    sight = sight_of(viewer(), wearer)
    return sight.location if part == "fence" else sight.health


def tried(wearer_id: int, part: str, wanted: Profile) -> Typed | None:
    """Try the fences, or the limits, of a profile nobody ordered yet; None where too much is tried already.

    The request's own transaction is given up: nobody waits for a trial.
    """
    db.session.rollback()
    settings = current_app.config["PORTAL"]
    fences = part == "fence"
    typed = Typed(what="fences" if fences else "limits")
    attempt = trial.fences_tried if fences else trial.limits_tried
    body = _fences(wanted) if fences else _limits(wanted, settings.community_rules.get("vitals", {}))
    try:
        with limiter.limit(TRIAL_LIMIT, key_func=_who), reading() as session:
            wearer = session.get_one(Wearer, wearer_id)
            typed.told = attempt(session, wearer, body, settings.community_rules, now())
    except trial.Wrong as error:
        typed.problems = error.problems
        return typed
    except (trial.Busy, RateLimitExceeded):
        return None
    action = "view_track" if fences else "view_vitals"
    record_trial(wearer_id, action, detail=f"trial {typed.told.days:g} d")
    layers = {name: read_layer(Path(settings.map_dir), name)["features"] for name in LAYERS}
    typed.shown = trial_shown.shown(typed.told, layers, "en" if chosen_language() == "en" else "zh")
    return typed


def _who() -> str:
    return f"trial:{viewer().user}"


def _fences(wanted: Profile) -> dict[str, Any]:
    return {"fences": msgspec.json.decode(msgspec.json.encode(wanted.fences)), "days": USUAL_DAYS}


def _limits(wanted: Profile, community: dict[str, Any]) -> dict[str, Any]:
    """The limits as they would hold: the wearer's own, else the community's."""
    own = wanted.rules.get("vitals", {})
    held = {key: own.get(key, community.get(key)) for key in LIMITS}
    return {"vitals": {key: value for key, value in held.items() if value is not None}, "days": USUAL_DAYS}
