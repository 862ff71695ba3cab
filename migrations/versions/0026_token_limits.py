"""Tokens that unfinished replies reserve, and what tokens cost. The version before this one writes neither."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_COUNTS = ("estimated_tokens", "priced_tokens", "cost", "reserved_tokens")


def upgrade() -> None:
    for count in _COUNTS:
        op.add_column("usage_days", sa.Column(count, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("reserved_tokens", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("plan", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "plan")
    op.drop_column("messages", "reserved_tokens")
    for count in reversed(_COUNTS):
        op.drop_column("usage_days", count)
