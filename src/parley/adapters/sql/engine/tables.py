"""The schema, for SQLite and PostgreSQL alike. migrations/ builds it; a test holds the two together."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from parley.adapters.sql.engine.api_key_tables import api_keys
from parley.adapters.sql.engine.billing_tables import (
    customer_erasures,
    customers,
    events,
    sandbox_objects,
    subscriptions,
)
from parley.adapters.sql.engine.chat_tables import (
    idempotency_keys,
    messages,
    reply_settings,
    rooms,
    shares,
    title_jobs,
)
from parley.adapters.sql.engine.metadata import Id, Moment, metadata
from parley.adapters.sql.engine.search_tables import SEARCH_TABLES
from parley.adapters.sql.engine.sign_in_tables import (
    code_challenges,
    guess_failures,
    known_devices,
    messages_to_owners,
)
from parley.adapters.sql.engine.statistics_tables import day_statistics, noted_statistics
from parley.adapters.sql.engine.usage_tables import erased_usage, usage_days
from parley.adapters.sql.engine.webhook_tables import reported_plans, webhook_deliveries

# What other modules import from here though it is defined elsewhere.
__all__ = [
    "SEARCH_TABLES",
    "Id",
    "Moment",
    "api_keys",
    "code_challenges",
    "customer_erasures",
    "customers",
    "day_statistics",
    "erased_usage",
    "events",
    "guess_failures",
    "idempotency_keys",
    "known_devices",
    "messages",
    "messages_to_owners",
    "metadata",
    "noted_statistics",
    "reply_settings",
    "reported_plans",
    "rooms",
    "sandbox_objects",
    "shares",
    "subscriptions",
    "title_jobs",
    "usage_days",
    "webhook_deliveries",
]

# The newest revision in migrations/. A start with it already in the database need not load alembic.
REVISION = "0032"
# Processes of this revision and later ones work with the tables below. A migration that takes away what an older
# version uses raises it, here and in the database.
OLDEST_REVISION = "0006"

# One row, which an older version reads before it starts on a newer schema.
schema_compatibility = Table("schema_compatibility", metadata, Column("oldest_revision", String(4), primary_key=True))

_has_been_suspended = text("suspension_changed_at IS NOT NULL")

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("mobile_number", String(16), unique=True),
    Column("email", String(254), unique=True),
    Column("name", String(200)),
    Column("password_hash", String(255)),
    Column("created_at", Moment, nullable=False),
    Column("suspended_at", Moment),
    # When it was last suspended or resumed, in the database's time: processes read what changed since they last did.
    Column("suspension_changed_at", Moment),
    CheckConstraint("(mobile_number IS NULL) <> (email IS NULL)", name="one_identity"),
    Index(
        None,
        "suspension_changed_at",
        sqlite_where=_has_been_suspended,
        postgresql_where=_has_been_suspended,
    ),
    # For a search by the first characters: by bytes, whatever the collation of the database.
    Index("ix_accounts_email_start", "email", postgresql_ops={"email": "text_pattern_ops"}),
    Index("ix_accounts_mobile_number_start", "mobile_number", postgresql_ops={"mobile_number": "text_pattern_ops"}),
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
    Column("override", String(64)),
    # The latest of `paid_plans`, for processes of the version before that table.
    Column("paid_until", Moment),
    Index(None, "override"),
)

# Derived from the subscriptions whenever one changes, so that posting a message does not look at those.
paid_plans = Table(
    "paid_plans",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("plan", String(64), nullable=False),
    Column("paid_until", Moment, nullable=False),
    PrimaryKeyConstraint("account_id", "plan"),
    Index(None, "plan"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", Id, nullable=False),
    Column("until", Moment, nullable=False),
)
