"""Which plans an account pays for, of any number of them, and the prices of its subscriptions.

The version before this one knows one paid plan, pro, and goes on writing `plans.paid_until`. That column counts for
accounts without a row in the new table, and this version writes it too.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID, DateTimeUTC

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "paid_plans",
        sa.Column("account_id", GUID(), nullable=False),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("paid_until", DateTimeUTC(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_paid_plans_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "plan", name=op.f("pk_paid_plans")),
    )
    op.add_column("subscriptions", sa.Column("prices", sa.Text()))
    with op.batch_alter_table("plans") as plans:
        plans.alter_column("override", existing_type=sa.String(16), type_=sa.String(64))


def downgrade() -> None:
    # Plans that the version before does not know would be refused by its shorter column.
    op.execute("UPDATE plans SET override = NULL WHERE length(override) > 16")
    with op.batch_alter_table("plans") as plans:
        plans.alter_column("override", existing_type=sa.String(64), type_=sa.String(16))
    op.drop_column("subscriptions", "prices")
    op.drop_table("paid_plans")
