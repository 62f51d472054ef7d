"""One tree of places with paths, roles given at a place, the register, guardianships and consents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UtcDateTime

revision = "v0010"
down_revision = "v0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("organisation") as batch:
        batch.add_column(sa.Column("path", sa.String(length=200), nullable=False, server_default=""))
        batch.add_column(sa.Column("community", sa.String(length=64), nullable=False, server_default=""))
    _fill_the_tree()
    with op.batch_alter_table("organisation") as batch:
        batch.alter_column("path", existing_type=sa.String(length=200), server_default=None)
        batch.alter_column("community", existing_type=sa.String(length=64), server_default=None)
        batch.create_index(op.f("ix_organisation_path"), ["path"])
    op.create_table(
        "role_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("given_by", sa.Integer(), nullable=True),
        sa.Column("given_at", UtcDateTime(), nullable=True),
        _to("role_grant", "user_id", "user_account", ondelete="CASCADE"),
        _to("role_grant", "role_id", "role", ondelete="CASCADE"),
        _to("role_grant", "organisation_id", "organisation"),
        _to("role_grant", "given_by", "user_account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grant")),
        sa.UniqueConstraint(
            "user_id", "role_id", "organisation_id", name=op.f("uq_role_grant_user_id_role_id_organisation_id")
        ),
    )
    op.create_index(op.f("ix_role_grant_organisation_id"), "role_grant", ["organisation_id"])
    op.execute(
        "INSERT INTO role_grant (user_id, role_id, organisation_id)"
        " SELECT a.user_id, a.role_id, u.organisation_id FROM account_roles a"
        " JOIN user_account u ON u.id = a.user_id WHERE u.organisation_id IS NOT NULL"
    )
    op.drop_table("account_roles")
    with op.batch_alter_table("user_account") as batch:
        batch.drop_index("ix_user_account_organisation_id")
        batch.drop_column("organisation_id")
    _people()
    with op.batch_alter_table("wearer") as batch:
        batch.add_column(sa.Column("place", sa.String(length=200), nullable=False, server_default=""))
        batch.add_column(sa.Column("resident_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_wearer_resident_id_resident"), "resident", ["resident_id"], ["id"], ondelete="SET NULL"
        )
    op.execute(
        "UPDATE wearer SET place = coalesce("
        "(SELECT o.path FROM organisation o WHERE o.code = wearer.community AND o.kind = 'community'), '')"
    )
    with op.batch_alter_table("wearer") as batch:
        batch.alter_column("place", existing_type=sa.String(length=200), server_default=None)


def _people() -> None:
    op.create_table(
        "resident",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("community", sa.String(length=64), nullable=False),
        sa.Column("household_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("sex", sa.String(length=8), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("id_number_sealed", sa.Text(), nullable=True),
        sa.Column("id_number_digest", sa.String(length=64), nullable=True),
        sa.Column("relation", sa.String(length=40), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("left_at", UtcDateTime(), nullable=True),
        _to("resident", "household_id", "organisation"),
        _to("resident", "user_id", "user_account", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident")),
        sa.UniqueConstraint("user_id", name=op.f("uq_resident_user_id")),
    )
    for column in ("community", "household_id", "phone", "id_number_digest"):
        op.create_index(op.f(f"ix_resident_{column}"), "resident", [column])
    op.create_table(
        "guardianship",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("relation", sa.String(length=40), nullable=False),
        sa.Column("basis", sa.String(length=24), nullable=False),
        sa.Column("proof", sa.String(length=400), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.Column("judged_by", sa.Integer(), nullable=True),
        sa.Column("judged_at", UtcDateTime(), nullable=True),
        sa.Column("until", UtcDateTime(), nullable=True),
        _to("guardianship", "wearer_id", "wearer", ondelete="CASCADE"),
        _to("guardianship", "user_id", "user_account", ondelete="CASCADE"),
        _to("guardianship", "judged_by", "user_account", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardianship")),
    )
    for column in ("wearer_id", "user_id"):
        op.create_index(op.f(f"ix_guardianship_{column}"), "guardianship", [column])
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("data", sa.String(length=16), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=24), nullable=False),
        sa.Column("given_by", sa.String(length=120), nullable=False),
        sa.Column("proof", sa.String(length=400), nullable=False),
        sa.Column("recorded_by", sa.Integer(), nullable=True),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=120), nullable=False),
        _to("consent", "wearer_id", "wearer", ondelete="CASCADE"),
        _to("consent", "recorded_by", "user_account", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_wearer_id"), "consent", ["wearer_id"])


def _to(table: str, column: str, target: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target}")
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)


def _fill_the_tree() -> None:
    """Give every place its path and its community, parents first."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, code, kind, parent_id FROM organisation")).all()
    places = {row.id: row for row in rows}

    def line(row: sa.Row[tuple[int, str, str, int | None]]) -> list[sa.Row[tuple[int, str, str, int | None]]]:
        above = line(places[row.parent_id]) if row.parent_id in places else []
        return [*above, row]

    for row in rows:
        steps = line(row)
        community = next((step.code for step in reversed(steps) if step.kind == "community"), "")
        path = "/" + "".join(f"{step.id}/" for step in steps)
        connection.execute(
            sa.text("UPDATE organisation SET path = :path, community = :community WHERE id = :id"),
            {"path": path, "community": community, "id": row.id},
        )


def downgrade() -> None:
    op.create_table(
        "account_roles",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("role_id", sa.Integer, sa.ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
    )
    with op.batch_alter_table("user_account") as batch:
        batch.add_column(sa.Column("organisation_id", sa.Integer(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_user_account_organisation_id_organisation"), "organisation", ["organisation_id"], ["id"]
        )
        batch.create_index("ix_user_account_organisation_id", ["organisation_id"])
    op.execute("INSERT INTO account_roles SELECT DISTINCT user_id, role_id FROM role_grant")
    op.execute(
        "UPDATE user_account SET organisation_id ="
        " (SELECT min(g.organisation_id) FROM role_grant g WHERE g.user_id = user_account.id)"
    )
    with op.batch_alter_table("wearer") as batch:
        batch.drop_constraint(op.f("fk_wearer_resident_id_resident"), type_="foreignkey")
        batch.drop_column("resident_id")
        batch.drop_column("place")
    for table in ("consent", "guardianship", "resident", "role_grant"):
        op.drop_table(table)
    with op.batch_alter_table("organisation") as batch:
        batch.drop_index(op.f("ix_organisation_path"))
        batch.drop_column("community")
        batch.drop_column("path")
