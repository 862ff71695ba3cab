"""Names and values that clients attach to rooms. A process of an older version does not see them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("metadata", sa.Text()))


def downgrade() -> None:
    op.drop_column("rooms", "metadata")
