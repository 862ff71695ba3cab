"""Customers of the payment provider, and those that erased accounts left behind, in SQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select, true, update

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import accounts, customer_erasures, customers
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import Customer

_columns = (customers.c.id, customers.c.account_id, customers.c.tickets, customers.c.is_gone)
_this_customer = customers.c.id == bindparam("customer")
_of_account = customers.c.account_id == bindparam("account")
_OF = Statement(select(*_columns).where(_of_account).order_by(customers.c.id))
_GET = Statement(select(*_columns).where(_this_customer))
_ADD = Upsert(
    customers,
    lambda insert: insert.values(given("id", "account_id", "reconciled_at")).on_conflict_do_nothing(
        index_elements=["id"]
    ),
)
_MARK_GONE = Statement(update(customers).where(_this_customer).values(is_gone=true()))
_NEXT_READ_NUMBER = Statement(
    update(customers).where(_this_customer).values(tickets=customers.c.tickets + 1).returning(customers.c.tickets)
)
_LOCK_ACCOUNT = Statement(
    select(accounts.c.id).where(accounts.c.id == bindparam("account")).with_for_update(read=True, key_share=True)
)
_LOCK_CUSTOMERS = Statement(
    select(customers.c.id).where(_of_account).order_by(customers.c.id).with_for_update(key_share=True)
)
_DUE = Statement(
    select(customers.c.id)
    .where(customers.c.reconciled_at < bindparam("before"))
    .order_by(customers.c.reconciled_at)
    .limit(bindparam("most"))
)
_RECONCILED = Statement(update(customers).where(_this_customer).values(reconciled_at=bindparam("at")))

_this_erasure = customer_erasures.c.customer_id == bindparam("customer")
_ADD_ERASURE = Upsert(
    customer_erasures,
    lambda insert: insert.values(claimable_at=database_time(), **given("customer_id")).on_conflict_do_nothing(
        index_elements=["customer_id"]
    ),
)
_due_erasures = (
    select(customer_erasures.c.customer_id)
    .where(customer_erasures.c.claimable_at <= database_time())
    .order_by(customer_erasures.c.claimable_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_CLAIM_ERASURES = Statement(
    update(customer_erasures)
    .where(customer_erasures.c.customer_id.in_(_due_erasures))
    .values(claimable_at=database_time("lease"))
    .returning(customer_erasures.c.customer_id, customer_erasures.c.failures)
)
_POSTPONE_ERASURE = Statement(
    update(customer_erasures)
    .where(_this_erasure)
    .values(claimable_at=database_time("seconds"), failures=customer_erasures.c.failures + 1)
)
_REMOVE_ERASURE = Statement(delete(customer_erasures).where(_this_erasure))


class SqlCustomers(SqlStore):
    async def of(self, account_id: UUID) -> list[Customer]:
        return [Customer(*row) for row in await self._transaction.all(_OF, account=account_id)]

    async def get(self, customer_id: str) -> Customer | None:
        row = await self._transaction.one_or_none(_GET, customer=customer_id)
        return None if row is None else Customer(*row)

    async def add(self, customer: Customer, *, now: datetime) -> None:
        await self._transaction.execute(_ADD, id=customer.id, account_id=customer.account_id, reconciled_at=now)

    async def mark_gone(self, customer_id: str) -> None:
        await self._transaction.execute(_MARK_GONE, customer=customer_id)

    async def next_read_number(self, customer_id: str) -> int | None:
        read_number: int | None = await self._transaction.scalar(_NEXT_READ_NUMBER, customer=customer_id)
        return read_number

    async def lock(self, account_id: UUID) -> None:
        # The account before its customers, as its erasure takes them.
        await self._transaction.all(_LOCK_ACCOUNT, account=account_id)
        await self._transaction.all(_LOCK_CUSTOMERS, account=account_id)

    async def due(self, *, before: datetime, limit: int) -> list[str]:
        return await self._transaction.scalars(_DUE, before=before, most=limit)

    async def reconciled(self, customer_id: str, *, at: datetime) -> None:
        await self._transaction.execute(_RECONCILED, customer=customer_id, at=at)


class SqlCustomerErasures(SqlStore):
    async def add(self, customer_id: str) -> None:
        await self._transaction.execute(_ADD_ERASURE, customer_id=customer_id)

    async def claim(self, *, lease: float, limit: int) -> list[tuple[str, int]]:
        rows = await self._transaction.all(_CLAIM_ERASURES, lease=lease, most=limit)
        return [(customer_id, failures) for customer_id, failures in rows]

    async def postpone(self, customer_id: str, *, seconds: float) -> None:
        await self._transaction.execute(_POSTPONE_ERASURE, customer=customer_id, seconds=seconds)

    async def remove(self, customer_id: str) -> None:
        await self._transaction.execute(_REMOVE_ERASURE, customer=customer_id)
