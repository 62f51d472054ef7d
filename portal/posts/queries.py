"""What boards show: questions to the store. No Flask; `now` and the reader are passed in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.db import UtcDateTime
from portal.posts.models import Comment, Post, PostLike, PostRead
from portal.posts.workflow import State

PAGE: Final = 20


def _count(model: type[Any], *more: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """The rows of one kind that belong to the post of the row around."""
    query = sa.select(sa.func.count()).select_from(model).where(model.post_id == Post.id, *more)
    return query.correlate(Post).scalar_subquery()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How a post was received."""

    likes: int = 0
    comments: int = 0
    reads: int = 0
    confirmed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a list says of a post."""

    id: int
    board: str
    title: str
    title_en: str
    pinned: bool
    must_confirm: bool
    publish_at: dt.datetime | None
    created_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A post in a list, with its counts and what the reader has done with it."""

    post: Heading
    counts: Counts
    unread: bool


def live(now: dt.datetime | sa.BindParameter[dt.datetime]) -> sa.ColumnElement[bool]:
    """Give the condition of standing on a board now; the twin of `workflow.standing` in SQL."""
    return sa.and_(
        Post.state == State.PUBLISHED,
        sa.or_(Post.publish_at.is_(None), Post.publish_at <= now),
        sa.or_(Post.expires_at.is_(None), Post.expires_at > now),
    )


_RECEIVED: Final = (
    _count(PostLike).label("likes"),
    _count(Comment, Comment.hidden_at.is_(None)).label("comments"),
    _count(PostRead).label("reads"),
    _count(PostRead, PostRead.confirmed_at.is_not(None)).label("confirmed"),
)
_HEADING: Final = tuple(field.name for field in fields(Heading))
_LISTED: Final = (
    sa.select(
        *(getattr(Post, name) for name in _HEADING),
        *_RECEIVED,
        _count(PostRead, PostRead.user_id == sa.bindparam("reader", type_=sa.Integer())).label("seen"),
    )
    .where(
        Post.community == sa.bindparam("community"),
        Post.board.in_(sa.bindparam("boards", expanding=True)),
        live(sa.bindparam("now", type_=UtcDateTime())),
    )
    .order_by(Post.pinned.desc(), sa.func.coalesce(Post.publish_at, Post.created_at).desc(), Post.id.desc())
    .offset(sa.bindparam("skip", type_=sa.Integer()))
    .limit(sa.bindparam("at_most", type_=sa.Integer()))
)
"""One page of a board, and how its posts were received; built once, as building costs more than asking."""


def listed(
    session: Session,
    *,
    community: str,
    boards: Sequence[str],
    now: dt.datetime,
    reader: int | None,
    page: int = 1,
    limit: int = PAGE,
) -> tuple[list[Listed], bool]:
    """Give one page of live posts of these boards, pinned first, newest first, and whether more follow."""
    if not boards:
        return [], False
    asked = {
        "community": community,
        "boards": list(boards),
        "now": now,
        "reader": reader,
        "skip": (page - 1) * limit,
        "at_most": limit + 1,
    }
    rows = session.execute(_LISTED, asked).all()
    found = [
        Listed(
            post=Heading(**dict(zip(_HEADING, row, strict=False))),
            counts=Counts(likes=row.likes, comments=row.comments, reads=row.reads, confirmed=row.confirmed),
            unread=reader is not None and not row.seen,
        )
        for row in rows[:limit]
    ]
    return found, len(rows) > limit


def unpublished(session: Session, *, community: str, board: str, now: dt.datetime) -> list[Post]:
    """Give the drafts, scheduled, expired and withdrawn posts of a board, for those who write there."""
    query = (
        sa.select(Post)
        .where(Post.community == community, Post.board == board, sa.not_(live(now)))
        .order_by(Post.updated_at.desc())
        .limit(PAGE * 2)
    )
    return list(session.scalars(query))


def counts_of(session: Session, post: int) -> Counts:
    """Give how one post was received."""
    row = session.execute(sa.select(*_RECEIVED).select_from(Post).where(Post.id == post)).one()
    return Counts(likes=row.likes, comments=row.comments, reads=row.reads, confirmed=row.confirmed)


def comments(session: Session, post: int) -> list[Comment]:
    """Give every comment of a post, hidden ones too, oldest first."""
    query = sa.select(Comment).where(Comment.post_id == post).order_by(Comment.created_at, Comment.id)
    return list(session.scalars(query))


def mark_read(session: Session, *, post: int, reader: int, now: dt.datetime) -> None:
    """Remember that somebody opened a post; the first time counts."""
    if session.get(PostRead, (post, reader)) is None:
        session.add(PostRead(post_id=post, user_id=reader, read_at=now, confirmed_at=None))


def to_confirm(
    session: Session, *, community: str, boards: Sequence[str], now: dt.datetime, reader: int
) -> list[Post]:
    """Give the live posts this person still has to confirm."""
    done = sa.select(PostRead.post_id).where(PostRead.user_id == reader, PostRead.confirmed_at.is_not(None))
    query = sa.select(Post).where(
        Post.community == community,
        Post.board.in_(boards),
        Post.must_confirm.is_(True),
        live(now),
        Post.id.not_in(done),
    )
    return list(session.scalars(query.order_by(Post.publish_at.desc())))
