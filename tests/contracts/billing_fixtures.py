"""The billing stores under contract, each empty, and methods to fill them.

Leases go by the store's own clock: a lease or delay of 0 seconds has expired at once.
"""

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.adapters.sql.engine.database import Database
from parley.core.accounts.erase import erase_account
from parley.core.accounts.model import Account, Identity, IdentityKind
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.billing.model import Customer, ProviderEvent, StoredEvent, Subscription, SubscriptionStatus
from parley.core.billing.stores import BillingUnit, BillingUnitOfWork
from tests.contracts.databases import EVERY, SQL, new_id
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.plans import PLANS
from tests.unit.accounts.environment import AccountsEnvironment

NOW = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
PERIOD_END = datetime(2026, 4, 14, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LONG = 3_600.0

_Result = TypeVar("_Result")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Store:
    """Units of work over one database; `database` is None in memory."""

    accounts: AccountsUnitOfWork
    billing: BillingUnitOfWork
    database: Database | None = None

    async def do(self, step: Callable[[BillingUnit], Awaitable[_Result]]) -> _Result:
        """Run one step in a transaction of its own and commit."""
        async with self.billing() as unit:
            result = await step(unit)
            await unit.commit()
        return result

    async def see(self, step: Callable[[BillingUnit], Awaitable[_Result]]) -> _Result:
        async with self.billing(read_only=True) as unit:
            return await step(unit)

    async def new_account(self) -> UUID:
        # No event has the same id, so what is left of an account can be told from what is left of an event.
        account_id = uuid4()
        identity = Identity(IdentityKind.EMAIL, f"mira{account_id.int}@example.com")
        async with self.accounts() as unit:
            await unit.accounts.find_or_add(Account(account_id, identity, "Mira", None, NOW))
            await unit.commit()
        return account_id

    async def new_customer(self, account_id: UUID | None = None, *, now: datetime = NOW) -> Customer:
        customer = Customer(f"cus_{next(_numbers):06}", account_id or await self.new_account())
        await self.do(lambda unit: unit.customers.add(customer, now=now))
        return customer

    async def put(self, subscription: Subscription, read_number: int = 1, *, now: datetime = NOW) -> bool:
        """Store it for the account that it names."""
        account_id = subscription.account_id
        assert account_id is not None
        return await self.do(
            lambda unit: unit.subscriptions.put(subscription, account_id=account_id, read_number=read_number, now=now)
        )

    async def subscriptions(self, account_id: UUID) -> list[Subscription]:
        return await self.see(lambda unit: unit.subscriptions.of(account_id))

    async def plan(self, account_id: UUID, now: datetime = NOW) -> str:
        return await self.see(lambda unit: unit.plans.of(account_id, now=now))

    async def new_event(self, *, handled: bool = False, now: datetime = NOW) -> StoredEvent:
        stored = an_event()
        assert await self.do(lambda unit: unit.events.add(stored, handled=handled, now=now))
        return stored

    async def claim(self, stored: StoredEvent, *, lease: float = LONG) -> StoredEvent | None:
        return await self.do(lambda unit: unit.events.claim(stored.id, lease=lease))

    async def erase(self, account_id: UUID) -> None:
        await erase_account(AccountsEnvironment(self.accounts).ports, account_id=account_id)

    async def customers_of_erased_accounts(self, count: int) -> set[str]:
        """Create `count` accounts with a customer each and erase them; returns the customers' ids."""
        customers = [await self.new_customer() for _ in range(count)]
        for customer in customers:
            await self.erase(customer.account_id)
        return {customer.id for customer in customers}


def a_subscription(customer: Customer, **changes: object) -> Subscription:
    made = Subscription(
        f"sub_{next(_numbers):06}", customer.id, customer.account_id, SubscriptionStatus.ACTIVE, PERIOD_END, False
    )
    return replace(made, **changes)


def an_event(customer_id: str | None = "cus_1", subscription_id: str | None = "sub_1") -> StoredEvent:
    number = new_id()
    return StoredEvent(number, ProviderEvent(f"evt_{number.int}", "invoice.paid", customer_id, subscription_id))


def store_over(database: FakeDatabase | Database) -> Store:
    if isinstance(database, FakeDatabase):
        return Store(FakeAccountsUnitOfWork(database), FakeBillingUnitOfWork(database))
    return Store(SqlAccountsUnitOfWork(database), SqlBillingUnitOfWork(database, PlanLimits(PLANS)), database)


@pytest.fixture(params=EVERY)
async def every_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store, None]:
    async with request.param(tmp_path) as database:
        yield store_over(database)


@pytest.fixture(params=SQL)
async def sql_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store, None]:
    async with request.param(tmp_path) as database:
        yield store_over(database)
