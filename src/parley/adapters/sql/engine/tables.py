"""The schema, for SQLite and PostgreSQL alike. migrations/ builds it; a test holds the two together."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
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

from parley.adapters.sql.engine.billing_tables import (
    customer_erasures,
    customers,
    events,
    sandbox_objects,
    subscriptions,
)
from parley.adapters.sql.engine.metadata import Id, Moment, metadata
from parley.adapters.sql.engine.search_tables import SEARCH_TABLES
from parley.adapters.sql.engine.sign_in_tables import (
    code_challenges,
    guess_failures,
    known_devices,
    messages_to_owners,
)

# What other modules import from here though it is defined elsewhere.
__all__ = [
    "SEARCH_TABLES",
    "Id",
    "Moment",
    "code_challenges",
    "customer_erasures",
    "customers",
    "events",
    "guess_failures",
    "known_devices",
    "messages_to_owners",
    "metadata",
    "sandbox_objects",
    "subscriptions",
]

# The newest revision in migrations/. A start with it already in the database need not load alembic.
REVISION = "0009"

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("mobile_number", String(16), unique=True),
    Column("email", String(254), unique=True),
    Column("name", String(200)),
    Column("password_hash", String(255)),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("(mobile_number IS NULL) <> (email IS NULL)", name="one_identity"),
)

# Written by releases up to revision 0004, which may run while a newer one starts. Nothing reads it now; its rows are
# removed as those of `code_challenges` are.
challenges = Table(
    "challenges",
    metadata,
    Column("identity", String(300), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("code_mac", LargeBinary(32), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("expires_at", Moment, nullable=False),
    Column("spent_at", Moment),
    PrimaryKeyConstraint("identity", "purpose"),
    Index(None, "expires_at"),
)

# As `challenges`, with `messages_to_owners`.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("identity", String(300), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("sealed_code", LargeBinary(500), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    # When it may be claimed, in the database's time.
    Column("claimable_at", Moment, nullable=False),
    UniqueConstraint("identity", "purpose"),
    Index(None, "claimable_at"),
    Index(None, "expires_at"),
)

# What a signup asked for; it becomes an account's only with a code for the same identity.
signups = Table(
    "signups",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("identity", String(300), nullable=False),
    Column("name", String(200)),
    Column("password_hash", String(255)),
    Column("expires_at", Moment, nullable=False),
    Index(None, "identity"),
    Index(None, "expires_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("opened_by", String(16), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("last_used_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("user_agent", String(300)),
    Index(None, "account_id"),
    Index(None, "expires_at"),
    Index(None, "ended_at"),
)

# The tokens that a session had: the use of an old one is how theft shows.
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("used_at", Moment),
    Index(None, "session_id"),
    Index(None, "used_at"),
)

# Ended sessions whose access tokens may be about. No key to the session: that may be erased meanwhile.
revoked_sessions = Table(
    "revoked_sessions",
    metadata,
    Column("session_id", Id, primary_key=True),
    Column("until", Moment, nullable=False),
    Column("revoked_at", Moment, nullable=False),
    Index(None, "until"),
    Index(None, "revoked_at"),
)

plans = Table(
    "plans",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("override", String(16)),
    # Worked out of the subscriptions whenever one changes, so that posting a message looks at one row.
    Column("paid_until", Moment),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", Id, nullable=False),
    Column("until", Moment, nullable=False),
)

usage_days = Table(
    "usage_days",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("day", Date, nullable=False),
    Column("used", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("account_id", "day"),
)

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
    Index("ix_rooms_latest", "account_id", "active_at", "id"),
)

_unfinished = text("status IN ('pending', 'generating')")

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
    UniqueConstraint("room_id", "position"),
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
