"""Posts, comments, and who has read, confirmed or liked what."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Model
from portal.people.models import User


class Post(Model):
    """One piece on a board; `body` is Markdown, `html` the same made safe when it was saved.

    `title_en`, `body_en`: the English of it, where somebody wrote one.
    `state` is a `portal.posts.workflow.State`.
    """

    __tablename__ = "post"

    id: Mapped[int] = mapped_column(primary_key=True)
    community: Mapped[str] = mapped_column(sa.String(64))
    board: Mapped[str] = mapped_column(sa.String(40))
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    state: Mapped[str] = mapped_column(sa.String(16))
    title: Mapped[str] = mapped_column(sa.String(120))
    body: Mapped[str] = mapped_column(sa.Text)
    html: Mapped[str] = mapped_column(sa.Text)
    title_en: Mapped[str] = mapped_column(sa.String(200), default="")
    body_en: Mapped[str] = mapped_column(sa.Text, default="")
    html_en: Mapped[str] = mapped_column(sa.Text, default="")
    pinned: Mapped[bool] = mapped_column(default=False)
    must_confirm: Mapped[bool] = mapped_column(default=False)
    comments_open: Mapped[bool] = mapped_column(default=True)
    publish_at: Mapped[dt.datetime | None]
    expires_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]

    author: Mapped[User] = relationship()

    __table_args__ = (sa.Index("ix_post_board", "community", "board", "state", "publish_at"),)


class PostRead(Model):
    """A person has opened a post, and perhaps confirmed having read it."""

    __tablename__ = "post_read"

    post_id: Mapped[int] = mapped_column(sa.ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        sa.ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True
    )
    read_at: Mapped[dt.datetime]
    confirmed_at: Mapped[dt.datetime | None]


class PostLike(Model):
    """A person says thanks for a post; once."""

    __tablename__ = "post_like"

    post_id: Mapped[int] = mapped_column(sa.ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        sa.ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True
    )
    liked_at: Mapped[dt.datetime]


class Comment(Model):
    """A comment; plain text. A hidden one stays, with who hid it and why, and its author is told."""

    __tablename__ = "comment"

    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(sa.ForeignKey("post.id", ondelete="CASCADE"), index=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    body: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[dt.datetime]
    hidden_at: Mapped[dt.datetime | None]
    hidden_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    hidden_reason: Mapped[str] = mapped_column(sa.String(200), default="")

    author: Mapped[User] = relationship(foreign_keys=[author_id], lazy="joined")
