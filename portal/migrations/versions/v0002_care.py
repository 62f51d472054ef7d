"""Wearers, readings, alarms, incidents, commands and the sequence of changes."""

from __future__ import annotations

revision = "v0002"
down_revision = "v0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
