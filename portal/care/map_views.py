"""The live map with its list twin: the page, the cards and markers it asks for again, the base map."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, jsonify, render_template, request, url_for

from portal.care import queries
from portal.care.basemap import Theme, style
from portal.care.cards import WearerCard, incident_card, wearer_card
from portal.care.changes import newest_change
from portal.care.consent.sight import located
from portal.care.consent.sights import sight_of
from portal.care.fences.areas import fence_areas
from portal.care.live import marker
from portal.care.models import Wearer
from portal.care.places import LAYERS, read_layer
from portal.care.sites.health import troubles
from portal.db import db
from portal.people.language import chosen_language
from portal.policy import SIGNED_IN, Role, declare, only
from portal.security import viewer
from portal.words import now

CARERS = only(Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN)
FENCES_OF_MOST = 30
"""Of more wearers than this the map draws the fences of whoever is chosen, one at a time."""
SEARCH_FROM = 12
"""A list of so many wearers has a search."""


def add_to(blueprint: Blueprint) -> None:
    """Give the care pages the routes of the map."""
    blueprint.get("/care/", endpoint="index")(index)
    blueprint.get("/care/cards", endpoint="cards")(cards)
    blueprint.get("/care/markers.json", endpoint="markers")(markers)
    blueprint.get("/care/wearers/<int:wearer_id>/fences.json", endpoint="wearer_fences")(wearer_fences)
    blueprint.get("/care/map/style.json", endpoint="map_style")(map_style)
    blueprint.get("/care/map/<name>.geojson", endpoint="map_layer")(map_layer)


@declare(SIGNED_IN)
def index() -> str:
    """The live map with its list twin, alarms on top; who watches nobody is told how it starts.

    `q` leaves only those whose name or place has it: the search of a long list, without a program.
    """
    seen = newest_change(db.session)
    wearers = queries.visible_wearers(db.session, viewer())
    alarms = queries.alarming_wearers(db.session, [wearer.id for wearer in wearers])
    made = [card(wearer, alarms.get(wearer.id)) for wearer in wearers]
    asked = request.args.get("q", "").strip()
    return render_template(
        "care/map.html",
        cards=[one for one in made if asked in f"{one.name} {one.where}"],
        many=len(made) >= SEARCH_FROM,
        asked=asked,
        incidents=[incident_card(case) for case in queries.open_cases(db.session, viewer())],
        seen=seen,
        watches=bool(CARERS.roles & viewer().roles),
        troubles=troubles(db.session, viewer(), now()),
    )


@declare(CARERS)
def cards() -> str:
    """The cards of some wearers (`id` repeated) as a piece of page; those not visible are left out."""
    wanted = set(request.args.getlist("id", type=int))
    wearers = [row for row in queries.visible_wearers(db.session, viewer()) if row.id in wanted]
    alarms = queries.alarming_wearers(db.session, [row.id for row in wearers])
    made = [card(row, alarms.get(row.id)) for row in wearers]
    return render_template("care/cards.html", cards=made)


@declare(CARERS)
def markers() -> Response:
    """Every visible wearer as the map draws them; with their fences where they are few."""
    wearers = queries.visible_wearers(db.session, viewer())
    alarms = queries.alarming_wearers(db.session, [wearer.id for wearer in wearers])
    few = len(wearers) <= FENCES_OF_MOST
    drawn = []
    for row in wearers:
        sight = sight_of(viewer(), row)
        fences = fence_areas(row.fences) if few and sight.location else []
        drawn.append({**marker(row, alarms.get(row.id), sight), "fences": fences})
    return jsonify(wearers=drawn, now=now().isoformat())


@declare(CARERS)
def wearer_fences(wearer_id: int) -> Response:
    """The fences of one wearer as areas."""
    return jsonify(fences=fence_areas(located(wearer_id).fences))


@declare(SIGNED_IN)
def map_style() -> Response:
    """The base map's style; `theme=dark` for the night."""
    theme: Theme = "dark" if request.args.get("theme") == "dark" else "light"
    sources = {name: url_for("care.map_layer", name=name, _external=False) for name in LAYERS}
    root = request.host_url.rstrip("/")
    absolute = {name: root + path for name, path in sources.items()}
    return jsonify(style(theme, english=chosen_language() == "en", sources=absolute))


@declare(SIGNED_IN)
def map_layer(name: str) -> Response:
    """One layer of the community's map."""
    if name not in LAYERS:
        abort(HTTPStatus.NOT_FOUND)
    answer = jsonify(read_layer(Path(current_app.config["PORTAL"].map_dir), name))
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


def card(wearer: Wearer, alarm: str | None) -> WearerCard:
    """The card of a wearer with what this viewer may see."""
    return wearer_card(wearer, alarm=alarm, now=now(), sight=sight_of(viewer(), wearer))
