"""Orders to bands and how each of them fared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "v0005"
down_revision = "v0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "band_order",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("order", sa.String(length=200), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.String(length=400), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("given_at", portal.db.UtcDateTime(), nullable=False),
        sa.Column("at", portal.db.UtcDateTime(), nullable=False),
        sa.Column("until", portal.db.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["wearer_id"], ["wearer.id"], name=op.f("fk_band_order_wearer_id_wearer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_band_order")),
        sa.UniqueConstraint("gateway", "order", "device", name=op.f("uq_band_order_gateway_order_device")),
    )
    op.create_index("ix_band_order_wearer_given", "band_order", ["wearer_id", "given_at"])


def downgrade() -> None:
    op.drop_table("band_order")
