"""The accounts module's storage over the in-memory database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from parley.core.accounts.model import Account, Identity
from parley.core.accounts.stores import AccountsUnit
from parley.core.billing.model import DayUsage
from parley.core.ports import Clock
from tests.fakes.api_keys import FakeApiKeys
from tests.fakes.codes import FakeChallenges, FakeDeliveries, FakeSignups
from tests.fakes.database import FakeDatabase, FakeTransaction, Tables, add, delete_where
from tests.fakes.guesses import FakeDevices, FakeGuessFailures
from tests.fakes.plans import PLANS
from tests.fakes.quota import FakeQuota
from tests.fakes.sessions import FakeRevocations, FakeSessions
from tests.fakes.suspensions import FakeSuspensions
from tests.fakes.webhooks import FakeOutgoingEvents, forget_personal


class FakeAccountsUnitOfWork:
    def __init__(self, database: FakeDatabase) -> None:
        self._database = database

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[AccountsUnit, None]:
        async with self._database.transaction(read_only=read_only) as transaction:
            yield FakeAccountsUnit(transaction)


class FakeAccountsUnit:
    """The repositories of one transaction."""

    def __init__(self, transaction: FakeTransaction) -> None:
        self._transaction = transaction
        tables, clock = transaction.tables, transaction.clock
        self.accounts = FakeAccounts(tables)
        self.challenges = FakeChallenges(tables.challenges)
        self.failures = FakeGuessFailures(tables.failures)
        self.devices = FakeDevices(tables.devices)
        self.deliveries = FakeDeliveries(tables.deliveries, clock)
        self.signups = FakeSignups(tables.signups)
        self.sessions = FakeSessions(tables)
        self.revocations = FakeRevocations(tables.revocations, clock)
        self.suspensions = FakeSuspensions(tables, clock)
        self.api_keys = FakeApiKeys(tables)
        self.account_erasure = FakeAccountErasure(tables, clock)
        self.erased_usage = FakeErasedUsage(tables)
        self.outgoing_events = FakeOutgoingEvents(tables, clock)

    async def commit(self) -> None:
        self._transaction.commit()


class FakeAccounts:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._accounts = tables.accounts

    async def get(self, account_id: UUID) -> Account | None:
        return self._accounts.get(account_id)

    async def find(self, identity: Identity, *, prevent_erasure: bool = False) -> Account | None:  # noqa: ARG002
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
        delete_where(self._tables.sessions, lambda session: session.account_id == account_id)
        delete_where(self._tables.api_keys, lambda key: key.account_id == account_id)
        delete_where(self._tables.refresh_tokens, lambda token: token.session_id not in self._tables.sessions)
        return True

    async def replace_password(self, account_id: UUID, *, old: str | None, new: str) -> bool:
        account = self._accounts.get(account_id)
        if account is None or account.password_hash != old:
            return False
        self._accounts[account_id] = replace(account, password_hash=new)
        return True


class FakeAccountErasure:
    """Removes an account's rows of chat and billing in its transaction, and leaves customer erasures, as SQL does."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def lock(self, account_id: UUID) -> None: ...

    async def erase(self, account_id: UUID) -> None:
        erase_from_other_modules(self._tables, account_id, self._clock())


class FakeErasedUsage:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def store(self, account_id: UUID, owner: bytes, *, since: date) -> None:
        await FakeQuota(self._tables, PLANS).abandon_all(account_id)
        for (each, day), usage in self._tables.usage_days.items():
            if each == account_id and day >= since:
                refusals = self._tables.returned_refusals.get((each, day), 0)
                before, refusals_before = self._tables.erased_usage.get((owner, day), (usage, refusals))
                self._tables.erased_usage[owner, day] = (_larger(before, usage), max(refusals_before, refusals))

    async def restore(self, account_id: UUID, owner: bytes, *, since: date) -> None:
        for (each, day), (usage, refusals) in self._tables.erased_usage.items():
            if each == owner and day >= since:
                before = self._tables.usage_days.get((account_id, day), usage)
                self._tables.usage_days[account_id, day] = _larger(before, usage)
                self._tables.returned_refusals[account_id, day] = refusals

    async def forget_before(self, day: date) -> int:
        return delete_where(self._tables.erased_usage, lambda row: row[0].day < day)


def _larger(one: DayUsage, other: DayUsage) -> DayUsage:
    return DayUsage(
        one.day,
        max(one.used, other.used),
        max(one.input_tokens, other.input_tokens),
        max(one.output_tokens, other.output_tokens),
    )


def erase_from_other_modules(tables: Tables, account_id: UUID, now: datetime) -> None:
    delete_where(tables.rooms, lambda row: row[0].account_id == account_id)
    for room_id in [room_id for room_id in tables.prompts if room_id not in tables.rooms]:
        del tables.prompts[room_id]
    delete_where(tables.shares, lambda share: share.room_id not in tables.rooms)
    delete_where(tables.messages, lambda message: message.room_id not in tables.rooms)
    delete_where(tables.replies, lambda reply: reply.room_id not in tables.rooms)
    delete_where(tables.idempotency_keys, lambda use: use.room_id not in tables.rooms)
    delete_where(tables.title_jobs, lambda job: job.room_id not in tables.rooms)
    delete_where(tables.search_texts, lambda row: row[1].waiting.room_id not in tables.rooms)
    for account_day in [key for key in tables.usage_days if key[0] == account_id]:
        del tables.usage_days[account_day]
    tables.plans.pop(account_id, None)
    tables.paid.pop(account_id, None)
    orphaned = [customer.id for customer, _ in tables.customers.values() if customer.account_id == account_id]
    tables.customer_erasures.update(dict.fromkeys(orphaned, (0, now)))
    delete_where(tables.customers, lambda row: row[0].account_id == account_id)
    delete_where(tables.subscriptions, lambda row: row[0].account_id == account_id)
    tables.reported_plans.pop(account_id, None)
    forget_personal(tables, account_id)
