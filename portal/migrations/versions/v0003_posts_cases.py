"""Boards, comments, cases and their history, pictures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "v0003"
down_revision = "v0002"
branch_labels = None
depends_on = None

USER = "user_account.id"


def upgrade() -> None:
    moment = portal.db.UtcDateTime()
    op.create_table(
        "post",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("community", sa.String(64), nullable=False),
        sa.Column("board", sa.String(40), nullable=False),
        sa.Column("author_id", sa.Integer, sa.ForeignKey(USER), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("title_en", sa.String(200), nullable=False),
        sa.Column("body_en", sa.Text, nullable=False),
        sa.Column("html_en", sa.Text, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("must_confirm", sa.Boolean, nullable=False),
        sa.Column("comments_open", sa.Boolean, nullable=False),
        sa.Column("publish_at", moment),
        sa.Column("expires_at", moment),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Index("ix_post_board", "community", "board", "state", "publish_at"),
    )
    for name, at in (("post_read", "read_at"), ("post_like", "liked_at")):
        more: list[sa.Column[object]] = [sa.Column("confirmed_at", moment)] if name == "post_read" else []
        op.create_table(
            name,
            sa.Column("post_id", sa.Integer, sa.ForeignKey("post.id", ondelete="CASCADE"), primary_key=True),
            sa.Column("user_id", sa.Integer, sa.ForeignKey(USER, ondelete="CASCADE"), primary_key=True),
            sa.Column(at, moment, nullable=False),
            *more,
        )
    op.create_table(
        "comment",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("post_id", sa.Integer, sa.ForeignKey("post.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("author_id", sa.Integer, sa.ForeignKey(USER), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("hidden_at", moment),
        sa.Column("hidden_by_id", sa.Integer, sa.ForeignKey(USER)),
        sa.Column("hidden_reason", sa.String(200), nullable=False),
    )
    op.create_table(
        "case",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.String(24), nullable=False, unique=True),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("community", sa.String(64), nullable=False),
        sa.Column("service", sa.String(40), nullable=False),
        sa.Column("service_version", sa.Integer, nullable=False),
        sa.Column("reporter_id", sa.Integer, sa.ForeignKey(USER), index=True),
        sa.Column("entered_by_id", sa.Integer, sa.ForeignKey(USER)),
        sa.Column("contact_name", sa.String(80), nullable=False),
        sa.Column("contact_phone", sa.String(20), nullable=False),
        sa.Column("answers", sa.JSON, nullable=False),
        sa.Column("place", sa.String(200), nullable=False),
        sa.Column("lat", sa.Double),
        sa.Column("lon", sa.Double),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("handler", sa.String(80), nullable=False),
        sa.Column("due_at", moment),
        sa.Column("left_s", sa.Double),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("rating", sa.Integer),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Index("ix_case_queue", "community", "state", "due_at"),
    )
    op.create_table(
        "case_event",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("case.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("side", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.Integer, sa.ForeignKey(USER)),
        sa.Column("actor_name", sa.String(80), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("handler", sa.String(80), nullable=False),
    )
    op.create_table(
        "media",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner_id", sa.Integer, sa.ForeignKey(USER, ondelete="SET NULL")),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.Integer),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("width_px", sa.Integer, nullable=False),
        sa.Column("height_px", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Index("ix_media_subject", "subject_kind", "subject_id"),
    )


def downgrade() -> None:
    for table in ("media", "case_event", "case", "comment", "post_like", "post_read", "post"):
        op.drop_table(table)
