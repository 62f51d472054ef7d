"""The pages of the boards: lists, a post, writing one, thanks, comments."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from markupsafe import Markup

from portal.db import db, writing
from portal.fields import Filled
from portal.i18n import gettext
from portal.people.language import chosen_language
from portal.policy import ANYONE, SIGNED_IN, declare
from portal.posts import queries
from portal.posts.boards import Board, boards, may_moderate, may_read, may_write
from portal.posts.forms import comment_form, hide_form, post_form
from portal.posts.models import Comment, Post, PostLike, PostRead
from portal.posts.text import to_html
from portal.posts.workflow import SEEN_BY_READERS, TABLE, Action, Standing, State, standing
from portal.security import viewer
from portal.words import SHANGHAI, fill, now, when

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

blueprint = Blueprint("posts", __name__, template_folder="templates")
LAST_PAGE = 500


def community() -> str:
    """Give the community whose boards are looked at: the reader's own, else the site's."""
    return viewer().community or str(current_app.config["PORTAL"].community)


def readable() -> dict[str, Board]:
    """Give the boards this reader may read."""
    looking, here = viewer(), community()
    return {name: board for name, board in boards().items() if may_read(board, looking, community=here)}


@blueprint.app_template_global()
def post_title(post: Post | queries.Heading) -> str:
    """Give a post's title in the reader's language where it has one."""
    return post.title_en if chosen_language() == "en" and post.title_en else post.title


@blueprint.app_template_global()
def post_html(post: Post) -> Markup:
    """Give a post's text, already safe, in the reader's language where it has one."""
    return Markup(post.html_en if chosen_language() == "en" and post.html_en else post.html)  # noqa: S704  # nh3 made it


@blueprint.app_template_global()
def post_lang(post: Post | queries.Heading) -> str:
    """Give the language `post_title` and `post_html` speak, for the `lang` attribute."""
    return "en" if chosen_language() == "en" and post.title_en else "zh-Hans"


@blueprint.app_template_global()
def post_row(item: queries.Listed, *, with_board: bool = False) -> Markup:
    """Give a post's row of a list; drawn again only when something in it changed."""
    published = when(item.post.publish_at or item.post.created_at)
    shown = queries.Counts(likes=item.counts.likes, comments=item.counts.comments)
    return _row(replace(item, counts=shown), published, with_board, chosen_language())


@lru_cache(maxsize=2048)
def _row(item: queries.Listed, published: Markup, with_board: bool, _language: str) -> Markup:  # noqa: FBT001  # a key
    drawn: Any = current_app.jinja_env.get_template("posts/_row.html").module
    return Markup(drawn.row(item, published, with_board))  # noqa: S704  # the template escaped it


@blueprint.app_template_global()
def board_of(name: str) -> Board | None:
    """Give the board of a post, None when its file is gone."""
    return boards().get(name)


@blueprint.get("/community/")
@declare(ANYONE)
def index() -> str:
    """The boards, and the newest on all of them."""
    mine = readable()
    newest, _more = queries.listed(
        db.session, community=community(), boards=list(mine), now=now(), reader=viewer().user, limit=8
    )
    return render_template("posts/index.html", boards=boards(), readable=mine, newest=newest)


@blueprint.get("/community/<name>/")
@declare(ANYONE)
def board(name: str) -> ResponseReturnValue:
    """One board, a page at a time."""
    found = boards().get(name) or abort(HTTPStatus.NOT_FOUND)
    if name not in readable():
        return _ask_to_sign_in()
    page = min(max(request.args.get("page", 1, type=int), 1), LAST_PAGE)
    posts, more = queries.listed(
        db.session, community=community(), boards=[name], now=now(), reader=viewer().user, page=page
    )
    writes = may_write(found, viewer(), community=community())
    aside = queries.unpublished(db.session, community=community(), board=name, now=now()) if writes else []
    aside = [post for post in aside if found.write == "staff" or post.author_id == viewer().user]
    return render_template(
        "posts/board.html",
        name=name,
        board=found,
        posts=posts,
        more=more,
        page=page,
        writes=writes,
        aside=[(post, _standing(post)) for post in aside],
    )


@blueprint.route("/community/<name>/new", methods=["GET", "POST"])
@declare(SIGNED_IN)
def new(name: str) -> ResponseReturnValue:
    """Write a post."""
    found = boards().get(name)
    if found is None or not may_write(found, viewer(), community=community()):
        abort(HTTPStatus.NOT_FOUND)
    form = fill(post_form(), _raw()) if request.method == "POST" else Filled(raw={"comments_open": "yes"})
    if request.method == "POST" and not form.errors:
        post = Post(
            community=community(), board=name, author_id=viewer().user, state=State.DRAFT, created_at=now()
        )
        db.session.add(post)
        return _save(post, form)
    return _editor(name, form, None)


