"""Where somebody was: the page of a day's way, its play-back, and the same for other programs.

Each look is recorded with its purpose. A guardian looks in order to care; who is on duty says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)

from portal.care.consent.looks import record_look
from portal.care.consent.sight import located, sees_health
from portal.care.consent.sights import sight_of
from portal.care.consent.why import ask, evident, purpose_of
from portal.care.fences.areas import fence_areas
from portal.care.history import milliseconds
from portal.care.models import FixHistory, Wearer
from portal.care.places import gazetteer
from portal.care.sentences import initials
from portal.care.track import read as track_read
from portal.care.track import shown as track_shown
from portal.care.track.export import as_csv, as_gpx, as_kml
from portal.care.track.window import Window, around, day_after, day_before, window_of
from portal.care.track.words import Line, clock_words, lasting_words, lines, metres_words
from portal.db import db, reading
from portal.policy import Data, Role, declare, only
from portal.security import viewer
from portal.words import day, local, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

CARERS = only(Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN)
SPEEDS = (1, 5, 10, 30, 60)
AROUND_HOURS = 2
FORMATS = {
    "gpx": "application/gpx+xml",
    "kml": "application/vnd.google-earth.kml+xml",
    "csv": "text/csv; charset=utf-8",
}

blueprint = Blueprint("tracks", __name__)

blueprint.add_app_template_filter(clock_words, "hour")
blueprint.add_app_template_filter(day_before, "day_before")
blueprint.add_app_template_filter(day_after, "day_after")


@blueprint.get("/care/wearers/<int:wearer_id>/track")
@declare(CARERS)
def page(wearer_id: int) -> ResponseReturnValue:
    """The way of some hours: totals, map, play-back, list; who is not of the family says why first."""
    wearer = located(wearer_id)
    if "around" in request.args:
        return _around(wearer)
    window, why = _window(), purpose_of(wearer)
    if not why:
        ask(wearer, Data.LOCATION)
    _record(wearer, "view_track", window, why)
    found, told = _told(wearer, window)
    start_ms, end_ms = milliseconds(window.start), milliseconds(window.end)
    curve = None
    if sees_health(wearer):
        curve = track_shown.curve(*_heart(wearer, window), start_ms=start_ms, end_ms=end_ms)
    last_ms = None if len(found.exact) else track_read.newest_before(db.session, wearer, window.start)
    return render_template(
        "care/track.html",
        wearer=wearer,
        window=window,
        why=None if evident(wearer) else why,
        today=local(now()).date(),
        found=found,
        told=told,
        curve=curve,
        bars=track_shown.bars(told, start_ms=start_ms, end_ms=end_ms),
        box=(track_shown.WIDTH, track_shown.HEIGHT),
        distance=metres_words(found.totals.distance_m),
        lasting=lasting_words,
        speeds=SPEEDS,
        last=None if last_ms is None else local(datetime.fromtimestamp(last_ms / 1000, UTC)).date(),
        day_words=day(window.day),
    )


@blueprint.get("/care/wearers/<int:wearer_id>/track.json")
@declare(CARERS)
def data(wearer_id: int) -> Response:
    """The same as columns, for the map and the play-back; heart rate only for who may see it."""
    wearer = located(wearer_id)
    window, why = _window(), purpose_of(wearer)
    if not why:
        abort(HTTPStatus.NOT_FOUND)
    _record(wearer, "view_track", window, why)
    found, told = _told(wearer, window)
    start_ms = milliseconds(window.start)
    drawn = track_shown.columns(found, told, start_ms=start_ms, end_ms=milliseconds(window.end))
    drawn["fences"] = fence_areas(wearer.fences)
    drawn["initials"] = initials(wearer.name)
    if sees_health(wearer):
        drawn["heart"] = track_shown.heart_columns(*_heart(wearer, window), start_ms=start_ms)
    return jsonify(drawn)


@blueprint.get("/care/wearers/<int:wearer_id>/track.<any(gpx, kml, csv):kind>")
@declare(CARERS)
def export(wearer_id: int, kind: str) -> Response:
    """The same as a file, sent as it is made; every download is recorded."""
    wearer = located(wearer_id)
    window, why = _window(), purpose_of(wearer)
    if not why:
        ask(wearer, Data.LOCATION)
    _record(wearer, f"export_track_{kind}", window, why, every=True)
    name = f"{wearer.name} {window.day.isoformat()}"
    if kind == "csv":
        body: Iterator[str] = as_csv(_rows(wearer.id, window))
    else:
        found, told = _told(wearer, window)
        body = (as_gpx if kind == "gpx" else as_kml)(found, told, name=name)
    hours = "" if window.whole else f"-{window.since:%H%M}-{window.until:%H%M}"
    file = f"track-{wearer.id}-{window.day:%Y%m%d}{hours}.{kind}"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file)}"}
    return Response(stream_with_context(body), mimetype=FORMATS[kind], headers=headers)


def _around(wearer: Wearer) -> ResponseReturnValue:
    """To the hours around a moment (`around`, ISO 8601): the link of an alarm."""
    try:
        at = datetime.fromisoformat(request.args["around"])
    except ValueError:
        at = now()
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    window = around(min(at, now()), hours=AROUND_HOURS)
    query: dict[str, Any] = {"why": request.args.get("why", ""), **window.query()}
    return redirect(url_for("tracks.page", wearer_id=wearer.id, **query))


def _window() -> Window:
    asked = (request.args.get(name, "") for name in ("day", "from", "to"))
    return window_of(*asked, today=local(now()).date())


def _record(wearer: Wearer, action: str, window: Window, why: str, *, every: bool = False) -> None:
    detail = f"{window.start:%Y-%m-%dT%H:%MZ}/{window.end:%Y-%m-%dT%H:%MZ}"
    record_look(wearer, action, purpose=why, detail=detail, every=every)


def _told(wearer: Wearer, window: Window) -> tuple[track_read.Way, list[Line]]:
    found = track_read.way(db.session, wearer, start=window.start, end=window.end)
    raised = track_read.alarms(db.session, wearer, start=window.start, end=window.end)
    where = gazetteer(current_app.config["PORTAL"].map_dir).where
    sight = sight_of(viewer(), wearer)
    return found, lines(found, raised, places=where, home=wearer.home, sight=sight)


def _heart(wearer: Wearer, window: Window) -> tuple[Any, Any]:
    return track_read.heart_rates(db.session, wearer, start=window.start, end=window.end)


def _rows(wearer_id: int, window: Window) -> Iterator[Any]:
    """Everything stored of the window, a thousand rows at a time."""
    columns = (
        FixHistory.at_ms,
        FixHistory.lat,
        FixHistory.lon,
        FixHistory.accuracy_m,
        FixHistory.speed_m_s,
        FixHistory.source,
        FixHistory.valid,
        FixHistory.backlog,
    )
    query = sa.select(*columns).where(
        FixHistory.wearer_id == wearer_id,
        FixHistory.at_ms >= milliseconds(window.start),
        FixHistory.at_ms < milliseconds(window.end),
    )
    with reading() as session:
        ordered = query.order_by(FixHistory.at_ms, FixHistory.id).execution_options(yield_per=1_000)
        yield from session.execute(ordered)
