"""The front page, and how big the words are."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from markupsafe import Markup

from portal.cases import views as cases
from portal.home import offline
from portal.home.display import COOKIE, COOKIE_AGE_S, SIZES_PX, Display, from_cookie
from portal.home.shell import doors
from portal.i18n import gettext
from portal.policy import ANYONE, declare
from portal.posts import views as posts
from portal.security import local_path, viewer

if TYPE_CHECKING:
    from flask import Flask
    from flask.sansio.blueprints import BlueprintSetupState
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("home", __name__, template_folder="templates")
NEWEST = 5
PICTURES = (
    ("shouwang.svg", "any", "image/svg+xml", "any"),
    ("shouwang-192.png", "192x192", "image/png", "any"),
    ("shouwang-512.png", "512x512", "image/png", "any"),
    ("shouwang-maskable-192.png", "192x192", "image/png", "maskable"),
    ("shouwang-maskable-512.png", "512x512", "image/png", "maskable"),
    ("shouwang-maskable.svg", "any", "image/svg+xml", "maskable"),
)
"""The icons of the manifest: file, sizes, type and purpose."""


@blueprint.record_once
def _wire(state: BlueprintSetupState) -> None:
    cast("Flask", state.app).register_blueprint(offline.blueprint)


@blueprint.app_context_processor
def around_every_page() -> dict[str, Any]:
    """Give the templates what the shell needs: the doors, the size of words, the way back."""
    here = request.full_path.rstrip("?") if request.method == "GET" else url_for("home.index")
    return {
        "display": from_cookie(request.cookies.get(COOKIE, "")),
        "sizes_px": SIZES_PX,
        "shell": doors(viewer()),
        "here": here,
    }


@blueprint.app_template_global()
def icon_svg(name: str) -> Markup:
    """Give an icon of ours by its lucide name."""
    sprite: str | None = g.get("sprite")
    if sprite is None:
        sprite = g.sprite = url_for("static", filename="vendor/lucide/icons.svg")
    return _icon_svg(sprite, name)


@lru_cache(maxsize=1024)
def _icon_svg(sprite: str, name: str) -> Markup:
    return Markup(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>'
    ).format(sprite, name)


@blueprint.get("/manifest.webmanifest")
@declare(ANYONE)
def manifest() -> Response:
    """What a telephone needs to keep the portal beside its other applications; `lang` is `zh` or `en`."""
    english = request.args.get("lang") == "en"
    name, place = "Shouwang" if english else "守望", current_app.config["PORTAL"].community_name
    pictures = [_picture(*picture) for picture in PICTURES]
    answer = jsonify(
        id="/",
        name=f"{name} · {place}",
        short_name=name,
        lang="en" if english else "zh-Hans",
        start_url="/",
        scope="/",
        display="standalone",
        background_color="#ffffff",
        theme_color="#0b5a69",
        icons=pictures,
    )
    answer.mimetype = "application/manifest+json"
    return answer


def _picture(file: str, sizes: str, kind: str, purpose: str) -> dict[str, str]:
    return {
        "src": url_for("static", filename=f"icons/{file}"),
        "sizes": sizes,
        "type": kind,
        "purpose": purpose,
    }


@blueprint.get("/")
@declare(ANYONE)
def index() -> str:
    """The front page: an emergency first, then four doors, what must be read, news, and my cases."""
    return render_template(
        "home/index.html",
        emergencies=_emergencies(),
        unconfirmed=posts.unconfirmed(),
        newest=posts.latest(NEWEST),
        changed=cases.changed(NEWEST),
        has_care="care.index" in current_app.view_functions,
    )


@blueprint.post("/display")
@declare(ANYONE)
def display() -> ResponseReturnValue:
    """Choose standard pages or elder mode (form fields `elder`, `size_px`, `next`), kept on this device."""
    known = {str(px): px for px in SIZES_PX}
    size = known.get(request.form.get("size_px", ""), SIZES_PX[0])
    chosen = Display(elder=request.form.get("elder") == "1", size_px=size)
    answer = redirect(local_path(request.form.get("next"), url_for("home.index")))
    answer.set_cookie(
        COOKIE,
        chosen.cookie,
        max_age=COOKIE_AGE_S,
        samesite="Lax",
        httponly=True,
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
    )
    flash(
        gettext("已切换到长辈版，字更大、内容更少。") if chosen.elder else gettext("已切换到标准版。"), "good"
    )
    return answer


def _emergencies() -> list[Any]:
    """Give the open incidents this reader answers for; none while the care feature is not wired."""
    asked = current_app.extensions.get("open_incidents")
    return list(asked(viewer())) if asked is not None else []
