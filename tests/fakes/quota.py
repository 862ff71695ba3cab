"""Quota, usage and plans in memory."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from parley.core.billing.model import DayUsage
from parley.core.chat.allowance import Allowance
from parley.core.chat.days import next_midnight, utc_day
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Status
from parley.core.chat.tokens import Spent
from parley.core.plans import Plan, Plans
from parley.core.token_limits import TokenAllowance, Tokens, month_of, token_allowances
from tests.fakes.database import ReplyState, Tables


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

    async def reserved(self, account_id: UUID, first: date) -> Mapping[date, int]:
        found = Counter[date]()
        for message_id, state in self._tables.replies.items():
            is_pending = not self._tables.messages[message_id].status.ended
            if state.account_id == account_id and is_pending and state.charged_on >= first and state.reserved:
                found[state.charged_on] += state.reserved
        return found


class FakeQuota:
    """Quotas in the chat module's transaction."""

    def __init__(self, tables: Tables, plans: Plans) -> None:
        self._tables = tables
        self._plans = plans

    async def plan(self, account_id: UUID, *, now: datetime) -> Plan:
        return self._plans.named(await FakePlans(self._tables, self._plans).of(account_id, now=now))

    async def take(self, account_id: UUID, *, now: datetime) -> tuple[Plan, Allowance]:
        allowance, day = await self.look(account_id, now=now), utc_day(now)
        if allowance.remaining == 0:
            raise QuotaExceeded(allowance)
        usage = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(usage, used=usage.used + 1)
        return await self.plan(account_id, now=now), replace(await self.look(account_id, now=now), tokens=())

    async def tokens(self, account_id: UUID, plan: Plan, *, now: datetime) -> tuple[TokenAllowance, ...]:
        days, today = FakeUsageDays(self._tables), utc_day(now)
        used = {usage.day: usage.tokens for usage in await days.since(account_id, month_of(today))}
        reserved = await days.reserved(account_id, month_of(today))
        return token_allowances(
            plan,
            today,
            day=Tokens(used.get(today, 0), reserved.get(today, 0)),
            month=Tokens(sum(used.values()), sum(reserved.values())),
        )

    async def reserve(self, account_id: UUID, *, now: datetime, tokens: int) -> None:
        """One message is accepted at a time."""

    async def look(self, account_id: UUID, *, now: datetime) -> Allowance:
        day, plan = utc_day(now), await self.plan(account_id, now=now)
        limit = plan.messages_per_day
        remaining = None if limit is None else max(0, limit - self._usage(account_id, day).used)
        return Allowance(limit, remaining, next_midnight(day)).with_tokens(await self.tokens(account_id, plan, now=now))

    async def give_back(self, account_id: UUID, *, day: date | None) -> None:
        if day is None:
            return
        usage = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(usage, used=max(0, usage.used - 1))

    async def add_tokens(self, account_id: UUID, *, day: date | None, spent: Spent) -> None:
        if day is None:
            return
        before = self._usage(account_id, day)
        self._tables.usage_days[account_id, day] = replace(
            before,
            input_tokens=before.input_tokens + spent.input_tokens,
            output_tokens=before.output_tokens + spent.output_tokens,
            estimated_tokens=before.estimated_tokens + spent.estimated,
            priced_tokens=before.priced_tokens
            + (0 if spent.cost is None else spent.input_tokens + spent.output_tokens),
            cost=before.cost + (spent.cost or 0),
        )

    async def abandon(self, room_id: UUID) -> None:
        await self._abandon(lambda state: state.room_id == room_id)

    async def abandon_all(self, account_id: UUID) -> None:
        await self._abandon(lambda state: state.account_id == account_id)

    async def _abandon(self, concerned: Callable[[ReplyState], bool]) -> None:
        for message_id, state in self._tables.replies.items():
            is_written = self._tables.messages[message_id].status is Status.GENERATING
            if is_written and concerned(state) and state.reserved:
                spent = Spent(state.reserved, estimated=state.reserved)
                await self.add_tokens(state.account_id, day=state.charged_on, spent=spent)

    def _usage(self, account_id: UUID, day: date) -> DayUsage:
        return self._tables.usage_days.get((account_id, day), DayUsage(day, 0, 0, 0))
