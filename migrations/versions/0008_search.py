"""A search index, which the database's own triggers tell of every message, also those of the version before this one.

Names of rooms are queued here. Messages are older than the index: workers of the new version queue and index them in
batches, from the first room on.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from advanced_alchemy.types import GUID
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_DDL = {
    "postgresql": (
        # Rows of this table stay small, since a search reads many of them and ranks few.
        "ALTER TABLE search_texts ALTER COLUMN terms SET STORAGE EXTERNAL",
        "ALTER TABLE search_texts SET (toast_tuple_target = 128)",
        """
        CREATE FUNCTION queue_message_for_search() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO search_queue (account_id, room_id, position)
            VALUES (NEW.account_id, NEW.room_id, NEW.position)
            ON CONFLICT (account_id, room_id, position) DO UPDATE SET position = excluded.position;
            RETURN NULL;
        END $$
        """,
        # An update, so that a name that changes while the one before is indexed waits for that, and is queued again.
        """
        CREATE FUNCTION queue_room_for_search() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO search_queue (account_id, room_id, position) VALUES (NEW.account_id, NEW.id, 0)
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
        """
        CREATE TRIGGER search_added_room AFTER INSERT ON rooms
        FOR EACH ROW EXECUTE FUNCTION queue_room_for_search()
        """,
        """
        CREATE TRIGGER search_renamed_room AFTER UPDATE OF name ON rooms
        FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION queue_room_for_search()
        """,
    ),
    "sqlite": (
        # ASCII's tokenizer: every other character belongs to a word. The terms are folded already.
        """
        CREATE VIRTUAL TABLE search_words
        USING fts5(terms, content='search_texts', content_rowid='number', tokenize="ascii tokenchars ':'")
        """,
        """
        CREATE TRIGGER search_added_text AFTER INSERT ON search_texts BEGIN
            INSERT INTO search_words (rowid, terms) VALUES (NEW.number, NEW.terms);
        END
        """,
        """
        CREATE TRIGGER search_deleted_text AFTER DELETE ON search_texts BEGIN
            INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', OLD.number, OLD.terms);
        END
        """,
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
        """
        CREATE TRIGGER search_added_room AFTER INSERT ON rooms BEGIN
            INSERT INTO search_queue (account_id, room_id, position)
            VALUES (NEW.account_id, NEW.id, 0) ON CONFLICT DO NOTHING;
        END
        """,
        """
        CREATE TRIGGER search_renamed_room AFTER UPDATE OF name ON rooms WHEN NEW.name <> OLD.name BEGIN
            INSERT INTO search_queue (account_id, room_id, position)
            VALUES (NEW.account_id, NEW.id, 0) ON CONFLICT DO NOTHING;
        END
        """,
    ),
}


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "search_queue",
        sa.Column("account_id", GUID(length=16), nullable=False),
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "room_id", "position", name=op.f("pk_search_queue")),
    )
    op.create_table(
        "search_backlog",
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_search_backlog")),
    )
    op.create_table(
        "search_sections",
        sa.Column("number", number, nullable=False),
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
    op.create_table(
        "search_texts",
        sa.Column("number", number, nullable=False),
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("terms", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_texts")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_search_texts_room_id"), ondelete="CASCADE"),
        sa.UniqueConstraint("room_id", "position", name=op.f("uq_search_texts_room_id_position")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            op.f("ix_search_texts_terms"),
            "search_texts",
            ["terms"],
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 256},
        )
    for statement in _DDL[op.get_bind().dialect.name]:
        op.execute(statement)
    # After the triggers, which miss nothing from then on.
    op.execute("INSERT INTO search_queue (account_id, room_id, position) SELECT account_id, id, 0 FROM rooms")
    op.execute(
        "INSERT INTO search_backlog (room_id, position) SELECT room_id, 0 FROM messages ORDER BY room_id LIMIT 1"
    )


def downgrade() -> None:
    triggers = {
        "search_added_message": "messages",
        "search_ended_reply": "messages",
        "search_added_room": "rooms",
        "search_renamed_room": "rooms",
    }
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for trigger, table in triggers.items():
        op.execute(f"DROP TRIGGER {trigger}" + (f" ON {table}" if is_postgresql else ""))
    if is_postgresql:
        op.execute("DROP FUNCTION queue_message_for_search()")
        op.execute("DROP FUNCTION queue_room_for_search()")
    else:
        op.execute("DROP TABLE search_words")
    for table in ("search_texts", "search_sections", "search_backlog", "search_queue"):
        op.drop_table(table)
