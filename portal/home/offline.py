"""What a telephone shows while it reaches nobody: the worker, the page for it, what may be kept for it.

The worker (`/sw.js`) answers only when the network does not: a page that could not be had becomes `/offline`,
and the few files that page needs come from what was stored with this version.
It never stands before the site.
What a guardian last saw is kept only where they asked for it on this very device (`js/kept.js`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request, url_for

from portal.care import queries
from portal.care.cards import wearer_card
from portal.care.consent.sights import sight_of
from portal.db import db
from portal.people.language import LANGUAGES, chosen_language, speak
from portal.policy import ANYONE, Role, Viewer, declare, only
from portal.security import viewer
from portal.words import clock, now

if TYPE_CHECKING:
    from portal.care.models import Wearer

blueprint = Blueprint("offline", __name__, template_folder="templates")
KEEPERS = only(Role.GUARDIAN, Role.WEARER)
"""Whose cards are few, and their own family's: only they may keep them on a device."""
WORKER = "js/worker.js"
NEEDED = (
    "css/tokens.css",
    "css/app.css",
    "vendor/pico/pico.min.css",
    "vendor/lucide/icons.svg",
    "icons/shouwang.svg",
    "js/offline.js",
)
"""The files the page without a network stands on."""


@blueprint.get("/sw.js")
@declare(ANYONE)
def worker() -> Response:
    """The worker, headed by its version and the files of it: another file is another worker."""
    version, source = _worker(Path(current_app.static_folder or ""))
    files = [url_for("static", filename=name) for name in NEEDED]
    pages = {language: url_for("offline.page", language=language) for language in LANGUAGES}
    told = {"version": version, "files": files, "pages": pages}
    answer = Response(f"const TOLD = {json.dumps(told)};\n{source}", mimetype="text/javascript")
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Service-Worker-Allowed"] = "/"
    return answer


@blueprint.get("/offline")
@declare(ANYONE)
def page() -> str:
    """The page for when there is no network: in `language` `zh` or `en`, without it in that of the visit.

    The worker asks without any cookie, so that what a device keeps is the same for everybody.
    """
    speak(request.args.get("language") or chosen_language())
    return render_template("home/offline.html")


@blueprint.get("/me/last-known")
@declare(KEEPERS)
def last_known() -> Response:
    """What the reader's cards say now, in whole times, for the device they chose to keep it on."""
    wearers = queries.visible_wearers(db.session, viewer())
    alarms = queries.alarming_wearers(db.session, [wearer.id for wearer in wearers])
    cards = [_kept(wearer, alarms.get(wearer.id)) for wearer in wearers]
    answer = jsonify(owner=owner_of(viewer()), at=now().isoformat(), cards=cards)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.app_template_global()
def keeps() -> bool:
    """Whether the reader may keep the last state on a device."""
    return bool(viewer().roles & KEEPERS.roles)


@blueprint.app_template_global()
def owner_of(who: Viewer) -> str:
    """Give a name for an account by which a device knows its owner, and nothing else; empty for nobody."""
    if not who.signed_in:
        return ""
    key = current_app.config["PORTAL"].secret_key.encode()
    return hmac.digest(key, f"device owner {who.user}".encode(), "sha256").hex()[:24]


def _kept(wearer: Wearer, alarm: str | None) -> dict[str, Any]:
    card = wearer_card(wearer, alarm=alarm, now=now(), sight=sight_of(viewer(), wearer))
    calls = [{"name": one.name, "phone": one.phone} for one in wearer.contacts if one.phone != viewer().phone]
    return {
        "name": card.name,
        "where": card.where,
        "at": clock(card.at) if card.at is not None else "",
        "vitals": list(card.vitals),
        "alarm": alarm is not None,
        "calls": calls,
    }


@cache
def _worker(static: Path) -> tuple[str, str]:
    """The worker's version (of itself and of every file it stores) and its source; read once a process."""
    seen = hashlib.sha256()
    for name in (WORKER, *NEEDED):
        file = static / name
        seen.update(file.read_bytes() if file.exists() else b"")
    return seen.hexdigest()[:16], (static / WORKER).read_text("utf-8")
