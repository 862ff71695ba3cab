"""The stores of webhook deliveries under contract, each empty, and methods to fill them.

Leases go by the store's own clock: a lease or delay of 0 seconds has expired at once.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import update

from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import webhook_deliveries
from parley.adapters.sql.webhooks.unit_of_work import SqlWebhooksUnitOfWork
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.outgoing_events import EventKind, NewDelivery, OutgoingEvent
from parley.core.webhooks.model import ClaimedDelivery, DeliveryRecord, DeliveryStatus
from parley.core.webhooks.stores import WebhooksUnit, WebhooksUnitOfWork
from tests.contracts.databases import EVERY, new_id
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.webhooks import FakeWebhooksUnitOfWork

NOW = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
LONG = 3_600.0
ENDPOINT, OTHER = "hooks.example.com-12345678", "crm.example.com-87654321"

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Store:
    """Units of work over one database."""

    accounts: AccountsUnitOfWork
    webhooks: WebhooksUnitOfWork
    database: FakeDatabase | Database

    async def do(self, step: Callable[[WebhooksUnit], Awaitable[_Result]]) -> _Result:
        """Run one step in a transaction of its own and commit."""
        async with self.webhooks() as unit:
            result = await step(unit)
            await unit.commit()
        return result

    async def add(self, *deliveries: NewDelivery) -> None:
        async with self.accounts() as unit:
            await unit.outgoing_events.add(deliveries)
            await unit.commit()

    async def has(self, event_id: UUID) -> bool:
        async with self.accounts(read_only=True) as unit:
            return await unit.outgoing_events.has(event_id)

    async def new(self, endpoint: str = ENDPOINT, **fields: Any) -> NewDelivery:
        delivery = a_delivery(endpoint, **fields)
        await self.add(delivery)
        return delivery

    async def claim(self, endpoint: str = ENDPOINT, *, lease: float = LONG, limit: int = 100) -> list[ClaimedDelivery]:
        return await self.do(lambda unit: unit.deliveries.claim(endpoint, lease=lease, limit=limit))

    async def claim_one(self, *, lease: float = LONG) -> ClaimedDelivery:
        [claimed] = await self.claim(lease=lease)
        return claimed

    async def postpone(self, delivery: ClaimedDelivery, seconds: float = 0.0, error: str = "No.") -> bool:
        return await self.do(lambda unit: unit.deliveries.postpone(delivery, seconds=seconds, error=error))

    async def delivered(self, delivery: ClaimedDelivery) -> None:
        await self.do(lambda unit: unit.deliveries.delivered(delivery))

    async def fail(self, delivery: ClaimedDelivery, error: str = "Gone.") -> None:
        await self.do(lambda unit: unit.deliveries.fail(delivery, error=error))

    async def redeliver(self, delivery_id: UUID) -> DeliveryRecord | None:
        return await self.do(lambda unit: unit.deliveries.redeliver(delivery_id))

    async def page(
        self, status: DeliveryStatus | None = None, *, before: UUID | None = None, limit: int = 100
    ) -> list[DeliveryRecord]:
        async with self.webhooks(read_only=True) as unit:
            return await unit.deliveries.page(status=status, before=before, limit=limit)

    async def only(self) -> DeliveryRecord:
        [record] = await self.page()
        return record

    async def move(self, column: str, seconds: float) -> None:
        """Set the time of all deliveries that have one to so many seconds from now."""
        if isinstance(self.database, FakeDatabase):
            rows, at = self.database.committed.deliveries_of_events, datetime.now(UTC) + timedelta(seconds=seconds)
            rows |= {key: replace(row, **{column: at}) for key, row in rows.items() if getattr(row, column)}
            return
        moved = webhook_deliveries.c[column]
        statement = Statement(
            update(webhook_deliveries).where(moved.is_not(None)).values({moved: database_time("seconds")})
        )
        async with self.database.transaction() as transaction:
            await transaction.execute(statement, seconds=seconds)
            await transaction.commit()


def an_event(**fields: Any) -> OutgoingEvent:
    return replace(OutgoingEvent(new_id(), EventKind.REPLY_COMPLETED, new_id(), NOW, {"model": "a/b"}), **fields)


def a_delivery(endpoint: str = ENDPOINT, **fields: Any) -> NewDelivery:
    return NewDelivery(new_id(), endpoint, an_event(**fields))


@pytest.fixture(params=EVERY)
async def every_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store, None]:
    async with request.param(tmp_path) as database:
        if isinstance(database, FakeDatabase):
            yield Store(FakeAccountsUnitOfWork(database), FakeWebhooksUnitOfWork(database), database)
        else:
            yield Store(SqlAccountsUnitOfWork(database), SqlWebhooksUnitOfWork(database), database)
