"""The payment sandbox over SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import Any

from parley.adapters.payments.sandbox.provider import SandboxPayments
from parley.adapters.sql.billing.sandbox_state import SqlSandboxState
from parley.adapters.sql.engine.database import Database
from parley.core.billing.model import Checkout, SubscriptionStatus
from tests.contracts.databases import postgresql, sqlite
from tests.contracts.payment_fixtures import NOW, RETURN_TO, Harness, Signed

SECRET = b"the sandbox's secret"


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class SandboxHarness(Harness):
    sandbox: SandboxPayments
    state: SqlSandboxState
    clock: Clock

    async def pay(self, checkout: Checkout) -> list[Signed]:
        return list(await self.sandbox.pay(checkout.session_id))

    async def change(self, subscription_id: str, **state: Any) -> list[Signed]:
        subscription = await self.sandbox.subscription(subscription_id)
        assert subscription is not None
        token = await self.open_portal(subscription.customer_id)
        match state:
            case {"status": "canceled"}:
                return list(await self.sandbox.cancel(token, at_once=True))
            case {"status": "past_due"}:
                return list(await self.sandbox.fail_payment(token))
            case {"status": "active"}:
                return list(await self.sandbox.pay_open_invoice(token))
            case {"price": price}:
                return list(await self.sandbox.change_price(token, price))
            case {"cancel_at_period_end": True}:
                return list(await self.sandbox.cancel(token, at_once=False))
            case _:
                return list(await self.sandbox.resume(token))

    async def open_portal(self, customer_id: str) -> str:
        """The token of a new portal page."""
        return (await self.sandbox.open_portal(customer_id, return_to=RETURN_TO)).rpartition("/")[2]


@asynccontextmanager
async def sandbox_on_sqlite() -> AsyncIterator[SandboxHarness]:
    with TemporaryDirectory() as folder:
        async with sqlite(Path(folder)) as database:
            yield _sandbox(database)


@asynccontextmanager
async def sandbox_on_postgresql() -> AsyncIterator[SandboxHarness]:
    async with postgresql(Path()) as database:
        yield _sandbox(database)


def _sandbox(database: Database) -> SandboxHarness:
    state, clock = SqlSandboxState(database), Clock()
    sandbox = SandboxPayments(
        state, secret=SECRET, public_url="http://parley.test", now=clock, new_token=lambda: token_urlsafe(32)
    )
    statuses = {SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE, SubscriptionStatus.CANCELED}
    return SandboxHarness(sandbox, NOW, frozenset(statuses), sandbox, state, clock)
