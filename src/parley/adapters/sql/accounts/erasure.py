"""What chat and billing keep of an account, for its erasure."""

from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.tables import accounts, customer_erasures, customers, rooms


class SqlAccountErasure:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, account_id: UUID) -> None:
        # FOR NO KEY UPDATE: new rooms wait, but posts in existing rooms, which insert usage, do not.
        await self._connection.execute(
            select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
        )
        await self._connection.execute(
            select(rooms.c.id).where(rooms.c.account_id == account_id).order_by(rooms.c.id).with_for_update()
        )

    async def erase(self, account_id: UUID) -> None:
        """Messages and keys go with their rooms; plan, usage, customers and subscriptions go with the account."""
        await self._connection.execute(delete(rooms).where(rooms.c.account_id == account_id))
        left = select(customers.c.id, database_time()).where(customers.c.account_id == account_id)
        await self._connection.execute(insert(customer_erasures).from_select(["customer_id", "claimable_at"], left))
