"""What an earlier process left in a SQLite file, which no other process uses: its leases ended with it."""

from sqlalchemy import case, delete, or_, update

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import (
    customer_erasures,
    events,
    leases,
    messages,
    messages_to_owners,
    title_jobs,
    webhook_deliveries,
)

_later = messages.c.claimable_at > database_time()
_RELEASES = (
    Statement(
        update(messages)
        .where(or_(_later, messages.c.queued_at > database_time()))
        .values(
            claimable_at=case((_later, database_time()), else_=messages.c.claimable_at),
            queued_at=case((messages.c.queued_at > database_time(), database_time()), else_=messages.c.queued_at),
        )
    ),
    *(
        Statement(update(table).where(table.c.claimable_at > database_time()).values(claimable_at=database_time()))
        for table in (messages_to_owners, events, customer_erasures, title_jobs, webhook_deliveries)
    ),
    Statement(delete(leases)),
)


async def release_all(database: Database) -> None:
    """Make everything claimable now that has a lease or a delay.

    That process is gone. Its times may lie far in the future if the machine's clock has been set back.
    """
    async with database.transaction() as transaction:
        for statement in _RELEASES:
            await transaction.execute(statement)
        await transaction.commit()
