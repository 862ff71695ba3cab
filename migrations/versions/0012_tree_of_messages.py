"""Where messages are in the tree: see adapters/sql/chat/tree.py.

The columns are added without rewriting the table, and their default values are right for what an older version adds.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("parent_id", GUID(length=16), nullable=True))
    op.add_column("messages", sa.Column("run", sa.Integer(), server_default="1", nullable=False))
    op.add_column("messages", sa.Column("sibling", sa.Integer(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("forked_from", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("first_sibling", sa.Integer(), nullable=True))


def downgrade() -> None:
    for column in ("first_sibling", "forked_from", "sibling", "run", "parent_id"):
        op.drop_column("messages", column)
