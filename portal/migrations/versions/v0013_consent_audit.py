"""Who decides for a wearer, what became of a guardianship, and an audit record that cannot be rewritten.

Changing and deleting audit entries is refused by the database itself, on both engines.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from flask import current_app

from portal.audit import mac
from portal.db import UtcDateTime

revision = "v0013"
down_revision = "v0012"
branch_labels = None
depends_on = None

SQLITE = (
    """CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
       BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END""",
    """CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry
       BEGIN SELECT RAISE(ABORT, 'the audit record is append-only'); END""",
)
POSTGRESQL = (
    """CREATE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'the audit record is append-only'; END $$""",
    """CREATE TRIGGER audit_entry_no_change BEFORE UPDATE OR DELETE ON audit_entry
       FOR EACH ROW EXECUTE FUNCTION audit_entry_refuse()""",
    """CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry
       FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse()""",
)


def upgrade() -> None:
    with op.batch_alter_table("guardianship") as batch:
        batch.add_column(sa.Column("decides", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("reason", sa.String(400), nullable=False, server_default=""))
        batch.add_column(sa.Column("ended_at", UtcDateTime(), nullable=True))
        batch.add_column(sa.Column("objected_at", UtcDateTime(), nullable=True))
    with op.batch_alter_table("guardianship") as batch:
        batch.alter_column("decides", server_default=None, existing_type=sa.Boolean(), existing_nullable=False)
        batch.alter_column("reason", server_default=None, existing_type=sa.String(400), existing_nullable=False)
    op.create_table(
        "audit_anchor",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.String(64), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_anchor")),
    )
    _anchor()
    for statement in POSTGRESQL if op.get_bind().dialect.name == "postgresql" else SQLITE:
        op.execute(statement)


def _anchor() -> None:
    """Anchor the record as it is now, once and for all: later, one without an anchor has lost it."""
    ask = op.get_bind().execute
    last = ask(sa.text("SELECT seq, seal FROM audit_entry ORDER BY seq DESC LIMIT 1")).first()
    if last is None:
        return
    entries = ask(sa.text("SELECT count(*) FROM audit_entry")).scalar_one()
    sealed = mac(current_app.config["PORTAL"].secret_key, last.seq, entries, last.seal)
    ask(
        sa.text("INSERT INTO audit_anchor (id, seq, entries, seal, mac) VALUES (1, :seq, :n, :seal, :mac)"),
        {"seq": last.seq, "n": entries, "seal": last.seal, "mac": sealed},
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_entry_no_truncate ON audit_entry")
        op.execute("DROP TRIGGER audit_entry_no_change ON audit_entry")
        op.execute("DROP FUNCTION audit_entry_refuse()")
    else:
        op.execute("DROP TRIGGER audit_entry_no_update")
        op.execute("DROP TRIGGER audit_entry_no_delete")
    op.drop_table("audit_anchor")
    with op.batch_alter_table("guardianship") as batch:
        for name in ("objected_at", "ended_at", "reason", "decides"):
            batch.drop_column(name)
