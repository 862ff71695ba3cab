"""What the billing module needs from outside."""

from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Protocol
from uuid import UUID

from parley.core.billing.model import DayUsage, Plan


class Plans(Protocol):
    async def of(self, account_id: UUID) -> Plan:
        """The plan that counts now; basic for an account that never had another."""

    async def override(self, account_id: UUID, plan: Plan | None) -> None:
        """Set the operator's word, which wins over any payment; None takes it back."""


class UsageDays(Protocol):
    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        """The days from `first` on that have any usage, in no order."""


class BillingUnit(Protocol):
    """One transaction. Left without `commit`, nothing of it has happened."""

    @property
    def plans(self) -> Plans: ...
    @property
    def usage_days(self) -> UsageDays: ...

    async def commit(self) -> None: ...


class BillingUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[BillingUnit]:
        """Open a transaction. A read-only one waits for no writer and must not write."""
