"""The head of a room that its account chose. Added without rewriting the table; an older version never chooses one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("shown_position", sa.Integer(), nullable=True))
    op.add_column("rooms", sa.Column("shown_since", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("rooms", "shown_since")
    op.drop_column("rooms", "shown_position")
