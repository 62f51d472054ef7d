"""The history of readings by month on PostgreSQL: a month is dropped as a whole, and asked alone."""

from __future__ import annotations

from alembic import op

revision = "v0012"
down_revision = "v0011"
branch_labels = None
depends_on = None

INDEXES = {"fix_history": "wearer_id, at_ms", "vital_history": "wearer_id, kind, at_ms"}
INDEX_NAMES = {"fix_history": "ix_fix_history_wearer_at", "vital_history": "ix_vital_history_wearer_kind_at"}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in INDEXES:
        _rebuild(table, " PARTITION BY RANGE (at_ms)", key="id, at_ms", default=True)


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in INDEXES:
        _rebuild(table, "", key="id", default=False)


def _rebuild(table: str, how: str, *, key: str, default: bool) -> None:
    """Make the table anew and move every row; its numbers go on where they were."""
    old = f"{table}_before"
    op.execute(f"ALTER TABLE {table} RENAME TO {old}")
    op.execute(f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS){how}")
    op.execute(f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
    if default:
        op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
    op.execute(f"INSERT INTO {table} SELECT * FROM {old}")
    op.execute(f"DROP TABLE {old} CASCADE")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    op.execute(f"CREATE INDEX {INDEX_NAMES[table]} ON {table} ({INDEXES[table]})")
