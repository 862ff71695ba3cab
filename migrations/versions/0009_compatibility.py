"""The oldest version whose processes work with this schema, for those that start while a newer one is rolled out.

Versions before this one do not look at it, and refuse every newer schema when they start.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    table = op.create_table(
        "schema_compatibility",
        sa.Column("oldest_revision", sa.String(4), nullable=False),
        sa.PrimaryKeyConstraint("oldest_revision", name=op.f("pk_schema_compatibility")),
    )
    op.bulk_insert(table, [{"oldest_revision": "0006"}])


def downgrade() -> None:
    op.drop_table("schema_compatibility")
