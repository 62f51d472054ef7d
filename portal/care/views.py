"""Care pages: the live map, the alarms board, an incident, a wearer, and the stream that keeps them live."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_login import user_logged_out
from sqlalchemy.exc import SQLAlchemyError

from portal.api.gateway import ring
from portal.care import care_api, map_views, queries
from portal.care.alarms import drill_views, report_views
from portal.care.alarms import history_views as alarm_history_views
from portal.care.alarms.orders import order
from portal.care.alarms.story import story_rows
from portal.care.bands import device_views, key_views, order_views
from portal.care.bands import orders as band_orders
from portal.care.bands.order_words import order_rows
from portal.care.cards import incident_card
from portal.care.changes import account_changed, newest_change
from portal.care.consent import mine_views, own_views, why_views
from portal.care.consent import views as consent_views
from portal.care.consent.looks import record_look
from portal.care.consent.why import purpose_of
from portal.care.duty import views as duty_views
from portal.care.fences import editor as fence_editor
from portal.care.fences import suspension_views
from portal.care.guardians import leaving
from portal.care.guardians import roles as guardian_roles
from portal.care.guardians import views as guardian_views
from portal.care.live import admit
from portal.care.lost import share_views
from portal.care.lost import views as lost_views
from portal.care.profile import api as profile_api
from portal.care.profile import forms as profile_forms
from portal.care.profile import views as profile_views
from portal.care.sentences import VERDICTS
from portal.care.sites import roll_views, test_call_views
from portal.care.sites.health import troubles
from portal.care.track import views as track_views
from portal.care.trial import views as trial_views
from portal.care.vitals import views as vitals_views
from portal.care.wearer_page import wearer_page
from portal.db import READING_METHODS, db, writing
from portal.i18n import gettext
from portal.policy import WATCHERS, Role, Viewer, declare, only
from portal.security import local_path, viewer
from portal.stream import RETRY_MS, retry
from portal.streaming.address import stream_address
from portal.words import now

if TYPE_CHECKING:
    from flask import Flask
    from flask.blueprints import BlueprintSetupState
    from flask.typing import ResponseReturnValue

    from portal.care.cards import IncidentCard
    from portal.care.queries import Case
    from portal.care.sites.health import Trouble

NOTE_CHARACTERS = 500
MOST_DIGITS = 18
"""Of a number of a change; a longer one is not ours."""
CARERS = only(Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN)

PARTS = (
    report_views,
    order_views,
    device_views,
    key_views,
    suspension_views,
    profile_views,
    profile_forms,
    profile_api,
    lost_views,
    share_views,
    track_views,
    vitals_views,
    alarm_history_views,
    care_api,
    consent_views,
    mine_views,
    own_views,
    drill_views,
    duty_views,
    roll_views,
    test_call_views,
    guardian_views,
    leaving,
    why_views,
)
"""The parts of care with a blueprint of their own."""

blueprint = Blueprint("care", __name__, template_folder="templates")
trial_views.add_to(blueprint)
map_views.add_to(blueprint)


@blueprint.record_once
def _wire(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    for part in PARTS:
        app.register_blueprint(part.blueprint)
    app.register_blueprint(fence_editor.blueprint)
    guardian_roles.listen(app)
    app.extensions["open_incidents"] = untaken
    app.extensions["waiting_guardians"] = guardian_views.waiting_count
    user_logged_out.connect(_leave, app)


def _leave(_app: Flask, **_told: object) -> None:
    """Somebody signed out: their live pages end everywhere, and return where they are still signed in."""
    who = viewer().user
    if who is None:
        return
    if request.method in READING_METHODS:
        with writing() as session:
            account_changed(session, who)
    else:
        account_changed(db.session, who)
        db.session.commit()
    ring()


def untaken(who: Viewer) -> list[dict[str, Any]]:
    """The incidents nobody has taken on yet that concern this viewer, for the front page."""
    made = [incident_card(case) for case in queries.open_cases(db.session, who) if case.untaken]
    return [
        {
            "href": url_for("care.incident", code=card.case.code),
            "sentence": " · ".join(
                filter(None, (f"{card.case.wearer.name} {card.what}", card.where, card.doing))
            ),
            "at": card.case.view.opened_at,
        }
        for card in made
    ]


@blueprint.app_context_processor
def on_duty() -> dict[str, Any]:
    """Give the templates `standing_alarms()`: what whoever is on duty sees on top of every page.

    It is None, and nothing is asked for by itself, where the viewer is not one of them.
    `verdicts` is what an alarm can have been, in words.
    """
    return {
        "verdicts": VERDICTS,
        "standing_alarms": standing_alarms if viewer().roles & WATCHERS else None,
        "may_report": bool(viewer().roles & {Role.STAFF, Role.ADMIN}),
        "stream_address": stream_address,
    }


def standing_alarms() -> list[IncidentCard]:
    """Where everybody was rung in vain, for watchers; no page fails because these cannot be read."""
    try:
        return [incident_card(case) for case in queries.exhausted_cases(db.session, viewer())]
    except SQLAlchemyError:
        return []


@blueprint.get("/care/wearers/<int:wearer_id>/")
@declare(CARERS)
def wearer(wearer_id: int) -> str:
    """One wearer: the card, the newest vitals, orders to the band, incidents, who is called."""
    found = queries.find_wearer(db.session, viewer(), wearer_id)
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    purpose = purpose_of(found)
    if purpose:
        record_look(found, purpose=purpose)
    return wearer_page(found)


@blueprint.get("/care/alarms/")
@declare(CARERS)
def alarms() -> str:
    """The alarms board: what is open, worst first; then what the last day brought. On duty, with the map."""
    seen = newest_change(db.session)
    on_desk = bool(viewer().roles & WATCHERS)
    wearers = queries.visible_wearers(db.session, viewer()) if on_desk else []
    alarming = queries.alarming_wearers(db.session, [row.id for row in wearers])
    return render_template(
        "care/alarms.html",
        seen=seen,
        on_desk=bool(wearers),
        may_drill=Role.STAFF in viewer().roles,
        cards=[map_views.card(row, alarming.get(row.id)) for row in wearers],
        open=[incident_card(case) for case in queries.open_cases(db.session, viewer())],
        closed=[incident_card(case) for case in queries.closed_cases(db.session, viewer(), now())],
        troubles=_troubles(),
    )


@blueprint.get("/care/alarms/list")
@declare(CARERS)
def alarm_list() -> str:
    """The open incidents as a piece of page: `form=brief` for the map, whole cards otherwise."""
    made = [incident_card(case) for case in queries.open_cases(db.session, viewer())]
    if request.args.get("form") == "brief":
        return render_template("care/brief.html", incidents=made, troubles=_troubles())
    closed = [incident_card(case) for case in queries.closed_cases(db.session, viewer(), now())]
    return render_template("care/board.html", open=made, closed=closed, troubles=_troubles())


@blueprint.get("/care/incidents/<code>")
@declare(CARERS)
def incident(code: str) -> str:
    """One incident, leg by leg, and its story."""
    seen = newest_change(db.session)
    reports = bool(viewer().roles & {Role.STAFF, Role.ADMIN})
    return render_template("care/incident.html", **_whole(code), seen=seen, reports=reports)


@blueprint.get("/care/incidents/<code>/card")
@declare(CARERS)
def incident_piece(code: str) -> str:
    """One incident's card and story as a piece of page."""
    return render_template("care/incident_piece.html", **_whole(code))


