"""Bands, sealed keys of bands, who is on duty, test calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UtcDateTime

revision = "v0008"
down_revision = "v0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "band",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("wire_id", sa.String(length=64), nullable=False),
        sa.Column("protocol", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=True),
        sa.Column("heard_at", UtcDateTime(), nullable=True),
        sa.Column("battery_pct", sa.Double(), nullable=True),
        sa.Column("battery_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["wearer_id"], ["wearer.id"], name=op.f("fk_band_wearer_id_wearer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gateway", "device", name=op.f("pk_band")),
    )
    op.create_index(op.f("ix_band_wearer_id"), "band", ["wearer_id"])
    op.create_table(
        "band_key",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("command", sa.String(length=200), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "command", name=op.f("pk_band_key")),
    )
    op.create_table(
        "duty_told",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("on_duty", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_duty_told")),
    )
    op.create_table(
        "test_call",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("command", sa.String(length=200), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=True),
        sa.Column("contact", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("call", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(length=16), nullable=False),
        sa.Column("digit", sa.String(length=4), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("ordered_at", UtcDateTime(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["wearer_id"], ["wearer.id"], name=op.f("fk_test_call_wearer_id_wearer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gateway", "command", name=op.f("pk_test_call")),
    )
    op.create_index(op.f("ix_test_call_wearer_id"), "test_call", ["wearer_id"])
    op.create_index(op.f("ix_test_call_ordered_at"), "test_call", ["ordered_at"])


def downgrade() -> None:
    op.drop_table("test_call")
    op.drop_table("duty_told")
    op.drop_table("band_key")
    op.drop_table("band")
