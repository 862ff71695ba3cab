"""Ids that clients gave their messages. Apart from those of rooms: no step may lock two tables that requests write."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    has_external_id = sa.text("external_id IS NOT NULL")
    op.add_column("messages", sa.Column("external_id", sa.String(255), nullable=True))
    op.create_index(
        "ix_messages_external",
        "messages",
        ["room_id", "external_id", "position"],
        unique=False,
        sqlite_where=has_external_id,
        postgresql_where=has_external_id,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_external", table_name="messages")
    op.drop_column("messages", "external_id")