@blueprint.get("/care/standing")
@declare(only(*WATCHERS))
def standing() -> str:
    """What stands on top of every page of whoever is on duty, as a piece of page."""
    return render_template("care/standing.html")


@blueprint.post("/care/incidents/<code>/acknowledge")
@declare(CARERS)
def acknowledge(code: str) -> ResponseReturnValue:
    """我来处理: tell the gateway that this viewer takes the incident on."""
    _order(code, "acknowledge")
    return _back(code)


@blueprint.post("/care/incidents/<code>/resolve")
@declare(CARERS)
def resolve(code: str) -> ResponseReturnValue:
    """处理完毕: tell the gateway that it is over, with a note."""
    note = request.form.get("note", "").strip()
    if len(note) > NOTE_CHARACTERS:
        flash(gettext("说明太长了，请控制在 %(count)d 字以内。", count=NOTE_CHARACTERS), "danger")
        return _back(code)
    verdict = request.form.get("verdict", "")
    _order(code, "resolve", note=note or None, verdict=verdict if verdict in VERDICTS else None)
    return _back(code)


@blueprint.get("/care/stream")
@declare(CARERS)
def live() -> Response:
    """What happens to this viewer's wearers, as it happens (server-sent events).

    The stream's process has this view judge who may watch, and goes on from there (`portal.streaming`).
    Where a browser finds no such process here, it is answered as `changes` answers.
    """
    return _since()


@blueprint.get("/care/changes")
@declare(CARERS)
def changes() -> Response:
    """What happened to this viewer's wearers since they last asked: what pages ask while there is no stream.

    Answers at once and is asked again in a few seconds, however many watch.
    """
    return _since()


def _since() -> Response:
    """The events after `Last-Event-ID`, or after the number the page was made at (`after`)."""
    last = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    known = last.isdecimal() and len(last) <= MOST_DIGITS
    g.admission = admit(db.session, viewer(), int(last) if known else None)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    body = retry(RETRY_MS) + "".join(g.admission.first)
    return Response(body, mimetype="text/event-stream", headers=headers)


def _whole(code: str) -> dict[str, Any]:
    """What the page of an incident shows."""
    case = _case(code)
    story = story_rows(queries.story_of(db.session, case))
    orders = order_rows(band_orders.of_incident(db.session, case.gateway, code), case.sight)
    return {"card": incident_card(case), "story": story, "orders": orders, "troubles": _troubles()}


def _troubles() -> list[Trouble]:
    return troubles(db.session, viewer(), now())


def _case(code: str) -> Case:
    found = queries.find_case(db.session, viewer(), code)
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _order(code: str, name: str, *, note: str | None = None, verdict: str | None = None) -> None:
    order(_case(code), name, note=note, verdict=verdict)


def _back(code: str) -> ResponseReturnValue:
    return redirect(local_path(request.form.get("next"), url_for("care.incident", code=code)))
