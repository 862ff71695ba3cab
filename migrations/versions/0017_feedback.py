"""What the account thinks of a reply. The version before this one neither reads nor writes it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("rating", sa.String(length=8), nullable=True))
    op.add_column("messages", sa.Column("rating_comment", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "rating_comment")
    op.drop_column("messages", "rating")
