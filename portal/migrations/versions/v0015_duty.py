"""The duty calendar: people, turns, and the version ordered last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UtcDateTime

revision = "v0015"
down_revision = "v0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duty_person",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("community", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("lang", sa.String(length=2), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_person")),
        sa.UniqueConstraint("community", "phone", name=op.f("uq_duty_person_community_phone")),
        sa.UniqueConstraint("community", "code", name=op.f("uq_duty_person_community_code")),
    )
    op.create_table(
        "duty_turn",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("community", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("series", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["duty_person.id"],
            name=op.f("fk_duty_turn_person_id_duty_person"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_turn")),
    )
    op.create_index(op.f("ix_duty_turn_person_id"), "duty_turn", ["person_id"])
    op.create_index("ix_duty_turn_community_starts", "duty_turn", ["community", "starts_at"])
    op.create_table(
        "duty_calendar",
        sa.Column("community", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ordered_at", UtcDateTime(), nullable=False),
        sa.Column("ordered_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("community", name=op.f("pk_duty_calendar")),
    )


def downgrade() -> None:
    op.drop_table("duty_calendar")
    op.drop_table("duty_turn")
    op.drop_table("duty_person")
