"""The tables of statistics: what happened, for a minute, and the sums of each day."""

from sqlalchemy import BigInteger, Column, Date, Integer, PrimaryKeyConstraint, String, Table

from parley.adapters.sql.engine.metadata import metadata

# One row for each sign-up, end of a reply and failed attempt, without the account. Rows are only added, so that nothing
# waits for anything here, and a worker adds them to their day.
noted_statistics = Table(
    "noted_statistics",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("day", Date, nullable=False),
    Column("signups", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("model", String(200)),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("failure", String(64)),
    # As in `usage_days`.
    Column("priced_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cost", BigInteger, nullable=False, server_default="0"),
)

# A few rows for each day: the kind is that of `DayStatistics`, the name that of a model, failure or plan, or empty.
day_statistics = Table(
    "day_statistics",
    metadata,
    Column("day", Date, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint("day", "kind", "name"),
)
