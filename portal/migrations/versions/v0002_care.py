"""Wearers, readings, alarms, incidents, commands, the sequence of changes and the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import portal.db

revision = "v0002"
down_revision = "v0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("seq", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_entry")),
        sa.UniqueConstraint("seal", name=op.f("uq_audit_entry_seal")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_entry_subject"), "audit_entry", ["subject"], unique=False)
    op.create_table(
        "change",
        sa.Column("seq", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Integer(), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_change")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "fix_history",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("accuracy_m", sa.Double(), nullable=True),
        sa.Column("speed_m_s", sa.Double(), nullable=True),
        sa.Column("source", sa.String(length=8), nullable=True),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("backlog", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fix_history")),
    )
    op.create_index("ix_fix_history_wearer_at", "fix_history", ["wearer_id", "at_ms"], unique=False)
    op.create_table(
        "gateway_line",
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("through_seq", sa.BigInteger(), nullable=False),
        sa.Column("heard_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("last_command", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_command", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_gateway_line")),
    )
    op.create_table(
        "vital_history",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("second", sa.Double(), nullable=True),
        sa.Column("backlog", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vital_history")),
    )
    op.create_index(
        "ix_vital_history_wearer_kind_at", "vital_history", ["wearer_id", "kind", "at_ms"], unique=False
    )
    op.create_table(
        "wearer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("community", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("birth_year", sa.Integer(), nullable=True),
        sa.Column("home", sa.String(length=160), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("fences", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wearer")),
        sa.UniqueConstraint("gateway", "code", name=op.f("uq_wearer_gateway_code")),
    )
    op.create_index(op.f("ix_wearer_community"), "wearer", ["community"], unique=False)
    op.create_table(
        "alarm",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=160), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("at", portal.db.UtcDateTime(), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=True),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["wearer_id"], ["wearer.id"], name=op.f("fk_alarm_wearer_id_wearer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
        sa.UniqueConstraint("gateway", "code", name=op.f("uq_alarm_gateway_code")),
    )
    op.create_index(op.f("ix_alarm_at"), "alarm", ["at"], unique=False)
    op.create_index(op.f("ix_alarm_wearer_id"), "alarm", ["wearer_id"], unique=False)
    op.create_table(
        "incident",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("opened_at", portal.db.UtcDateTime(), nullable=False),
        sa.Column("view", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["wearer_id"], ["wearer.id"], name=op.f("fk_incident_wearer_id_wearer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sa.UniqueConstraint("gateway", "code", name=op.f("uq_incident_gateway_code")),
    )
    op.create_index(op.f("ix_incident_code"), "incident", ["code"], unique=False)
    op.create_index(op.f("ix_incident_opened_at"), "incident", ["opened_at"], unique=False)
    op.create_index(op.f("ix_incident_state"), "incident", ["state"], unique=False)
    op.create_index(op.f("ix_incident_wearer_id"), "incident", ["wearer_id"], unique=False)
    op.create_table(
        "wearer_contact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("relation", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["wearer_id"], ["wearer.id"], name=op.f("fk_wearer_contact_wearer_id_wearer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wearer_contact")),
    )
    op.create_index(op.f("ix_wearer_contact_phone"), "wearer_contact", ["phone"], unique=False)
    op.create_index(op.f("ix_wearer_contact_wearer_id"), "wearer_contact", ["wearer_id"], unique=False)
    op.create_table(
        "wearer_state",
        sa.Column("wearer_id", sa.Integer(), nullable=False),
        sa.Column("heard_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("fix_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("accuracy_m", sa.Double(), nullable=True),
        sa.Column("source", sa.String(length=8), nullable=True),
        sa.Column("speed_m_s", sa.Double(), nullable=True),
        sa.Column("heart_rate_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("heart_rate_bpm", sa.Double(), nullable=True),
        sa.Column("blood_pressure_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("systolic_mmhg", sa.Double(), nullable=True),
        sa.Column("diastolic_mmhg", sa.Double(), nullable=True),
        sa.Column("spo2_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("spo2_pct", sa.Double(), nullable=True),
        sa.Column("body_temp_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("body_temp_c", sa.Double(), nullable=True),
        sa.Column("steps_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=True),
        sa.Column("battery_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("battery_pct", sa.Double(), nullable=True),
        sa.Column("worn_at", portal.db.UtcDateTime(), nullable=True),
        sa.Column("worn", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["wearer_id"], ["wearer.id"], name=op.f("fk_wearer_state_wearer_id_wearer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("wearer_id", name=op.f("pk_wearer_state")),
    )
    op.create_table(
        "gateway_command",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("command", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("by_user", sa.Integer(), nullable=True),
        sa.Column("created_at", portal.db.UtcDateTime(), nullable=False),
        sa.Column("ended_at", portal.db.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["by_user"], ["user_account.id"], name=op.f("fk_gateway_command_by_user_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_command")),
        sa.UniqueConstraint("gateway", "command", name=op.f("uq_gateway_command_gateway_command")),
        sa.UniqueConstraint("gateway", "number", name=op.f("uq_gateway_command_gateway_number")),
    )
    op.create_index(op.f("ix_gateway_command_incident"), "gateway_command", ["incident"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_gateway_command_incident"), table_name="gateway_command")
    op.drop_table("gateway_command")
    op.drop_table("wearer_state")
    op.drop_index(op.f("ix_wearer_contact_wearer_id"), table_name="wearer_contact")
    op.drop_index(op.f("ix_wearer_contact_phone"), table_name="wearer_contact")
    op.drop_table("wearer_contact")
    op.drop_index(op.f("ix_incident_wearer_id"), table_name="incident")
    op.drop_index(op.f("ix_incident_state"), table_name="incident")
    op.drop_index(op.f("ix_incident_opened_at"), table_name="incident")
    op.drop_index(op.f("ix_incident_code"), table_name="incident")
    op.drop_table("incident")
    op.drop_index(op.f("ix_alarm_wearer_id"), table_name="alarm")
    op.drop_index(op.f("ix_alarm_at"), table_name="alarm")
    op.drop_table("alarm")
    op.drop_index(op.f("ix_wearer_community"), table_name="wearer")
    op.drop_table("wearer")
    op.drop_index("ix_vital_history_wearer_kind_at", table_name="vital_history")
    op.drop_table("vital_history")
    op.drop_table("gateway_line")
    op.drop_index("ix_fix_history_wearer_at", table_name="fix_history")
    op.drop_table("fix_history")
    op.drop_table("change")
    op.drop_index(op.f("ix_audit_entry_subject"), table_name="audit_entry")
    op.drop_table("audit_entry")
