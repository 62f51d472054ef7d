"""Lost-person mode: begun and ended by a wearer's own people and by staff; whoever sees her follows it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)

from portal import media
from portal.api.gateway import ring
from portal.care import queries
from portal.care.bands.order_words import INTERVALS_S, interval_words, order_row
from portal.care.changes import newest_change
from portal.care.consent.looks import record_look
from portal.care.consent.sight import located, sees_location, visible
from portal.care.consent.sights import sight_of
from portal.care.fences.areas import fence_areas
from portal.care.lost import search as lost
from portal.care.lost import share
from portal.care.lost.models import LostSearch, ShareLink
from portal.care.lost.page import (
    NOTE_CHARACTERS,
    OUTCOME_WORDS,
    TRAIL,
    last_seen,
    seen_columns,
    seen_rows,
    told_fields,
    trail,
)
from portal.care.models import Wearer
from portal.care.wearer_page import may_command
from portal.db import db
from portal.fields import Filled
from portal.i18n import gettext
from portal.policy import Role, Viewer, declare, only
from portal.security import limiter, viewer
from portal.words import fill, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

CARERS = only(Role.GUARDIAN, Role.STAFF, Role.GRID_WORKER, Role.ADMIN)
COMMANDERS = only(Role.GUARDIAN, Role.STAFF)
CHANGE_LIMIT = "20 per minute; 120 per hour"
PURPOSE_CHARACTERS = 60
PICTURES = "lost"

blueprint = Blueprint("lost", __name__)


def _who() -> str:
    return f"user:{viewer().user}"


@blueprint.app_context_processor
def _searches() -> dict[str, Any]:
    """Give the templates `open_searches()`: the searches that go on and concern who looks."""

    def found() -> list[LostSearch]:
        return lost.open_searches(db.session, sorted(queries.visible_ids(db.session, viewer())))

    return {"open_searches": found}


@blueprint.get("/care/wearers/<int:wearer_id>/lost")
@declare(CARERS)
def page(wearer_id: int) -> str:
    """The search that goes on; where none does, what one means and how it begins."""
    wearer = visible(wearer_id)
    search = lost.open_search(db.session, wearer)
    record_look(wearer, "view_lost", purpose="lost")
    return _page(wearer, search) if search is not None else _start(wearer, _offered(wearer))


@blueprint.get("/care/wearers/<int:wearer_id>/lost.json")
@declare(CARERS)
def data(wearer_id: int) -> Response:
    """The trail of the last hours and what helpers saw, as the map draws them."""
    wearer = located(wearer_id)
    search = lost.open_search(db.session, wearer)
    if search is None:
        abort(HTTPStatus.NOT_FOUND)
    drawn = trail(wearer, past=TRAIL)
    return jsonify(drawn | {"seen": seen_columns(search), "fences": fence_areas(wearer.fences)})


@blueprint.post("/care/wearers/<int:wearer_id>/lost")
@declare(COMMANDERS)
@limiter.limit(CHANGE_LIMIT, key_func=_who)
def begin(wearer_id: int) -> ResponseReturnValue:
    """Begin a search, or change what helpers are told while it goes on; what was typed stays when wrong."""
    wearer = _commanded(wearer_id)
    search = lost.open_search(db.session, wearer)
    form = fill(told_fields(), request.form.to_dict(flat=False))
    picture = media.sent(form, "picture", gettext("照片"))
    if form.errors:
        shown = _start(wearer, form) if search is None else _page(wearer, search, form)
        return shown, HTTPStatus.UNPROCESSABLE_ENTITY
    words = {name: str(form.values.get(name, "")) for name in ("called", "description", "phone")}
    told, who, at = lost.Told(**words), viewer(), now()
    if search is None:
        search = lost.begin(db.session, wearer, told, who=who, now=at)
    else:
        lost.amend(db.session, search, told, who=who, now=at)
    if picture is not None:
        _replace_picture(search, picture)
    db.session.commit()
    ring()
    return _back(wearer)


@blueprint.post("/care/wearers/<int:wearer_id>/lost/end")
@declare(COMMANDERS)
@limiter.limit(CHANGE_LIMIT, key_func=_who)
def end(wearer_id: int) -> ResponseReturnValue:
    """End the search: the band goes back to its interval, every link ends."""
    wearer = _commanded(wearer_id)
    search = lost.open_search(db.session, wearer)
    if search is None:
        return redirect(url_for("care.wearer", wearer_id=wearer.id))
    outcome, interval_s = request.form.get("outcome", ""), request.form.get("interval_s", type=int)
    if outcome not in lost.OUTCOMES:
        flash(gettext("请先选一项：找到了，还是别的情况。"), "danger")
        return _back(wearer)
    kept_s = interval_s if interval_s in INTERVALS_S else search.interval_s
    note = request.form.get("note", "").strip()[:NOTE_CHARACTERS]
    lost.end(db.session, search, outcome=outcome, note=note, interval_s=kept_s, who=viewer(), now=now())
    db.session.commit()
    ring()
    flash(gettext("寻找结束了。给别人的链接都已失效，手环恢复原来的定位间隔。"), "good")
    return redirect(url_for("care.wearer", wearer_id=wearer.id))


@blueprint.post("/care/wearers/<int:wearer_id>/lost/links")
@declare(COMMANDERS)
@limiter.limit(CHANGE_LIMIT, key_func=_who)
def make_link(wearer_id: int) -> ResponseReturnValue:
    """Make a link for helpers."""
    wearer = _commanded(wearer_id)
    search = lost.open_search(db.session, wearer)
    hours = request.form.get("hours", type=int)
    if search is None or hours not in share.HOURS:
        abort(HTTPStatus.BAD_REQUEST)
    purpose = request.form.get("purpose", "").strip()[:PURPOSE_CHARACTERS] or gettext("帮忙的人")
    key = str(current_app.secret_key)
    made = share.make(db.session, search, purpose=purpose, hours=hours, key=key, who=viewer(), now=now())
    db.session.commit()
    if made is None:
        flash(gettext("有效的链接太多了，请先停用几个。"), "warning")
    return _back(wearer, "links")


@blueprint.post("/care/wearers/<int:wearer_id>/lost/links/<int:link_id>/revoke")
@declare(COMMANDERS)
@limiter.limit(CHANGE_LIMIT, key_func=_who)
def revoke_link(wearer_id: int, link_id: int) -> ResponseReturnValue:
    """End a link at once."""
    wearer = _commanded(wearer_id)
    link = db.session.get(ShareLink, link_id)
    if link is None or link.wearer_id != wearer.id:
        abort(HTTPStatus.NOT_FOUND)
    share.revoke(db.session, link, who=viewer(), now=now())
    db.session.commit()
    flash(gettext("这个链接已停用，打开的人看不到任何内容了。"), "good")
    return _back(wearer, "links")


def _commanded(wearer_id: int) -> Wearer:
    wearer = visible(wearer_id)
    if not may_command(wearer):
        abort(HTTPStatus.NOT_FOUND)
    return wearer


def _back(wearer: Wearer, anchor: str | None = None) -> ResponseReturnValue:
    return redirect(url_for("lost.page", wearer_id=wearer.id, _anchor=anchor))


def _offered(wearer: Wearer) -> Filled:
    phone = viewer().phone.removeprefix("+86")
    return Filled(raw={"called": wearer.name, "phone": phone}, labels={})


def _told(search: LostSearch) -> Filled:
    phone = search.phone.removeprefix("+86")
    return Filled(raw={"called": search.called, "description": search.description, "phone": phone})


def _start(wearer: Wearer, form: Filled) -> str:
    return render_template(
        "care/lost_start.html",
        wearer=wearer,
        form=form,
        fields=told_fields(),
        last=last_seen(wearer) if sees_location(wearer) else None,
        located=sees_location(wearer),
        may_command=may_command(wearer),
        fast=interval_words(lost.FAST_INTERVAL_S),
        past=lost.past_searches(db.session, wearer, now()),
        outcomes=OUTCOME_WORDS,
    )


def _page(wearer: Wearer, search: LostSearch, form: Filled | None = None) -> str:
    at, key = now(), str(current_app.secret_key)
    order = lost.interval_order(db.session, search)
    found = share.links(db.session, search)
    addresses = {link.id: _address(link, key) for link in found if share.is_open(link, at)}
    return render_template(
        "care/lost.html",
        wearer=wearer,
        search=search,
        form=form or _told(search),
        fields=told_fields(),
        last=last_seen(wearer) if sees_location(wearer) else None,
        located=sees_location(wearer),
        order=None if order is None else order_row(order, several=False, sight=sight_of(viewer(), wearer)),
        seen=seen_rows(lost.sightings(db.session, search)),
        links=found,
        addresses=addresses,
        hours=share.HOURS,
        may_command=may_command(wearer),
        outcomes=OUTCOME_WORDS,
        intervals=[(seconds, interval_words(seconds)) for seconds in INTERVALS_S],
        picture=_picture_of(search),
        seq=newest_change(db.session),
    )


def _address(link: ShareLink, key: str) -> str:
    token = share.shown(link, key)
    if not token:
        return ""
    root: str = current_app.config["PORTAL"].public_url.rstrip("/")
    return root + url_for("share.page", token=token)


def _replace_picture(search: LostSearch, picture: media.Media) -> None:
    for old in media.of_subjects(db.session, PICTURES, [search.id]).get(search.id, []):
        media.store().remove(old.id)
        db.session.delete(old)
    picture.subject_kind, picture.subject_id, picture.purpose = PICTURES, search.id, "face"


def _picture_of(search: LostSearch) -> media.Media | None:
    found = media.of_subjects(db.session, PICTURES, [search.id]).get(search.id, [])
    return found[-1] if found else None


def _may_see_picture(who: Viewer, search_id: int) -> bool:
    search = db.session.get(LostSearch, search_id)
    wearer = None if search is None else queries.find_wearer(db.session, who, search.wearer_id)
    return wearer is not None and sight_of(who, wearer).face


media.guard(PICTURES, _may_see_picture)
