"""Webhooks to the operator's servers: events that are to be delivered, and the plans that they have told."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID, DateTimeUTC

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", GUID(), nullable=False),
        sa.Column("event_id", GUID(), nullable=False),
        sa.Column("endpoint", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("account_id", GUID(), nullable=False),
        sa.Column("occurred_at", DateTimeUTC(timezone=True), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("personal", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.String(300)),
        sa.Column("claimable_at", DateTimeUTC(timezone=True)),
        sa.Column("gives_up_at", DateTimeUTC(timezone=True)),
        sa.Column("ended_at", DateTimeUTC(timezone=True)),
        sa.Column("delivered_at", DateTimeUTC(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("event_id", "endpoint", name=op.f("uq_webhook_deliveries_event_id_endpoint")),
    )
    for columns in (["endpoint", "claimable_at"], ["account_id"], ["gives_up_at"], ["ended_at"]):
        op.create_index(op.f(f"ix_webhook_deliveries_{'_'.join(columns)}"), "webhook_deliveries", columns, unique=False)
    op.create_table(
        "reported_plans",
        sa.Column("account_id", GUID(), nullable=False),
        sa.Column("plan", sa.String(64)),
        sa.Column("changes_at", DateTimeUTC(timezone=True)),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_reported_plans_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_reported_plans")),
    )
    op.create_index(op.f("ix_reported_plans_changes_at"), "reported_plans", ["changes_at"], unique=False)


def downgrade() -> None:
    op.drop_table("reported_plans")
    op.drop_table("webhook_deliveries")
