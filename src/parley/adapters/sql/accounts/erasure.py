"""Rows of chat and billing that belong to an account, for its erasure."""

from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.search_tables import search_queue
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import accounts, customer_erasures, customers, rooms, webhook_deliveries
from parley.adapters.sql.engine.unit_of_work import SqlStore

_rooms_of_account = rooms.c.account_id == bindparam("account")
# FOR NO KEY UPDATE: new rooms wait, but posts in existing rooms, which insert usage, do not.
_LOCK_ACCOUNT = Statement(
    select(accounts.c.id).where(accounts.c.id == bindparam("account")).with_for_update(key_share=True)
)
_LOCK_ROOMS = Statement(select(rooms.c.id).where(_rooms_of_account).order_by(rooms.c.id).with_for_update())
_ERASE_ROOMS = Statement(delete(rooms).where(_rooms_of_account))
_FORGET_SEARCH_QUEUE = Statement(delete(search_queue).where(search_queue.c.account_id == bindparam("account")))
_KEEP_CUSTOMERS = Statement(
    insert(customer_erasures).from_select(
        ["customer_id", "claimable_at"],
        select(customers.c.id, database_time()).where(customers.c.account_id == bindparam("account")),
    )
)
_FORGET_PERSONAL = Statement(
    update(webhook_deliveries)
    .where(webhook_deliveries.c.account_id == bindparam("account"), webhook_deliveries.c.personal.is_not(None))
    .values(personal=None)
)


class SqlAccountErasure(SqlStore):
    async def lock(self, account_id: UUID) -> None:
        await self._transaction.all(_LOCK_ACCOUNT, account=account_id)
        await self._transaction.all(_LOCK_ROOMS, account=account_id)

    async def erase(self, account_id: UUID) -> None:
        """Messages and keys go with their rooms; plan, usage, customers and subscriptions go with the account."""
        await self._transaction.execute(_ERASE_ROOMS, account=account_id)
        await self._transaction.execute(_FORGET_SEARCH_QUEUE, account=account_id)
        await self._transaction.execute(_KEEP_CUSTOMERS, account=account_id)
        # Last: the ends of replies, which add texts, were waited for with their rooms.
        await self._transaction.execute(_FORGET_PERSONAL, account=account_id)
