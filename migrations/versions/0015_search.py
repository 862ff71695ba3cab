"""The search index, and triggers that queue names of rooms for it, whichever version writes them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from parley.adapters.sql.engine.column_types import GUID

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_POSTGRESQL = (
    "ALTER TABLE search_texts ALTER COLUMN terms SET STORAGE EXTERNAL",
    "ALTER TABLE search_texts SET (toast_tuple_target = 128)",
    """
    CREATE FUNCTION queue_room_for_search() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO search_queue (account_id, room_id, position) VALUES (NEW.account_id, NEW.id, 0)
        ON CONFLICT (account_id, room_id, position) DO UPDATE SET position = excluded.position;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER search_added_room AFTER INSERT ON rooms
    FOR EACH ROW EXECUTE FUNCTION queue_room_for_search()
    """,
    """
    CREATE TRIGGER search_renamed_room AFTER UPDATE OF name ON rooms
    FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION queue_room_for_search()
    """,
)
_SQLITE = (
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
)


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "search_queue",
        sa.Column("account_id", GUID(length=16), nullable=False),
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "room_id", "position", name=op.f("pk_search_queue")),
    )
    op.create_table(
        "search_texts",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_id", GUID(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("terms", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_texts")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_search_texts_room_id"), ondelete="CASCADE"),
        sa.UniqueConstraint("room_id", "position", name=op.f("uq_search_texts_room_id_position")),
    )
    if is_postgresql:
        op.create_index(
            op.f("ix_search_texts_terms"),
            "search_texts",
            ["terms"],
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 256},
        )
    for statement in _POSTGRESQL if is_postgresql else _SQLITE:
        op.execute(statement)
    # After the triggers, which miss nothing from then on.
    op.execute("INSERT INTO search_queue (account_id, room_id, position) SELECT account_id, id, 0 FROM rooms")


def downgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for trigger in ("search_added_room", "search_renamed_room"):
        op.execute(f"DROP TRIGGER {trigger}" + (" ON rooms" if is_postgresql else ""))
    op.execute("DROP FUNCTION queue_room_for_search()" if is_postgresql else "DROP TABLE search_words")
    op.drop_table("search_texts")
    op.drop_table("search_queue")
