"""The tables of the payment provider's customers, subscriptions and events, for SQLite and PostgreSQL alike."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false

from parley.adapters.sql.engine.metadata import Id, Moment, metadata

customers = Table(
    "customers",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("tickets", Integer, nullable=False, server_default="0"),
    Column("reconciled_at", Moment, nullable=False),
    Column("is_gone", Boolean, nullable=False, server_default=false()),
    Index(None, "account_id"),
    Index(None, "reconciled_at"),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("customer_id", String(255), nullable=False),
    Column("status", String(32), nullable=False),
    Column("current_period_end", Moment),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("past_due_since", Moment),
    Column("cancel_at", Moment),
    Column("is_paused", Boolean, nullable=False, server_default=false()),
    # None while its price is one of ours.
    Column("price_ended_at", Moment),
    # Ids of prices with spaces between them; NULL in rows of versions that knew one plan.
    Column("prices", Text),
    # Under which ticket of the customer the provider was asked: an earlier look does not overwrite a later one.
    Column("ticket", Integer, nullable=False),
    Column("stored_at", Moment, nullable=False),
    Index(None, "account_id"),
)

# What webhooks said, once each. It holds the provider's ids and nothing else of the body.
events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("provider_id", String(255), nullable=False, unique=True),
    Column("kind", String(255), nullable=False),
    Column("customer_id", String(255)),
    Column("subscription_id", String(255)),
    Column("received_at", Moment, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    # Not handled yet: when it may be claimed, in the database's time.
    Column("claimable_at", Moment),
    Column("handled_at", Moment),
    Index(None, "claimable_at"),
    Index(None, "handled_at"),
)

# Customers of erased accounts: all that is left of those until the provider has forgotten them too.
customer_erasures = Table(
    "closures",
    metadata,
    Column("customer_id", String(255), primary_key=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("claimable_at", Moment, nullable=False),
    Index(None, "claimable_at"),
)

# The payment sandbox's own state: its customers, pages and subscriptions as JSON.
sandbox_objects = Table(
    "sandbox_objects",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("customer_id", String(255), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "customer_id"),
)
