"""Claims of guardians, and what was objected to a guardianship."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UtcDateTime

revision = "v0016"
down_revision = "v0015"
branch_labels = None
depends_on = None

TABLE = "guardian_claim"
WORDS = (("community", 64), ("named", 40), ("home", 120), ("relation", 40), ("basis", 24))
REFERENCES = (
    ("user_id", "user_account", "CASCADE"),
    ("judged_by", "user_account", "SET NULL"),
    ("guardianship_id", "guardianship", "SET NULL"),
)


def upgrade() -> None:
    with op.batch_alter_table("guardianship") as table:
        for name, length in (("objected_by", 120), ("objection", 400)):
            table.add_column(sa.Column(name, sa.String(length=length), nullable=False, server_default=""))
    with op.batch_alter_table("guardianship") as table:
        for name, length in (("objected_by", 120), ("objection", 400)):
            table.alter_column(name, existing_type=sa.String(length=length), server_default=None)
    op.create_table(
        TABLE,
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(length=length), nullable=False) for name, length in WORDS),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("decides", sa.Boolean(), nullable=False),
        sa.Column("proof", sa.String(length=400), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("judged_by", sa.Integer(), nullable=True),
        sa.Column("judged_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("guardianship_id", sa.Integer(), nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [column], [f"{there}.id"], name=op.f(f"fk_{TABLE}_{column}_{there}"), ondelete=rule
            )
            for column, there, rule in REFERENCES
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
    )
    for column in ("community", "user_id", "guardianship_id"):
        op.create_index(op.f(f"ix_{TABLE}_{column}"), TABLE, [column])


def downgrade() -> None:
    op.drop_table(TABLE)
    with op.batch_alter_table("guardianship") as table:
        table.drop_column("objection")
        table.drop_column("objected_by")
