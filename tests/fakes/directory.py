"""All accounts with their plans, in memory."""

from collections.abc import Iterable
from uuid import UUID

from parley.core.accounts.directory import ListedAccount
from parley.core.accounts.model import Identity
from parley.core.plans import Plans
from parley.core.ports import Clock
from tests.fakes.database import FakeDatabase
from tests.fakes.quota import FakePlans


class FakeAccountDirectory:
    def __init__(self, database: FakeDatabase, plans: Plans, *, now: Clock) -> None:
        self._database = database
        self._plans = plans
        self._now = now

    async def with_id(self, account_id: UUID, *, plan: str | None) -> ListedAccount | None:
        return next((each for each in await self._listed(plan) if each.account.id == account_id), None)

    async def newest(self, *, plan: str | None, before: UUID | None, limit: int) -> list[ListedAccount]:
        older = (each for each in await self._listed(plan) if before is None or each.account.id < before)
        return sorted(older, key=lambda each: each.account.id, reverse=True)[:limit]

    async def starting_with(
        self, start: Identity, *, plan: str | None, after: str | None, limit: int
    ) -> list[ListedAccount]:
        found = (
            each
            for each in await self._listed(plan)
            if each.account.identity.kind is start.kind
            and each.account.identity.value.startswith(start.value)
            and each.account.identity.value > (after or "")
        )
        return sorted(found, key=lambda each: each.account.identity.value)[:limit]

    async def _listed(self, plan: str | None) -> Iterable[ListedAccount]:
        tables = self._database.committed
        plans, now = FakePlans(tables, self._plans), self._now()
        listed = [ListedAccount(account, await plans.of(account.id, now=now)) for account in tables.accounts.values()]
        return [each for each in listed if plan is None or each.plan == plan]
