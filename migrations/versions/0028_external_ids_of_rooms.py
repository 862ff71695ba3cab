"""Ids that clients gave their rooms. Added without rewriting the table; an older version reads none."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    has_external_id = sa.text("external_id IS NOT NULL")
    op.add_column("rooms", sa.Column("external_id", sa.String(255), nullable=True))
    op.create_index(
        "ix_rooms_external",
        "rooms",
        ["account_id", "external_id"],
        unique=True,
        sqlite_where=has_external_id,
        postgresql_where=has_external_id,
    )


def downgrade() -> None:
    op.drop_index("ix_rooms_external", table_name="rooms")
    op.drop_column("rooms", "external_id")
