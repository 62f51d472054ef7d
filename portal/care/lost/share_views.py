"""What a helper sees through a link, without an account: whom to look for, where, and whom to ring.

Nothing else about her is on these pages, and nothing at all once the link has ended.
The address is the secret: no page of these is indexed, kept by a cache, or told to another site.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, current_app, jsonify, render_template, request, url_for

from portal import audit, media
from portal.api.gateway import ring
from portal.care.basemap import Theme, style
from portal.care.consent.sight import is_shared
from portal.care.lost import search as lost
from portal.care.lost import share
from portal.care.lost.models import ShareLink, Sighting
from portal.care.lost.page import SHARED_TRAIL, WORDS_CHARACTERS, last_seen, trail
from portal.care.lost.views import PICTURES
from portal.care.places import LAYERS, read_layer
from portal.db import db, writing
from portal.fields import Choice, Field, Filled
from portal.i18n import gettext, ngettext
from portal.people.language import chosen_language
from portal.policy import ANYONE, declare
from portal.security import csrf, limiter
from portal.words import fill, now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

LOOK_LIMIT = "240 per minute"
SAY_LIMIT = "5 per 10 minutes; 20 per hour"
LINK_LIMIT = "60 per hour"
ONE_LOOK = timedelta(minutes=10)
AGO_MINUTES = (0, 10, 30, 60)
NAME_CHARACTERS = 40

blueprint = Blueprint("share", __name__)


@blueprint.after_request
def _quiet(response: Response) -> Response:
    """Keep the address from search engines, caches and other sites."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    if "geojson" not in request.path:
        response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/s/<token>")
@declare(ANYONE)
@limiter.limit(LOOK_LIMIT)
def page(token: str) -> str:
    """The page of a link."""
    link = _link(token)
    _count(link)
    return _page(link, token, Filled(raw={"ago": "0"}), said=bool(request.args.get("said")))


@blueprint.get("/s/<token>/trail.json")
@declare(ANYONE)
@limiter.limit(LOOK_LIMIT)
def data(token: str) -> Response:
    """The newest position and the way of the last hour; it has no name in it, not even initials."""
    link = _link(token)
    drawn = trail(link.search.wearer, past=SHARED_TRAIL)
    drawn["initials"] = link.search.called[-2:]
    return jsonify(drawn | {"words": _last_words(link)})


@blueprint.post("/s/<token>")
@declare(ANYONE)
@limiter.limit(SAY_LIMIT)
@limiter.limit(LINK_LIMIT, key_func=lambda: f"share:{share.hash_of(request.path)}")
@csrf.exempt  # type: ignore[untyped-decorator]  # flask-wtf carries no types
def say(token: str) -> ResponseReturnValue:
    """Take what somebody saw.

    No cookie gives this request any right, the address does: so there is nothing another site could abuse,
    and it works in browsers that keep no cookies.
    """
    link = _link(token)
    form = fill(_fields(), request.form.to_dict(flat=False))
    spot = str(form.values.get("spot", ""))
    if not form.errors and not spot and not form.values.get("words"):
        form.errors["words"] = gettext("请写一下在哪里看到的，或者在地图上点一下。")
    if form.errors:
        return _page(link, token, form), HTTPStatus.UNPROCESSABLE_ENTITY
    at = now()
    lat, lon = (float(part) for part in spot.split(",")) if spot else (None, None)
    values = {name: str(form.values.get(name, "")) for name in ("words", "name", "phone")}
    minutes = int(str(form.values.get("ago", "0")))
    seen = Sighting(
        link_id=link.id, said_at=at, seen_at=at - timedelta(minutes=minutes), lat=lat, lon=lon, **values
    )
    if not lost.take_sighting(db.session, link.search, seen, now=at):
        form.errors["words"] = gettext("线索已经很多了，请直接打电话。")
        return _page(link, token, form), HTTPStatus.UNPROCESSABLE_ENTITY
    db.session.commit()
    ring()
    return Response(
        status=HTTPStatus.SEE_OTHER, headers={"Location": url_for("share.page", token=token, said=1)}
    )


