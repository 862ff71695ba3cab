"""The plan that an account is on, for limits that are not checked in a transaction."""

from uuid import UUID

from parley.core.chat.stores import ChatUnitOfWork
from parley.core.plans import Plan, Plans
from parley.core.ports import Clock


class AccountPlans:
    """Reads plans of accounts. `every` are all that there are."""

    def __init__(self, every: Plans, uow: ChatUnitOfWork, *, now: Clock) -> None:
        self.every = every
        self._uow = uow
        self._now = now

    async def of(self, account_id: UUID) -> Plan:
        async with self._uow(read_only=True) as unit:
            return await unit.quota.plan(account_id, now=self._now())
