"""Prompts: conversations that a client gave whole, each in a hidden room of its own, which no search indexes.

The version before this one writes none. It may claim the reply to one, finds no question for it, and leaves it to the
next worker. It lists such a room as an archived one, for as long as the reply takes.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TABLES = {"search_added_room": "rooms", "search_ended_reply": "messages"}


def _triggers(*, prompts: bool) -> tuple[str, str]:
    """The two triggers; with `prompts` they leave those out. Replies to them answer no message."""
    ended = "OLD.status IN ('pending', 'generating') AND NEW.status NOT IN ('pending', 'generating')"
    added = "1 = 1"
    if prompts:
        added, ended = "NEW.prompt IS NULL", f"{ended} AND NEW.reply_to IS NOT NULL"
    room, message = "AFTER INSERT ON rooms", "AFTER UPDATE OF status ON messages"
    if op.get_bind().dialect.name == "postgresql":
        on_room = f"{room} FOR EACH ROW WHEN ({added}) EXECUTE FUNCTION queue_room_for_search()"
        on_message = f"{message} FOR EACH ROW WHEN ({ended}) EXECUTE FUNCTION queue_message_for_search()"
    else:
        queue = "BEGIN INSERT INTO search_queue (account_id, room_id, position) VALUES"
        on_room = f"{room} WHEN {added} {queue} (NEW.account_id, NEW.id, 0) ON CONFLICT DO NOTHING; END"
        ids = "(NEW.account_id, NEW.room_id, NEW.position)"
        on_message = f"{message} WHEN {ended} {queue} {ids} ON CONFLICT DO NOTHING; END"
    return f"CREATE TRIGGER search_added_room {on_room}", f"CREATE TRIGGER search_ended_reply {on_message}"


def _replace_triggers(*, prompts: bool) -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for trigger, table in _TABLES.items():
        op.execute(f"DROP TRIGGER {trigger}" + (f" ON {table}" if is_postgresql else ""))
    for trigger in _triggers(prompts=prompts):
        op.execute(trigger)


def upgrade() -> None:
    op.add_column("rooms", sa.Column("prompt", sa.Text()))
    is_prompt = sa.text("prompt IS NOT NULL")
    op.create_index("ix_rooms_prompts", "rooms", ["id"], sqlite_where=is_prompt, postgresql_where=is_prompt)
    _replace_triggers(prompts=True)


def downgrade() -> None:
    _replace_triggers(prompts=False)
    # The version before would show them.
    op.execute("DELETE FROM rooms WHERE prompt IS NOT NULL")
    op.drop_index("ix_rooms_prompts", table_name="rooms")
    op.drop_column("rooms", "prompt")
