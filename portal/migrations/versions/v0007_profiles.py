"""Wearers' profiles, every version of them; a refusal may be long: it names everything that is wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UtcDateTime

revision = "v0007"
down_revision = "v0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "profile_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["wearer_id"],
            ["wearer.id"],
            name=op.f("fk_profile_version_wearer_id_wearer"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile_version")),
        sa.UniqueConstraint("wearer_id", "version", name=op.f("uq_profile_version_wearer_id_version")),
    )
    with op.batch_alter_table("gateway_command") as batch:
        batch.alter_column(
            "reason", existing_type=sa.String(length=400), type_=sa.Text(), existing_nullable=False
        )


def downgrade() -> None:
    op.execute("UPDATE gateway_command SET reason = substr(reason, 1, 400)")
    with op.batch_alter_table("gateway_command") as batch:
        batch.alter_column(
            "reason", existing_type=sa.Text(), type_=sa.String(length=400), existing_nullable=False
        )
    op.drop_table("profile_version")
