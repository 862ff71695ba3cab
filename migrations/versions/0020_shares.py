"""Shared copies of conversations. The version before this one neither reads nor writes them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID, DateTimeUTC

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("last_position", sa.Integer(), nullable=False),
        sa.Column("created_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_shares")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_shares_room_id"), ondelete="CASCADE"),
        sa.UniqueConstraint("token", name=op.f("uq_shares_token")),
    )


def downgrade() -> None:
    op.drop_table("shares")
