"""Prompts: conversations that a client gave whole, each in a hidden room of its own, which no search indexes.

The version before this one writes none. It may claim the reply to one, finds no question for it, and leaves it to the
next worker. It lists such a room as an archived one, for as long as the reply takes.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from advanced_alchemy.types import GUID
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TABLES = {"search_added_room": "rooms", "search_ended_reply": "messages"}


def _triggers(*, hidden: bool) -> tuple[str, str]:
    """The two triggers; with `hidden`, they leave out prompts, whose replies answer no message."""
    ended = "OLD.status IN ('pending', 'generating') AND NEW.status NOT IN ('pending', 'generating')"
    added = "1 = 1"
    if hidden:
        added, ended = "NOT NEW.hidden", f"{ended} AND NEW.reply_to IS NOT NULL"
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


def _replace_triggers(*, hidden: bool) -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for trigger, table in _TABLES.items():
        op.execute(f"DROP TRIGGER {trigger}" + (f" ON {table}" if is_postgresql else ""))
    for trigger in _triggers(hidden=hidden):
        op.execute(trigger)


def upgrade() -> None:
    op.add_column("rooms", sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "prompts",
        sa.Column("room_id", GUID(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_prompts_room_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_prompts")),
    )
    _replace_triggers(hidden=True)


def downgrade() -> None:
    _replace_triggers(hidden=False)
    op.drop_table("prompts")
    # The version before would show them.
    op.execute("DELETE FROM rooms WHERE hidden")
    op.drop_column("rooms", "hidden")
