"""The tables of webhooks to the operator's servers, for SQLite and PostgreSQL alike."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from parley.adapters.sql.engine.metadata import Id, Moment, metadata

# One row for each event and endpoint. No key to the account: that it was erased is an event too.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Id, nullable=False),
    Column("endpoint", String(80), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("account_id", Id, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    # JSON; what erasing the account removes stands by itself.
    Column("data", Text, nullable=False),
    Column("personal", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", String(300)),
    # Both are NULL once it has ended. In the database's time, as `ended_at`.
    Column("claimable_at", Moment),
    Column("gives_up_at", Moment),
    Column("ended_at", Moment),
    # NULL for one that has failed, too.
    Column("delivered_at", Moment),
    UniqueConstraint("event_id", "endpoint"),
    Index(None, "endpoint", "claimable_at"),
    Index(None, "account_id"),
    Index(None, "gives_up_at"),
    Index(None, "ended_at"),
)

# The plan of each account that an event reported last, and when the paid period ends.
reported_plans = Table(
    "reported_plans",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("plan", String(64)),
    Column("changes_at", Moment),
    Index(None, "changes_at"),
)
