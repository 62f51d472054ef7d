"""Closed places, the search of the register, invitations, household claims and tables waiting to be taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UtcDateTime

revision = "v0014"
down_revision = "v0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("organisation") as batch:
        batch.add_column(sa.Column("closed_at", UtcDateTime(), nullable=True))
    op.create_table(
        "resident_gram",
        sa.Column("gram", sa.String(length=2), nullable=False),
        sa.Column("resident_id", sa.Integer(), nullable=False),
        _to("resident_gram", "resident_id", "resident", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("gram", "resident_id", name=op.f("pk_resident_gram")),
    )
    op.create_index(op.f("ix_resident_gram_resident_id"), "resident_gram", ["resident_id"])
    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        _to("invitation", "organisation_id", "organisation"),
        _to("invitation", "made_by", "user_account", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitation_digest")),
    )
    op.create_index(op.f("ix_invitation_organisation_id"), "invitation", ["organisation_id"])
    _claims()
    op.create_table(
        "resident_import",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("community", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        _to("resident_import", "made_by", "user_account", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident_import")),
    )
    op.create_index(op.f("ix_resident_import_made_by"), "resident_import", ["made_by"])


def _claims() -> None:
    op.create_table(
        "household_claim",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("household_id", sa.Integer(), nullable=False),
        sa.Column("invitation_id", sa.Integer(), nullable=True),
        sa.Column("said", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by_register", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("judged_by", sa.Integer(), nullable=True),
        sa.Column("judged_at", UtcDateTime(), nullable=True),
        _to("household_claim", "user_id", "user_account", ondelete="CASCADE"),
        _to("household_claim", "household_id", "organisation"),
        _to("household_claim", "invitation_id", "invitation", ondelete="SET NULL"),
        _to("household_claim", "judged_by", "user_account", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_household_claim")),
    )
    for column in ("user_id", "household_id", "state"):
        op.create_index(op.f(f"ix_household_claim_{column}"), "household_claim", [column])
    op.create_table(
        "claim_notice",
        sa.Column("claim_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(length=8), nullable=False),
        _to("claim_notice", "claim_id", "household_claim", ondelete="CASCADE"),
        _to("claim_notice", "user_id", "user_account", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("claim_id", "user_id", name=op.f("pk_claim_notice")),
    )
    op.create_index(op.f("ix_claim_notice_user_id"), "claim_notice", ["user_id"])


def _to(table: str, column: str, target: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)


def downgrade() -> None:
    for table in ("resident_import", "claim_notice", "household_claim", "invitation", "resident_gram"):
        op.drop_table(table)
    with op.batch_alter_table("organisation") as batch:
        batch.drop_column("closed_at")
