"""Codes are delivered by workers, and ended sessions are refused at once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID, DateTimeUTC

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", GUID(length=16), nullable=False),
        sa.Column("identity", sa.String(length=300), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("sealed_code", sa.LargeBinary(length=500), nullable=False),
        sa.Column("expires_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimable_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("identity", "purpose", name=op.f("uq_deliveries_identity_purpose")),
    )
    op.create_index(op.f("ix_deliveries_claimable_at"), "deliveries", ["claimable_at"], unique=False)
    op.create_index(op.f("ix_deliveries_expires_at"), "deliveries", ["expires_at"], unique=False)
    op.create_table(
        "revoked_sessions",
        sa.Column("session_id", GUID(length=16), nullable=False),
        sa.Column("until", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("revoked_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_revoked_sessions")),
    )
    op.create_index(op.f("ix_revoked_sessions_revoked_at"), "revoked_sessions", ["revoked_at"], unique=False)
    op.create_index(op.f("ix_revoked_sessions_until"), "revoked_sessions", ["until"], unique=False)
    op.add_column("sessions", sa.Column("user_agent", sa.String(length=300), nullable=True))
    op.create_index(op.f("ix_signups_identity"), "signups", ["identity"], unique=False)
    op.create_index(op.f("ix_refresh_tokens_used_at"), "refresh_tokens", ["used_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_refresh_tokens_used_at"), table_name="refresh_tokens")
    op.drop_index(op.f("ix_signups_identity"), table_name="signups")
    op.drop_column("sessions", "user_agent")
    op.drop_table("revoked_sessions")
    op.drop_table("deliveries")
