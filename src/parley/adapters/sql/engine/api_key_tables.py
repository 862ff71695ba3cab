"""The table of API keys."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, LargeBinary, String, Table, false

from parley.adapters.sql.engine.metadata import Id, Moment, metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("key_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Column("unmetered", Boolean, nullable=False, server_default=false()),
    Index(None, "account_id"),
    Index(None, "expires_at"),
)
