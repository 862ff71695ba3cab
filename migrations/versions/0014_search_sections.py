"""Sections of the search index. Apart from the next steps, as none may lock two tables that requests write."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "search_sections",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", GUID(length=16), nullable=False),
        sa.Column("texts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_sections")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_search_sections_account_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(
        op.f("ix_search_sections_account_id_number"), "search_sections", ["account_id", "number"], unique=False
    )


def downgrade() -> None:
    op.drop_table("search_sections")
