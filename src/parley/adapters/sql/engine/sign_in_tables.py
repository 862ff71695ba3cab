"""The tables of codes, failed guesses and known devices. They name identities, which need no account."""

from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table

from parley.adapters.sql.engine.metadata import Id, Moment, metadata

# One row for each request for a code.
code_challenges = Table(
    "code_challenges",
    metadata,
    # In order of creation; clients have another one, of which only the hash is here.
    Column("id", Id, nullable=False),
    Column("id_hash", LargeBinary(32), primary_key=True),
    Column("identity", String(300), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("source", String(64), nullable=False),
    Column("code_mac", LargeBinary(32), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("expires_at", Moment, nullable=False),
    Column("spent_at", Moment),
    Index(None, "identity"),
    Index(None, "expires_at"),
)

# A code or a notice that is still to reach its owner; the encrypted code is gone from here once it has.
messages_to_owners = Table(
    "messages_to_owners",
    metadata,
    Column("id", Id, primary_key=True),
    Column("identity", String(300), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("encrypted_code", LargeBinary(500), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    # When it may be claimed, in the database's time.
    Column("claimable_at", Moment, nullable=False),
    Index(None, "identity"),
    Index(None, "claimable_at"),
    Index(None, "expires_at"),
)

# Failed guesses at an identity by source; the source `all` has the total of the sources that are not known.
guess_failures = Table(
    "guess_failures",
    metadata,
    Column("identity", String(300), nullable=False),
    Column("source", String(64), nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_failed_at", Moment, nullable=False),
    Column("notified_at", Moment),
    PrimaryKeyConstraint("identity", "source"),
    Index(None, "last_failed_at"),
)

known_devices = Table(
    "known_devices",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("identity", String(300), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "identity"),
    Index(None, "expires_at"),
)
