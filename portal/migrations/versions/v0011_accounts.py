"""Second factors, passkeys, sign-ins that can be ended, codes by text, cards of elders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.db import UtcDateTime

revision = "v0011"
down_revision = "v0010"
branch_labels = None
depends_on = None


def _to(table: str, column: str, other: str, *, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def upgrade() -> None:
    with op.batch_alter_table("user_account") as batch:
        batch.alter_column("phone", existing_type=sa.String(length=20), nullable=True)
        batch.add_column(sa.Column("made_at", UtcDateTime(), nullable=True))
        batch.add_column(sa.Column("closed_at", UtcDateTime(), nullable=True))
        batch.add_column(sa.Column("failed_sign_ins", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("locked_until", UtcDateTime(), nullable=True))
        batch.add_column(sa.Column("tf_primary_method", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("tf_totp_secret", sa.String(length=255), nullable=True))
        batch.add_column(sa.Column("totp_last_counter", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("mf_recovery_codes", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("fs_webauthn_user_handle", sa.String(length=64), nullable=True))
        batch.create_unique_constraint(
            op.f("uq_user_account_fs_webauthn_user_handle"), ["fs_webauthn_user_handle"]
        )
    with op.batch_alter_table("user_account") as batch:
        batch.alter_column("failed_sign_ins", existing_type=sa.Integer(), server_default=None)
    _passkeys()
    _sign_ins()
    _cards()


def _passkeys() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=True),
        sa.Column("transports", sa.JSON(), nullable=True),
        sa.Column("backup_state", sa.Boolean(), nullable=False),
        sa.Column("device_type", sa.String(length=64), nullable=False),
        sa.Column("extensions", sa.String(length=255), nullable=True),
        sa.Column("create_datetime", UtcDateTime(), nullable=False),
        sa.Column("lastuse_datetime", UtcDateTime(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("usage", sa.String(length=64), nullable=False),
        _to("passkey", "user_id", "user_account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    op.create_index(op.f("ix_passkey_user_id"), "passkey", ["user_id"])


def _sign_ins() -> None:
    op.create_table(
        "sign_in",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("way", sa.String(length=24), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("browser", sa.String(length=80), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("capacity", sa.String(length=120), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        _to("sign_in", "user_id", "user_account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("digest", name=op.f("uq_sign_in_digest")),
    )
    op.create_index(op.f("ix_sign_in_user_id"), "sign_in", ["user_id"])
    op.create_table(
        "phone_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_code")),
    )
    op.create_index("ix_phone_code_phone_purpose", "phone_code", ["phone", "purpose"])
    op.create_index(op.f("ix_phone_code_sender"), "phone_code", ["sender"])
    op.create_index(op.f("ix_phone_code_sent_at"), "phone_code", ["sent_at"])


def _cards() -> None:
    op.create_table(
        "access_card",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("pin", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("resident_id", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        _to("access_card", "user_id", "user_account"),
        _to("access_card", "resident_id", "resident"),
        _to("access_card", "made_by", "user_account", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_card")),
        sa.UniqueConstraint("number", name=op.f("uq_access_card_number")),
    )
    op.create_index(op.f("ix_access_card_user_id"), "access_card", ["user_id"])
    op.create_index(op.f("ix_access_card_resident_id"), "access_card", ["resident_id"])


def downgrade() -> None:
    for table in ("access_card", "phone_code", "sign_in", "passkey"):
        op.drop_table(table)
    op.execute("DELETE FROM user_account WHERE phone IS NULL")
    with op.batch_alter_table("user_account") as batch:
        batch.drop_constraint(op.f("uq_user_account_fs_webauthn_user_handle"), type_="unique")
        for column in (
            "fs_webauthn_user_handle",
            "mf_recovery_codes",
            "totp_last_counter",
            "tf_totp_secret",
            "tf_primary_method",
            "locked_until",
            "failed_sign_ins",
            "closed_at",
            "made_at",
        ):
            batch.drop_column(column)
        batch.alter_column("phone", existing_type=sa.String(length=20), nullable=False)