@blueprint.get("/s/<token>/picture.jpg")
@declare(ANYONE)
@limiter.limit(LOOK_LIMIT)
def picture(token: str) -> Response:
    """Her picture, where one was given."""
    link = _link(token)
    found = media.of_subjects(db.session, PICTURES, [link.search_id]).get(link.search_id, [])
    if not found:
        abort(HTTPStatus.NOT_FOUND)
    answer = Response(media.store().load(found[-1].id, small=False), mimetype="image/jpeg")
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


@blueprint.get("/s/<token>/style.json")
@declare(ANYONE)
@limiter.limit(LOOK_LIMIT)
def map_style(token: str) -> Response:
    """The base map's style, for whoever has no account."""
    _link(token)
    theme: Theme = "dark" if request.args.get("theme") == "dark" else "light"
    root = request.host_url.rstrip("/")
    sources = {name: root + url_for("share.map_layer", token=token, name=name) for name in LAYERS}
    return jsonify(style(theme, english=chosen_language() == "en", sources=sources))


@blueprint.get("/s/<token>/map/<name>.geojson")
@declare(ANYONE)
@limiter.limit(LOOK_LIMIT)
def map_layer(token: str, name: str) -> Response:
    """One layer of the community's map."""
    _link(token)
    if name not in LAYERS:
        abort(HTTPStatus.NOT_FOUND)
    answer = jsonify(read_layer(Path(current_app.config["PORTAL"].map_dir), name))
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


def _link(token: str) -> ShareLink:
    link = share.opened(db.session, token, now())
    if link is None or not is_shared(link.search.wearer):
        abort(HTTPStatus.NOT_FOUND)
    return link


def _count(link: ShareLink) -> None:
    """Count an opening, and record it: many within ten minutes are one entry."""
    at, subject = now(), f"wearer:{link.wearer_id}"
    entry = {"actor": f"link:{link.id}", "action": "view_shared", "subject": subject}
    known = audit.recorded_since(db.session, **entry, since=at - ONE_LOOK)
    with writing() as session:
        kept = session.get(ShareLink, link.id)
        if kept is not None:
            kept.opened += 1
        if not known:
            audit.record(session, at=at, **entry, detail="lost")


def _fields() -> list[Field]:
    return [
        Field(
            name="words",
            kind="textarea",
            label=gettext("在哪里看到的"),
            hint=gettext("例如：东门公交站，往菜场方向走。"),
            required=False,
            rows=2,
            max_length=WORDS_CHARACTERS,
        ),
        Field(name="spot", kind="spot", label=gettext("地图上的位置"), required=False),
        Field(
            name="ago",
            kind="select",
            label=gettext("什么时候"),
            choices=tuple(Choice(value=str(minutes), label=_ago(minutes)) for minutes in AGO_MINUTES),
            required=False,
        ),
        Field(
            name="name",
            kind="text",
            label=gettext("怎么称呼您"),
            required=False,
            max_length=NAME_CHARACTERS,
            autocomplete="name",
        ),
        Field(
            name="phone",
            kind="phone",
            label=gettext("您的电话"),
            hint=gettext("家属可能想再问您一句。"),
            required=False,
            max_length=20,
            autocomplete="tel",
        ),
    ]


def _ago(minutes: int) -> str:
    if not minutes:
        return gettext("就是现在")
    return ngettext("%(num)s 分钟前", "%(num)s 分钟前", minutes)


def _last_words(link: ShareLink) -> dict[str, str]:
    last = last_seen(link.search.wearer)
    return {} if last is None else {"where": last.where, "at": last.at.isoformat()}


def _page(link: ShareLink, token: str, form: Filled, *, said: bool = False) -> str:
    pictures = media.of_subjects(db.session, PICTURES, [link.search_id]).get(link.search_id, [])
    return render_template(
        "care/share.html",
        search=link.search,
        token=token,
        until=link.until,
        last=last_seen(link.search.wearer),
        picture=pictures[-1] if pictures else None,
        fields=[field for field in _fields() if field.kind != "spot"],
        form=form,
        said=said,
    )
