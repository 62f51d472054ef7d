"""Which fences of a wearer do not count for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0006"
down_revision = "v0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("wearer", sa.Column("suspensions", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("wearer", "suspensions")