@blueprint.get("/community/posts/<int:number>")
@declare(ANYONE)
def post(number: int) -> ResponseReturnValue:
    """One post with its comments; opening it is remembered for the read count."""
    found = db.session.get(Post, number) or abort(HTTPStatus.NOT_FOUND)
    _check_board_is_open(found)
    stands = _standing(found)
    edits = _may_edit(found)
    if stands not in SEEN_BY_READERS and not edits:
        abort(HTTPStatus.NOT_FOUND)
    reader = viewer().user
    read = db.session.get(PostRead, (number, reader)) if reader is not None else None
    if read is None and reader is not None and stands is Standing.LIVE:
        with writing() as session:
            queries.mark_read(session, post=number, reader=reader, now=now())
    return _post_page(found, confirmed=bool(read and read.confirmed_at), form=Filled())


@blueprint.route("/community/posts/<int:number>/edit", methods=["GET", "POST"])
@declare(SIGNED_IN)
def edit(number: int) -> ResponseReturnValue:
    """Change a post."""
    found = _editable(number)
    form = fill(post_form(), _raw()) if request.method == "POST" else _as_form(found)
    if request.method == "POST" and not form.errors:
        return _save(found, form)
    return _editor(found.board, form, found)


@blueprint.post("/community/posts/<int:number>/withdraw")
@declare(SIGNED_IN)
def withdraw(number: int) -> ResponseReturnValue:
    """Take a post off its board; it stays with those who write there."""
    found = _editable(number)
    to = TABLE[State(found.state), Action.WITHDRAW]
    if to is not None:
        found.state, found.updated_at = to, now()
        db.session.commit()
        flash(gettext("已撤下，居民看不到了。需要时可以再发布。"), "good")
    return redirect(url_for("posts.board", name=found.board))


@blueprint.post("/community/posts/<int:number>/like")
@declare(SIGNED_IN)
def like(number: int) -> ResponseReturnValue:
    """Say thanks, or take it back."""
    found = _open_to_members(number)
    board_ = boards()[found.board]
    if not board_.likes:
        abort(HTTPStatus.NOT_FOUND)
    mine = db.session.get(PostLike, (number, viewer().user))
    if mine is None:
        db.session.add(PostLike(post_id=number, user_id=viewer().user, liked_at=now()))
    else:
        db.session.delete(mine)
    db.session.commit()
    return redirect(url_for("posts.post", number=number) + "#thanks")


@blueprint.post("/community/posts/<int:number>/confirm")
@declare(SIGNED_IN)
def confirm(number: int) -> ResponseReturnValue:
    """Confirm having read a post that asks for it."""
    found = _open_to_members(number)
    reader = viewer().user or 0
    read = db.session.get(PostRead, (found.id, reader))
    if read is None:
        read = PostRead(post_id=found.id, user_id=reader, read_at=now(), confirmed_at=None)
        db.session.add(read)
    read.confirmed_at = read.confirmed_at or now()
    db.session.commit()
    flash(gettext("已确认，谢谢。"), "good")
    return redirect(url_for("posts.post", number=number))


@blueprint.post("/community/posts/<int:number>/comments")
@declare(SIGNED_IN)
def comment(number: int) -> ResponseReturnValue:
    """Comment on a post."""
    found = _open_to_members(number)
    if not (found.comments_open and boards()[found.board].comments):
        abort(HTTPStatus.NOT_FOUND)
    form = fill(comment_form(), _raw())
    if form.errors:
        return _post_page(found, confirmed=False, form=form), HTTPStatus.UNPROCESSABLE_ENTITY
    db.session.add(
        Comment(post_id=number, author_id=viewer().user, body=str(form.values["body"]), created_at=now())
    )
    db.session.commit()
    flash(gettext("留言已发出。"), "good")
    return redirect(url_for("posts.post", number=number) + "#comments")


@blueprint.post("/community/comments/<int:number>/hide")
@declare(SIGNED_IN)
def hide(number: int) -> ResponseReturnValue:
    """Hide a comment: its author may without a reason, the staff must give one."""
    found = db.session.get(Comment, number) or abort(HTTPStatus.NOT_FOUND)
    target = db.session.get(Post, found.post_id) or abort(HTTPStatus.NOT_FOUND)
    own = found.author_id == viewer().user
    if not own and not may_moderate(viewer(), community=target.community):
        abort(HTTPStatus.NOT_FOUND)
    form = fill(() if own else hide_form(), _raw())
    if form.errors:
        flash(gettext("隐藏留言要写明原因，作者会看到。"), "danger")
    elif found.hidden_at is None:
        found.hidden_at, found.hidden_by_id = now(), viewer().user
        found.hidden_reason = str(form.values.get("reason", ""))
        db.session.commit()
        flash(gettext("留言已删除。") if own else gettext("留言已隐藏，作者会看到原因。"), "good")
    return redirect(url_for("posts.post", number=target.id) + "#comments")


