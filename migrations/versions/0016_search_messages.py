"""Triggers that queue messages for the search index, also those that the version before this one writes.

Messages are older than the index: workers of the new version queue and index them in batches, from the first room on.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from parley.adapters.sql.engine.column_types import GUID

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_POSTGRESQL = (
    """
    CREATE FUNCTION queue_message_for_search() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO search_queue (account_id, room_id, position)
        VALUES (NEW.account_id, NEW.room_id, NEW.position)
        ON CONFLICT (account_id, room_id, position) DO UPDATE SET position = excluded.position;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER search_added_message AFTER INSERT ON messages
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'generating')) EXECUTE FUNCTION queue_message_for_search()
    """,
    """
    CREATE TRIGGER search_ended_reply AFTER UPDATE OF status ON messages
    FOR EACH ROW WHEN (OLD.status IN ('pending', 'generating') AND NEW.status NOT IN ('pending', 'generating'))
    EXECUTE FUNCTION queue_message_for_search()
    """,
)
_SQLITE = (
    """
    CREATE TRIGGER search_added_message AFTER INSERT ON messages
    WHEN NEW.status NOT IN ('pending', 'generating') BEGIN
        INSERT INTO search_queue (account_id, room_id, position)
        VALUES (NEW.account_id, NEW.room_id, NEW.position) ON CONFLICT DO NOTHING;
    END
    """,
    """
    CREATE TRIGGER search_ended_reply AFTER UPDATE OF status ON messages
    WHEN OLD.status IN ('pending', 'generating') AND NEW.status NOT IN ('pending', 'generating') BEGIN
        INSERT INTO search_queue (account_id, room_id, position)
        VALUES (NEW.account_id, NEW.room_id, NEW.position) ON CONFLICT DO NOTHING;
    END
    """,
)


def upgrade() -> None:
    op.create_table(
        "search_backlog",
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_search_backlog")),
    )
    for statement in _POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)
    # After the triggers, which miss nothing from then on.
    op.execute(
        "INSERT INTO search_backlog (room_id, position) SELECT room_id, 0 FROM messages ORDER BY room_id LIMIT 1"
    )


def downgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for trigger in ("search_added_message", "search_ended_reply"):
        op.execute(f"DROP TRIGGER {trigger}" + (" ON messages" if is_postgresql else ""))
    if is_postgresql:
        op.execute("DROP FUNCTION queue_message_for_search()")
    op.drop_table("search_backlog")
