"""What erased accounts had used of the day's quota, and how often a message was returned that a model refused.

The version before this one returns every message, and begins a new quota after an erasure, as it always did.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("usage_days", sa.Column("returned_refusals", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "erased_usage",
        sa.Column("owner", sa.LargeBinary(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("returned_refusals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "day"),
    )
    op.create_index("ix_erased_usage_day", "erased_usage", ["day"])


def downgrade() -> None:
    op.drop_table("erased_usage")
    op.drop_column("usage_days", "returned_refusals")
