"""The tables of the search index, and what SQLAlchemy cannot describe of them: triggers, and SQLite's FTS5 table."""

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    event,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from parley.adapters.sql.engine.metadata import Id, metadata

_Number = BigInteger().with_variant(Integer, "sqlite")

# Texts that wait to be indexed, written by triggers, so that no writer of messages can forget it. Position 0 is the
# name of the room. Prompts are not indexed: a reply that answers no message, and its room. No key to the room: the end
# of a reply would lock its room after its message.
search_queue = Table(
    "search_queue",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("room_id", Id, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
)

# One row while there are messages that are older than the index: up to which of them all have been queued.
search_backlog = Table(
    "search_backlog",
    metadata,
    Column("room_id", Id, primary_key=True),
    Column("position", Integer, nullable=False),
)

# Sections of an account's index. Every term in the index begins with the number of a section: a search looks at no
# other account's terms, and at the newest section first.
search_sections = Table(
    "search_sections",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("texts", Integer, nullable=False),
    Index(None, "account_id", "number"),
)

search_texts = Table(
    "search_texts",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("room_id", Id, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    # Terms with their section. On SQLite separated by spaces, which the FTS5 table indexes.
    Column("terms", Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
    UniqueConstraint("room_id", "position"),
    # A search reads the list of what the index has yet to take in from end to end: it stays short.
    Index(
        "ix_search_texts_terms", "terms", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 256}
    ).ddl_if(dialect="postgresql"),
)
SEARCH_TABLES = (search_queue, search_backlog, search_sections, search_texts)

SEARCH_DDL = {
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
        FOR EACH ROW WHEN (OLD.status IN ('pending', 'generating') AND NEW.status NOT IN ('pending', 'generating')
            AND NEW.reply_to IS NOT NULL)
        EXECUTE FUNCTION queue_message_for_search()
        """,
        """
        CREATE TRIGGER search_added_room AFTER INSERT ON rooms
        FOR EACH ROW WHEN (NEW.prompt IS NULL) EXECUTE FUNCTION queue_room_for_search()
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
        WHEN OLD.status IN ('pending', 'generating') AND NEW.status NOT IN ('pending', 'generating')
            AND NEW.reply_to IS NOT NULL BEGIN
            INSERT INTO search_queue (account_id, room_id, position)
            VALUES (NEW.account_id, NEW.room_id, NEW.position) ON CONFLICT DO NOTHING;
        END
        """,
        """
        CREATE TRIGGER search_added_room AFTER INSERT ON rooms WHEN NEW.prompt IS NULL BEGIN
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

for _dialect, _statements in SEARCH_DDL.items():
    for _statement in _statements:
        event.listen(metadata, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
