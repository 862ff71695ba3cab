"""Parts, finish reasons and more token counts of messages.

Every new column may be null, which is also what the version before this one writes while both run.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("parts", sa.Text(), nullable=True))
    op.add_column("messages", sa.Column("finish_reason", sa.String(length=16), nullable=True))
    op.add_column("messages", sa.Column("cached_input_tokens", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("reasoning_tokens", sa.Integer(), nullable=True))


def downgrade() -> None:
    for column in ("reasoning_tokens", "cached_input_tokens", "finish_reason", "parts"):
        op.drop_column("messages", column)
