"""Quota, usage and plans in memory."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from parley.core.billing.model import DayUsage
from parley.core.chat.days import next_midnight, utc_day
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Allowance, TokenUsage
from parley.core.plans import Plans
from tests.fakes.database import Tables


class FakePlans:
    def __init__(self, tables: Tables, plans: Plans) -> None:
        self._tables = tables
        self._plans = plans

    async def of(self, account_id: UUID, *, now: datetime) -> str:
        paid = self._tables.paid.get(account_id, {})
        counting = [self._tables.plans.get(account_id), *(plan for plan, until in paid.items() if now < until)]
        override, *rest = (plan if plan is not None and self._plans.get(plan) else None for plan in counting)
        ranked = [plan.name for plan in self._plans if plan.name in rest]
        return override or (ranked[-1] if ranked else self._plans.free.name)

    async def paid(self, account_id: UUID) -> Mapping[str, datetime]:
        return self._tables.paid.get(account_id, {})

    async def set_paid(self, account_id: UUID, paid: Mapping[str, datetime]) -> None:
        self._tables.paid.pop(account_id, None)
        if paid:
            self._tables.paid[account_id] = dict(paid)

    async def override_of(self, account_id: UUID) -> str | None:
        return self._tables.plans.get(account_id)

    async def override(self, account_id: UUID, plan: str | None) -> None:
        if plan is None:
            self._tables.plans.pop(account_id, None)
        else:
            self._tables.plans[account_id] = plan


class FakeUsageDays:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        days = self._tables.usage_days.items()
        return [usage for (owner, day), usage in days if owner == account_id and day >= first]


class FakeQuota:
    """The daily quota, in the chat module's transaction."""

    def __init__(self, tables: Tables, plans: Plans) -> None:
        self._tables = tables
        self._plans = plans

    async def take(self, account_id: UUID, *, now: datetime) -> Allowance:
        allowance, day = await self.look(account_id, now=now), utc_day(now)
        if allowance.remaining == 0:
            raise QuotaExceeded(allowance)
        usage = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(usage, used=usage.used + 1)
        return await self.look(account_id, now=now)

    async def look(self, account_id: UUID, *, now: datetime) -> Allowance:
        day, plan = utc_day(now), await FakePlans(self._tables, self._plans).of(account_id, now=now)
        limit = self._plans.named(plan).messages_per_day
        remaining = None if limit is None else max(0, limit - self._usage(account_id, day).used)
        return Allowance(limit, remaining, next_midnight(day))

    async def give_back(self, account_id: UUID, *, day: date | None) -> None:
        if day is None:
            return
        usage = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(usage, used=max(0, usage.used - 1))

    async def add_tokens(self, account_id: UUID, *, day: date | None, usage: TokenUsage) -> None:
        if day is None:
            return
        before = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(
            before,
            input_tokens=before.input_tokens + (usage.input_tokens or 0),
            output_tokens=before.output_tokens + (usage.output_tokens or 0),
        )

    def _usage(self, account_id: UUID, day: date) -> DayUsage:
        return self._tables.usage_days.get((account_id, day), DayUsage(day, 0, 0, 0))
