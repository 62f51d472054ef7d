"""Believable notices for the demonstration; never called while the portal is live."""

from __future__ import annotations

import datetime as dt

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.offers import DATA, load
from portal.posts.models import Comment, Post, PostLike
from portal.posts.text import to_html
from portal.posts.workflow import State


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One notice of the demonstration, `age_h` hours old; thanks and comments by residents in turn."""

    board: str
    age_h: float
    title: str
    body: str
    title_en: str
    body_en: str
    pinned: bool = False
    must_confirm: bool = False
    thanks: int = 0
    comments: tuple[str, ...] = ()


class Samples(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `data/demo/notices.toml`."""

    notices: tuple[Sample, ...]


def seed(session: Session, *, community: str, author: int, residents: list[int], now: dt.datetime) -> int:
    """Put the sample notices up where there are none; gives how many. `author` is staff."""
    if session.scalar(sa.select(Post.id).where(Post.community == community).limit(1)) is not None:
        return 0
    samples = load(DATA / "demo", Samples)["notices"].notices
    for sample in samples:
        at = now - dt.timedelta(hours=sample.age_h)
        post = Post(
            community=community,
            board=sample.board,
            author_id=author,
            state=State.PUBLISHED,
            title=sample.title,
            body=sample.body,
            html=to_html(sample.body),
            title_en=sample.title_en,
            body_en=sample.body_en,
            html_en=to_html(sample.body_en),
            pinned=sample.pinned,
            must_confirm=sample.must_confirm,
            comments_open=True,
            publish_at=at,
            created_at=at,
            updated_at=at,
        )
        session.add(post)
        session.flush()
        for reader in residents[: sample.thanks]:
            session.add(PostLike(post_id=post.id, user_id=reader, liked_at=at))
        for turn, words in enumerate(sample.comments):
            when = at + dt.timedelta(minutes=25 * (turn + 1))
            reader = residents[turn % len(residents)]
            session.add(Comment(post_id=post.id, author_id=reader, body=words, created_at=when))
    return len(samples)
