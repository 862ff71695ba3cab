"""The tables of rooms and their messages."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from parley.adapters.sql.engine.metadata import Id, Moment, metadata

_has_external_id = text("external_id IS NOT NULL")
_is_prompt = text("prompt IS NOT NULL")

rooms = Table(
    "rooms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("model", String(200)),
    Column("instructions", Text),
    Column("created_at", Moment, nullable=False),
    Column("active_at", Moment, nullable=False),
    Column("last_position", Integer, nullable=False, server_default="0"),
    # The head that the account chose when `last_position` was `shown_since`. Otherwise the newest message is the head.
    Column("shown_position", Integer),
    Column("shown_since", Integer),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    Column("archived", Boolean, nullable=False, server_default=false()),
    # Only the hidden room of a prompt has one: see adapters/sql/chat/prompt_text.py.
    Column("prompt", Text),
    # See core/chat/naming.py. A room that an older version adds has a name from its account.
    Column("naming", String(16), nullable=False, server_default="user"),
    # An older version lists rooms by this one.
    Index("ix_rooms_latest", "account_id", "active_at", "id"),
    Index("ix_rooms_listed", "account_id", "archived", "pinned", "active_at", "id"),
    # The id that its client made, if it made one.
    Column("external_id", String(255)),
    # A JSON object of its client's names and values. Null: none.
    Column("metadata", Text),
    Index(
        "ix_rooms_external",
        "account_id",
        "external_id",
        unique=True,
        sqlite_where=_has_external_id,
        postgresql_where=_has_external_id,
    ),
    Index("ix_rooms_prompts", "id", sqlite_where=_is_prompt, postgresql_where=_is_prompt),
)

_unfinished = text("status IN ('pending', 'generating')")
_is_fork = text("sibling > 0")

# The columns from `attempt` on are the running state of a reply and empty in a user's message. `account_id` repeats
# the room's, for counting without a join; the room's cascade is enough to erase.
messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("room_id", Id, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("account_id", Id, nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("model", String(200)),
    Column("reply_to", Id),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("error_code", String(64)),
    Column("error_detail", String(500)),
    Column("created_at", Moment, nullable=False),
    Column("completed_at", Moment),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("releases", Integer, nullable=False, server_default="0"),
    Column("charged_on", Date),
    # What the plan of that moment had it reserve, and the plan. Null in what an older version adds.
    Column("reserved_tokens", BigInteger),
    Column("plan", String(64)),
    Column("stop_requested", Boolean, nullable=False, server_default=false()),
    # Pending: when it may be claimed. Generating: when its lease runs out. Both are the database's time.
    Column("claimable_at", Moment),
    Column("queued_at", Moment),
    # See adapters/sql/chat/parts.py. Null: the content is the only part.
    Column("parts", Text),
    Column("finish_reason", String(16)),
    Column("cached_input_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("rating", String(8)),
    Column("rating_comment", Text),
    # Where it is in the tree: see adapters/sql/chat/tree.py. What an older release adds has the default values.
    Column("parent_id", Id),
    Column("run", Integer, nullable=False, server_default="1"),
    Column("sibling", Integer, nullable=False, server_default="0"),
    Column("forked_from", Integer),
    Column("first_sibling", Integer),
    Column("external_id", String(255)),
    UniqueConstraint("room_id", "position"),
    Index(
        "ix_messages_external",
        "room_id",
        "external_id",
        "position",
        sqlite_where=_has_external_id,
        postgresql_where=_has_external_id,
    ),
    Index("ix_messages_run", "room_id", "run", "position"),
    Index(
        "ix_messages_forks",
        "room_id",
        "forked_from",
        "first_sibling",
        "sibling",
        sqlite_where=_is_fork,
        postgresql_where=_is_fork,
    ),
    # One for what is asked of an account, of a room and of all. Of several, PostgreSQL takes any while they are empty,
    # and may keep that plan when they are not.
    Index(
        "ix_messages_unfinished",
        "account_id",
        "room_id",
        "position",
        sqlite_where=_unfinished,
        postgresql_where=_unfinished,
    ),
)

# What a client asked of a reply besides its message: see adapters/sql/chat/reply_settings.py.
reply_settings = Table(
    "reply_settings",
    metadata,
    Column("reply_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("settings", Text, nullable=False),
)

# Titles of rooms that a model is to write after the reply at `position`.
title_jobs = Table(
    "title_jobs",
    metadata,
    Column("room_id", Id, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("charged_on", Date, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    # When it may be claimed, in the database's time.
    Column("claimable_at", Moment, nullable=False),
    Index(None, "claimable_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("room_id", Id, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(255), nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("reply_id", Id, nullable=False),
    Column("used_at", Moment, nullable=False),
    PrimaryKeyConstraint("room_id", "key"),
    Index(None, "used_at"),
)

# A copy for everyone who knows the token: the branch that ends at `last_position`, since ended messages do not change.
shares = Table(
    "shares",
    metadata,
    Column("room_id", Id, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("title", String(200), nullable=False),
    Column("last_position", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
)
