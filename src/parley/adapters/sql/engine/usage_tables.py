"""The tables of used quota."""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table

from parley.adapters.sql.engine.metadata import Id, metadata

usage_days = Table(
    "usage_days",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("day", Date, nullable=False),
    Column("used", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens", BigInteger, nullable=False, server_default="0"),
    # Of the day's messages that were returned, those whose replies failed because of what was written.
    Column("returned_refusals", Integer, nullable=False, server_default="0"),
    # Of the day's tokens, those that no provider counted, those whose price is known, and what those cost, in
    # billionths of a US dollar.
    Column("estimated_tokens", BigInteger, nullable=False, server_default="0"),
    Column("priced_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cost", BigInteger, nullable=False, server_default="0"),
    # What all replies of the day have reserved, also those that have ended: it only grows.
    Column("reserved_tokens", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("account_id", "day"),
    # For the number of active accounts.
    Index(None, "day"),
)

# The same of erased accounts. `owner` is a keyed hash; rows go after their day.
erased_usage = Table(
    "erased_usage",
    metadata,
    Column("owner", LargeBinary(32), nullable=False),
    Column("day", Date, nullable=False),
    Column("used", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("returned_refusals", Integer, nullable=False),
    PrimaryKeyConstraint("owner", "day"),
    Index(None, "day"),
)
