"""Every message has its parent, and the tree its indexes.

`parley migrate` has given most messages theirs before, in batches; see adapters/sql/engine/parents.py. Here come the
others. What is locked meanwhile, or added by an older version later, is read as if it had a parent.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

FILL = """
    UPDATE messages SET parent_id = coalesce(reply_to, (
        SELECT previous.id FROM messages previous
        WHERE previous.room_id = messages.room_id AND previous.run = messages.run
        AND previous.position < messages.position
        ORDER BY previous.position DESC LIMIT 1
    ))
    WHERE id IN (SELECT id FROM messages WHERE parent_id IS NULL AND position > run {unlocked})
"""


def upgrade() -> None:
    is_fork = sa.text("sibling > 0")
    op.create_index("ix_messages_run", "messages", ["room_id", "run", "position"], unique=False)
    op.create_index(
        "ix_messages_forks",
        "messages",
        ["room_id", "forked_from", "first_sibling", "sibling"],
        unique=False,
        sqlite_where=is_fork,
        postgresql_where=is_fork,
    )
    unlocked = "FOR UPDATE SKIP LOCKED" if op.get_bind().dialect.name == "postgresql" else ""
    op.execute(FILL.format(unlocked=unlocked))


def downgrade() -> None:
    op.drop_index("ix_messages_forks", table_name="messages")
    op.drop_index("ix_messages_run", table_name="messages")
