"""The accounts module's storage in memory.

A unit of work changes copies and swaps them in on commit: what is not saved or not committed is lost, as in SQL.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from parley.core.accounts.model import Account, Identity
from parley.core.accounts.stores import AccountsUnit
from tests.fakes.account_tables import AccountTables, add, drop
from tests.fakes.codes import FakeChallenges, FakeDeliveries, FakeSignups
from tests.fakes.sessions import FakeRevocations, FakeSessions


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nothing(_: UUID) -> None:
    pass


class FakeAccountsUnitOfWork:
    """Transactions over dictionaries of this process: one writer at a time, readers never wait."""

    def __init__(
        self, *, clock: Callable[[], datetime] = _utc_now, account_erasure: Callable[[UUID], None] = _nothing
    ) -> None:
        """`clock` is the database's own, for leases; `account_erasure` erases what other modules keep of an account."""
        self._tables = AccountTables()
        self._clock = clock
        self._belongings = account_erasure
        self._writers_turn = asyncio.Lock()

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[AccountsUnit, None]:
        turn: AbstractAsyncContextManager[Any] = nullcontext() if read_only else self._writers_turn
        async with turn:
            # A database lets others go on while it works: without that here, no two tasks would ever meet.
            await asyncio.sleep(0)
            keep = None if read_only else self._keep
            yield FakeAccountsUnit(self._tables.copy(), clock=self._clock, erase=self._belongings, keep=keep)

    def _keep(self, tables: AccountTables) -> None:
        self._tables = tables


class FakeAccountsUnit:
    """The repositories of one transaction. `keep` is None in one that must not write."""

    def __init__(
        self,
        tables: AccountTables,
        *,
        clock: Callable[[], datetime],
        erase: Callable[[UUID], None],
        keep: Callable[[AccountTables], None] | None,
    ) -> None:
        self._tables = tables
        self._keep = keep
        self.accounts = FakeAccounts(tables)
        self.challenges = FakeChallenges(tables.challenges)
        self.deliveries = FakeDeliveries(tables.deliveries, clock)
        self.signups = FakeSignups(tables.signups)
        self.sessions = FakeSessions(tables)
        self.revocations = FakeRevocations(tables.revocations, clock)
        self.account_erasure = FakeAccountErasure(erase)

    async def commit(self) -> None:
        if self._keep is None:
            raise RuntimeError("a read-only unit of work was to commit")
        await asyncio.sleep(0)
        self._keep(self._tables.copy())


class FakeAccounts:
    def __init__(self, tables: AccountTables) -> None:
        self._tables = tables
        self._accounts = tables.accounts

    async def get(self, account_id: UUID) -> Account | None:
        return self._accounts.get(account_id)

    async def find(self, identity: Identity, *, keep: bool = False) -> Account | None:  # noqa: ARG002  one writer
        return next((account for account in self._accounts.values() if account.identity == identity), None)

    async def find_or_add(self, account: Account) -> tuple[Account, bool]:
        found = await self.find(account.identity)
        if found is not None:
            return found, False
        add(self._accounts, account.id, account)
        return account, True

    async def rename(self, account_id: UUID, name: str | None) -> Account | None:
        account = self._accounts.get(account_id)
        if account is None:
            return None
        self._accounts[account_id] = replace(account, name=name)
        return self._accounts[account_id]

    async def lock(self, account_id: UUID) -> Account | None:
        return self._accounts.get(account_id)

    async def set_password(self, account_id: UUID, new: str) -> bool:
        account = self._accounts.get(account_id)
        if account is None:
            return False
        self._accounts[account_id] = replace(account, password_hash=new)
        return True

    async def remove(self, account_id: UUID) -> bool:
        if self._accounts.pop(account_id, None) is None:
            return False
        drop(self._tables.sessions, lambda session: session.account_id == account_id)
        drop(self._tables.refresh_tokens, lambda token: token.session_id not in self._tables.sessions)
        return True

    async def replace_password(self, account_id: UUID, *, old: str | None, new: str) -> bool:
        account = self._accounts.get(account_id)
        if account is None or account.password_hash != old:
            return False
        self._accounts[account_id] = replace(account, password_hash=new)
        return True


class FakeAccountErasure:
    """What other modules keep goes at once: a rollback does not bring it back."""

    def __init__(self, erase: Callable[[UUID], None]) -> None:
        self._erase = erase

    async def lock(self, account_id: UUID) -> None: ...

    async def erase(self, account_id: UUID) -> None:
        self._erase(account_id)
