"""What clients ask of single replies. A worker of an older version answers without it."""

from collections.abc import Sequence

import sqlalchemy as sa
from advanced_alchemy.types import GUID
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "reply_settings",
        sa.Column("reply_id", GUID(length=16), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("reply_id", name=op.f("pk_reply_settings")),
        sa.ForeignKeyConstraint(
            ["reply_id"], ["messages.id"], name=op.f("fk_reply_settings_reply_id"), ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("reply_settings")
