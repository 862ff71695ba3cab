"""Suspended accounts, and indexes to search accounts by. An older version accepts tokens of suspended accounts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import DateTimeUTC

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_CHANGED = sa.text("suspension_changed_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("suspended_at", DateTimeUTC(timezone=True)))
    op.add_column("accounts", sa.Column("suspension_changed_at", DateTimeUTC(timezone=True)))
    op.create_index(
        "ix_accounts_suspension_changed_at",
        "accounts",
        ["suspension_changed_at"],
        sqlite_where=_CHANGED,
        postgresql_where=_CHANGED,
    )
    for column in ("email", "mobile_number"):
        op.create_index(
            f"ix_accounts_{column}_start", "accounts", [column], postgresql_ops={column: "text_pattern_ops"}
        )
    op.create_index("ix_paid_plans_plan", "paid_plans", ["plan"])
    op.create_index("ix_plans_override", "plans", ["override"])


def downgrade() -> None:
    op.drop_index("ix_plans_override", table_name="plans")
    op.drop_index("ix_paid_plans_plan", table_name="paid_plans")
    for name in ("mobile_number_start", "email_start", "suspension_changed_at"):
        op.drop_index(f"ix_accounts_{name}", table_name="accounts")
    op.drop_column("accounts", "suspension_changed_at")
    op.drop_column("accounts", "suspended_at")
