"""Plans, usage and chat's quota in memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from uuid import UUID

from parley.adapters.memory.transactions import MemoryDatabase, MemoryTransaction, Tables
from parley.core.billing.model import DayUsage, Plan, daily_limit
from parley.core.billing.ports import BillingUnit
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Allowance, TokenUsage, next_midnight


class MemoryBillingUnitOfWork:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[BillingUnit, None]:
        async with self._database.transaction(read_only=read_only) as transaction:
            yield MemoryBillingUnit(transaction)


class MemoryBillingUnit:
    """The repositories of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction
        self.plans = MemoryPlans(transaction.tables)
        self.usage_days = MemoryUsageDays(transaction.tables)

    async def commit(self) -> None:
        self._transaction.commit()


class MemoryPlans:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, account_id: UUID) -> Plan:
        return self._tables.plans.get(account_id, Plan.BASIC)

    async def override(self, account_id: UUID, plan: Plan | None) -> None:
        if plan is None:
            self._tables.plans.pop(account_id, None)
        else:
            self._tables.plans[account_id] = plan


class MemoryUsageDays:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        days = self._tables.usage_days.items()
        return [usage for (owner, day), usage in days if owner == account_id and day >= first]


class MemoryQuota:
    """Billing's rule applied in chat's transaction."""

    def __init__(self, tables: Tables, *, basic_limit: int) -> None:
        self._tables = tables
        self._basic_limit = basic_limit

    async def take(self, account_id: UUID, *, day: date) -> Allowance:
        allowance = await self.look(account_id, day=day)
        if allowance.remaining == 0:
            raise QuotaExceeded(allowance)
        usage = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(usage, used=usage.used + 1)
        return await self.look(account_id, day=day)

    async def look(self, account_id: UUID, *, day: date) -> Allowance:
        limit = daily_limit(await MemoryPlans(self._tables).of(account_id), basic=self._basic_limit)
        remaining = None if limit is None else max(0, limit - self._usage(account_id, day).used)
        return Allowance(limit, remaining, next_midnight(day))

    async def give_back(self, account_id: UUID, *, day: date) -> None:
        usage = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(usage, used=max(0, usage.used - 1))

    async def add_tokens(self, account_id: UUID, *, day: date, usage: TokenUsage) -> None:
        before = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(
            before,
            input_tokens=before.input_tokens + usage.input_tokens,
            output_tokens=before.output_tokens + usage.output_tokens,
        )

    def _usage(self, account_id: UUID, day: date) -> DayUsage:
        return self._tables.usage_days.get((account_id, day), DayUsage(day, 0, 0, 0))