# --------------------------------------------------------------------------- steps


def _raw() -> dict[str, list[str]]:
    return request.form.to_dict(flat=False)


def _standing(post_: Post) -> Standing:
    return standing(State(post_.state), publish_at=post_.publish_at, expires_at=post_.expires_at, now=now())


def _ask_to_sign_in() -> ResponseReturnValue:
    if viewer().signed_in:
        abort(HTTPStatus.NOT_FOUND)
    return redirect(url_for("security.login", next=request.full_path.rstrip("?")))


def _check_board_is_open(post_: Post) -> None:
    if post_.community != community() or post_.board not in readable():
        abort(HTTPStatus.NOT_FOUND)


def _may_edit(post_: Post) -> bool:
    found = boards().get(post_.board)
    if found is None or not may_write(found, viewer(), community=post_.community):
        return False
    own = post_.author_id == viewer().user
    return own or found.write == "staff" or may_moderate(viewer(), community=post_.community)


def _editable(number: int) -> Post:
    found = db.session.get(Post, number)
    if found is None or not _may_edit(found):
        abort(HTTPStatus.NOT_FOUND)
    return found


def _open_to_members(number: int) -> Post:
    """Give a live post that the reader may see and take part in, else 404."""
    found = db.session.get(Post, number) or abort(HTTPStatus.NOT_FOUND)
    _check_board_is_open(found)
    if _standing(found) is not Standing.LIVE or viewer().community != found.community:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _post_page(found: Post, *, confirmed: bool, form: Filled) -> str:
    reader = viewer().user
    liked = reader is not None and db.session.get(PostLike, (found.id, reader)) is not None
    return render_template(
        "posts/post.html",
        post=found,
        board=boards()[found.board],
        standing=_standing(found),
        counts=queries.counts_of(db.session, found.id),
        comments=queries.comments(db.session, found.id),
        liked=liked,
        confirmed=confirmed,
        edits=_may_edit(found),
        moderates=may_moderate(viewer(), community=found.community),
        form=form,
        fields=comment_form(),
    )


def _editor(name: str, form: Filled, found: Post | None) -> ResponseReturnValue:
    page = render_template(
        "posts/edit.html", name=name, board=boards()[name], form=form, fields=post_form(), post=found
    )
    return page, (HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK)


def _as_form(found: Post) -> Filled:
    raw = {"title": found.title, "body": found.body, "title_en": found.title_en, "body_en": found.body_en}
    for name, at in (("publish_at", found.publish_at), ("expires_at", found.expires_at)):
        if at is not None:
            raw[name] = at.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M")
    for name in ("pinned", "must_confirm", "comments_open"):
        if getattr(found, name):
            raw[name] = "yes"
    return Filled(raw=raw)


def _save(found: Post, form: Filled) -> ResponseReturnValue:
    """Write the form into the post; the button says whether it is published now."""
    values = {name: str(value) for name, value in form.values.items()}
    found.title, found.body, found.html = values["title"], values["body"], to_html(values["body"])
    found.title_en, found.body_en = values.get("title_en", ""), values.get("body_en", "")
    found.html_en = to_html(found.body_en) if found.body_en else ""
    found.pinned, found.must_confirm = "pinned" in values, "must_confirm" in values
    found.comments_open = "comments_open" in values
    asked = dt.datetime.fromisoformat(values["publish_at"]) if "publish_at" in values else None
    found.expires_at = dt.datetime.fromisoformat(values["expires_at"]) if "expires_at" in values else None
    action = Action.PUBLISH if request.form.get("do") == "publish" else Action.SAVE
    was_published = found.state == State.PUBLISHED
    found.state = TABLE[State(found.state), action] or found.state
    if asked is not None:
        found.publish_at = asked
    elif action is Action.PUBLISH and not (was_published and found.publish_at and found.publish_at <= now()):
        found.publish_at = now()
    found.updated_at = now()
    db.session.commit()
    said = {
        Standing.LIVE: gettext("已发布，居民现在就能看到。"),
        Standing.SCHEDULED: gettext("已安排好，到时间自动发布。"),
        Standing.EXPIRED: gettext("已保存；已过到期时间，不会列出。"),
    }
    flash(said.get(_standing(found), gettext("草稿已保存，只有能发布的人看得到。")), "good")
    return redirect(url_for("posts.post", number=found.id))


def latest(limit: int) -> list[queries.Listed]:
    """Give the newest posts for the front page."""
    found, _more = queries.listed(
        db.session,
        community=community(),
        boards=list(readable()),
        now=now(),
        reader=viewer().user,
        limit=limit,
    )
    return found


def unconfirmed() -> list[Post]:
    """Give what this reader still has to confirm; nothing for a passer-by."""
    reader = viewer().user
    if reader is None:
        return []
    return queries.to_confirm(
        db.session, community=community(), boards=list(readable()), now=now(), reader=reader
    )
