"""Customers, subscriptions and the unit of work of everything about billing, in SQL."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.billing.events import SqlCustomerErasures, SqlEvents
from parley.adapters.sql.chat.quota import SqlPlans, SqlUsageDays
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.tables import accounts, customers, leases, subscriptions
from parley.core.billing.model import Customer, Subscription, SubscriptionStatus
from parley.core.billing.stores import BillingUnit


class SqlBillingUnitOfWork:
    """Transactions over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[BillingUnit, None]:
        async with self._database.transaction(read_only=read_only) as connection:
            yield SqlBillingUnit(connection)


class SqlBillingUnit:
    """The repositories of one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.plans = SqlPlans(connection)
        self.usage_days = SqlUsageDays(connection)
        self.customers = SqlCustomers(connection)
        self.subscriptions = SqlSubscriptions(connection)
        self.events = SqlEvents(connection)
        self.customer_erasures = SqlCustomerErasures(connection)
        self.leases = SqlLeases(connection)

    async def commit(self) -> None:
        await self._connection.commit()


class SqlCustomers:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def of(self, account_id: UUID) -> list[Customer]:
        query = _customer_rows.where(customers.c.account_id == account_id).order_by(customers.c.id)
        return [Customer(*row) for row in await self._connection.execute(query)]

    async def get(self, customer_id: str) -> Customer | None:
        row = (await self._connection.execute(_customer_rows.where(customers.c.id == customer_id))).one_or_none()
        return None if row is None else Customer(*row)

    async def add(self, customer: Customer, *, now: datetime) -> None:
        await self._connection.execute(
            self._insert(customers)
            .values(id=customer.id, account_id=customer.account_id, reconciled_at=now)
            .on_conflict_do_nothing(index_elements=["id"])
        )

    async def next_read_number(self, customer_id: str) -> int | None:
        taken = await self._connection.execute(
            update(customers)
            .where(customers.c.id == customer_id)
            .values(tickets=customers.c.tickets + 1)
            .returning(customers.c.tickets)
        )
        read_number: int | None = taken.scalar_one_or_none()
        return read_number

    async def lock(self, account_id: UUID) -> None:
        # The account before its customers, as its erasure takes them.
        await self._connection.execute(
            select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(read=True, key_share=True)
        )
        await self._connection.execute(
            select(customers.c.id)
            .where(customers.c.account_id == account_id)
            .order_by(customers.c.id)
            .with_for_update(key_share=True)
        )

    async def due(self, *, before: datetime, limit: int) -> list[str]:
        found = await self._connection.execute(
            select(customers.c.id)
            .where(customers.c.reconciled_at < before)
            .order_by(customers.c.reconciled_at)
            .limit(limit)
        )
        return list(found.scalars())

    async def reconciled(self, customer_id: str, *, at: datetime) -> None:
        await self._connection.execute(update(customers).where(customers.c.id == customer_id).values(reconciled_at=at))


class SqlSubscriptions:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def of(self, account_id: UUID) -> list[Subscription]:
        found = await self._connection.execute(
            select(subscriptions)
            .where(subscriptions.c.account_id == account_id)
            .order_by(
                subscriptions.c.stored_at.desc(),
                subscriptions.c.current_period_end.desc().nulls_last(),
                subscriptions.c.id,
            )
        )
        return [_subscription(row) for row in found]

    async def put(self, subscription: Subscription, *, account_id: UUID, read_number: int, now: datetime) -> bool:
        is_past_due = subscription.status is SubscriptionStatus.PAST_DUE
        values = asdict(subscription) | {
            "account_id": account_id,
            "status": subscription.status.value,
            "past_due_since": now if is_past_due else None,
            "ticket": read_number,
            "stored_at": now,
        }
        was_past_due = subscriptions.c.status == SubscriptionStatus.PAST_DUE.value
        kept = case((was_past_due, subscriptions.c.past_due_since), else_=now) if is_past_due else None
        written = await self._connection.execute(
            self._insert(subscriptions)
            .values(values)
            .on_conflict_do_update(
                index_elements=["id"],
                set_={name: value for name, value in values.items() if name != "id"} | {"past_due_since": kept},
                where=subscriptions.c.ticket <= read_number,
            )
        )
        return written.rowcount == 1


class SqlLeases:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def take(self, name: str, holder: UUID, *, seconds: float) -> bool:
        values = {"holder": holder, "until": database_time(seconds)}
        taken = await self._connection.execute(
            self._insert(leases)
            .values(name=name, **values)
            .on_conflict_do_update(
                index_elements=["name"],
                set_=values,
                where=or_(leases.c.holder == holder, leases.c.until <= database_time()),
            )
        )
        return taken.rowcount == 1

    async def give_back(self, name: str, holder: UUID) -> None:
        await self._connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


_customer_rows = select(customers.c.id, customers.c.account_id, customers.c.tickets)


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        row.id,
        row.customer_id,
        row.account_id,
        SubscriptionStatus(row.status),
        row.current_period_end,
        row.cancel_at_period_end,
        row.past_due_since,
    )
