"""Suspended accounts in memory."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.ports import Clock
from tests.fakes.database import Tables


class FakeSuspensions:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._accounts = tables.accounts
        self._changes = tables.suspension_changes
        self._clock = clock

    async def suspend(self, account_id: UUID, *, at: datetime) -> bool:
        account = self._accounts.get(account_id)
        return self._change(account_id, at if account is None else account.suspended_at or at)

    async def resume(self, account_id: UUID) -> bool:
        return self._change(account_id, None)

    def _change(self, account_id: UUID, suspended_at: datetime | None) -> bool:
        if account_id not in self._accounts:
            return False
        self._accounts[account_id] = replace(self._accounts[account_id], suspended_at=suspended_at)
        self._changes[account_id] = self._clock()
        return True

    async def latest(self, seconds: float | None) -> Mapping[UUID, bool]:
        states = {each: account.suspended_at is not None for each, account in self._accounts.items()}
        if seconds is None:
            return {each: True for each, suspended in states.items() if suspended}
        since = self._clock() - timedelta(seconds=seconds)
        return {each: states[each] for each, at in self._changes.items() if at > since and each in states}

    async def has(self, account_id: UUID) -> bool:
        account = self._accounts.get(account_id)
        return account is not None and account.suspended_at is not None
