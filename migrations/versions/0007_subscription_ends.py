"""What else ends a subscription than its status, and which customers the payment provider does not know any more.

The version before this one neither reads nor writes these columns.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import DateTimeUTC

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("cancel_at", DateTimeUTC(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("is_paused", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("subscriptions", sa.Column("price_ended_at", DateTimeUTC(timezone=True), nullable=True))
    op.add_column("customers", sa.Column("is_gone", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("customers", "is_gone")
    for column in ("price_ended_at", "is_paused", "cancel_at"):
        op.drop_column("subscriptions", column)
