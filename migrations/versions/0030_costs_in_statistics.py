"""What models cost, in the statistics of days. What an older version notes has no price."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("noted_statistics", sa.Column("priced_tokens", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("noted_statistics", sa.Column("cost", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("noted_statistics", "cost")
    op.drop_column("noted_statistics", "priced_tokens")
