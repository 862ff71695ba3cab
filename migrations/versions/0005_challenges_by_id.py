"""Codes of one identity live side by side, failed guesses are counted without a window, and devices are known."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID, DateTimeUTC

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "code_challenges",
        sa.Column("id", GUID(length=16), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("identity", sa.String(length=300), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("code_mac", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("spent_at", DateTimeUTC(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_code_challenges")),
    )
    op.create_index(op.f("ix_code_challenges_identity"), "code_challenges", ["identity"], unique=False)
    op.create_index(op.f("ix_code_challenges_expires_at"), "code_challenges", ["expires_at"], unique=False)
    op.create_table(
        "messages_to_owners",
        sa.Column("id", GUID(length=16), nullable=False),
        sa.Column("identity", sa.String(length=300), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("encrypted_code", sa.LargeBinary(length=500), nullable=False),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimable_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages_to_owners")),
    )
    op.create_index(op.f("ix_messages_to_owners_identity"), "messages_to_owners", ["identity"], unique=False)
    op.create_index(op.f("ix_messages_to_owners_claimable_at"), "messages_to_owners", ["claimable_at"], unique=False)
    op.create_index(op.f("ix_messages_to_owners_expires_at"), "messages_to_owners", ["expires_at"], unique=False)
    op.create_table(
        "guess_failures",
        sa.Column("identity", sa.String(length=300), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_failed_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("notified_at", DateTimeUTC(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("identity", "source", name=op.f("pk_guess_failures")),
    )
    op.create_index(op.f("ix_guess_failures_last_failed_at"), "guess_failures", ["last_failed_at"], unique=False)
    op.create_table(
        "known_devices",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("identity", sa.String(length=300), nullable=False),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_known_devices")),
    )
    op.create_index(op.f("ix_known_devices_identity"), "known_devices", ["identity"], unique=False)
    op.create_index(op.f("ix_known_devices_expires_at"), "known_devices", ["expires_at"], unique=False)


def downgrade() -> None:
    for table in ("known_devices", "guess_failures", "messages_to_owners", "code_challenges"):
        op.drop_table(table)
