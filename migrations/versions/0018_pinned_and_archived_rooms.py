"""Rooms that their account pinned or archived. An older version lists all of them by their activity."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("rooms", sa.Column("archived", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_rooms_listed", "rooms", ["account_id", "archived", "pinned", "active_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_rooms_listed", table_name="rooms")
    op.drop_column("rooms", "archived")
    op.drop_column("rooms", "pinned")
