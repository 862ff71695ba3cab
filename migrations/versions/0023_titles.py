"""Titles of rooms that models write. Rooms from before have names from their accounts, as those of an older version."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID, DateTimeUTC

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("naming", sa.String(length=16), server_default="user", nullable=False))
    op.create_table(
        "title_jobs",
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("charged_on", sa.Date(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimable_at", DateTimeUTC(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_title_jobs")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_title_jobs_room_id"), ondelete="CASCADE"),
    )
    op.create_index(op.f("ix_title_jobs_claimable_at"), "title_jobs", ["claimable_at"], unique=False)


def downgrade() -> None:
    op.drop_table("title_jobs")
    op.drop_column("rooms", "naming")
