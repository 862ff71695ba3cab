"""The contract of the AccountDirectory, for every store."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from parley.adapters.sql.accounts.directory import SqlAccountDirectory
from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.core.accounts.directory import AccountDirectory
from parley.core.accounts.model import Account, Identity, IdentityKind
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.plans import Plan, Plans
from tests.contracts.accounts_fixtures import NOBODY, NOW, RAVI, do, new_account
from tests.contracts.databases import EVERY
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.directory import FakeAccountDirectory

PLANS = Plans(
    [
        Plan(name="free", title="Free"),
        Plan(name="plus", title="Plus", prices=("price_plus",)),
        Plan(name="pro", title="Pro", prices=("price_pro",)),
    ]
)
DAY = timedelta(days=1)
EVERYBODY = "mira.a@example.com", "mira.b@example.com", "mirb@example.com", "ravi@example.com"


@dataclass(frozen=True)
class Store:
    accounts: AccountsUnitOfWork
    billing: BillingUnitOfWork
    directory: AccountDirectory

    async def add(self, identity: Identity) -> Account:
        account = new_account(identity)
        await do(self.accounts, lambda unit: unit.accounts.find_or_add(account))
        return account

    async def override(self, account: Account, plan: str | None) -> None:
        async with self.billing() as unit:
            await unit.plans.override(account.id, plan)
            await unit.commit()

    async def pay(self, account: Account, **plans: timedelta) -> None:
        async with self.billing() as unit:
            await unit.plans.set_paid(account.id, {plan: NOW + until for plan, until in plans.items()})
            await unit.commit()

    async def newest(self, plan: str | None = None, *, before: UUID | None = None, limit: int = 50) -> list[str]:
        found = await self.directory.newest(plan=plan, before=before, limit=limit)
        return [f"{each.account.identity.value} {each.plan}" for each in found]

    async def starting(
        self, start: Identity, plan: str | None = None, *, after: str | None = None, limit: int = 50
    ) -> list[str]:
        found = await self.directory.starting_with(start, plan=plan, after=after, limit=limit)
        return [each.account.identity.value for each in found]


@pytest.fixture(params=EVERY)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store, None]:
    async with request.param(tmp_path) as database:
        if isinstance(database, FakeDatabase):
            directory = FakeAccountDirectory(database, PLANS, now=lambda: NOW)
            yield Store(FakeAccountsUnitOfWork(database), FakeBillingUnitOfWork(database, PLANS), directory)
        else:
            limits = PlanLimits(PLANS)
            directory = SqlAccountDirectory(database, limits, now=lambda: NOW)
            yield Store(SqlAccountsUnitOfWork(database), SqlBillingUnitOfWork(database, limits), directory)


def email(value: str) -> Identity:
    return Identity(IdentityKind.EMAIL, value)


async def test_all_accounts_are_listed_the_newest_first(store):
    accounts = [await store.add(email(each)) for each in EVERYBODY]
    await store.add(RAVI)

    assert await store.newest() == [f"{each} free" for each in (RAVI.value, *reversed(EVERYBODY))]
    assert await store.newest(limit=2) == [f"{RAVI.value} free", "ravi@example.com free"]
    assert await store.newest(before=accounts[2].id) == ["mira.b@example.com free", "mira.a@example.com free"]
    assert await store.newest(before=accounts[0].id) == []


async def test_a_listed_account_has_all_that_is_stored_of_it(store):
    mira = await store.add(email("mira@example.com"))
    await do(store.accounts, lambda unit: unit.suspensions.suspend(mira.id, at=NOW))
    [listed] = await store.directory.newest(plan=None, before=None, limit=1)

    async with store.accounts(read_only=True) as unit:
        assert listed.account == await unit.accounts.get(mira.id)
    assert listed.account.suspended_at == NOW
    assert await store.directory.with_id(mira.id, plan=None) == listed


async def test_an_account_is_found_by_its_id_if_it_is_on_the_plan(store):
    mira = await store.add(email("mira@example.com"))

    assert await store.directory.with_id(NOBODY, plan=None) is None
    assert await store.directory.with_id(mira.id, plan="pro") is None
    assert await store.directory.with_id(mira.id, plan="free") is not None


async def test_addresses_are_found_by_their_beginning_in_their_order(store):
    for each in reversed(EVERYBODY):
        await store.add(email(each))
    await store.add(RAVI)

    assert await store.starting(email("mira")) == ["mira.a@example.com", "mira.b@example.com"]
    assert await store.starting(email("mira.b@example.com")) == ["mira.b@example.com"]
    assert await store.starting(email("m"), limit=2) == ["mira.a@example.com", "mira.b@example.com"]
    assert await store.starting(email("m"), after="mira.b@example.com") == ["mirb@example.com"]
    for nothing in ("example.com", "MIRA", "%", "mira_a", "z", "é"):
        assert await store.starting(email(nothing)) == []


async def test_numbers_are_found_by_their_beginning(store):
    for number in ("+919876543210", "+919876543211", "+442071838750"):
        await store.add(Identity(IdentityKind.MOBILE_NUMBER, number))
    await store.add(email("91@example.com"))

    def number(value: str) -> Identity:
        return Identity(IdentityKind.MOBILE_NUMBER, value)

    assert await store.starting(number("+9198")) == ["+919876543210", "+919876543211"]
    assert await store.starting(number("+")) == ["+442071838750", "+919876543210", "+919876543211"]
    assert await store.starting(number("+9198"), after="+919876543210") == ["+919876543211"]
    assert await store.starting(number("+1")) == []


async def test_only_accounts_on_a_plan_are_listed(store):
    unpaid, paying, both, lapsed, overridden, demoted = [
        await store.add(email(f"{name}@example.com"))
        for name in ("unpaid", "paying", "both", "lapsed", "overridden", "demoted")
    ]
    await store.pay(paying, plus=DAY)
    await store.pay(both, plus=DAY, pro=DAY)
    await store.pay(lapsed, pro=-DAY)
    await store.override(overridden, "pro")
    await store.pay(demoted, pro=DAY)
    await store.override(demoted, "free")
    await store.override(unpaid, None)

    assert await store.newest("free") == [f"{name}@example.com free" for name in ("demoted", "lapsed", "unpaid")]
    assert await store.newest("plus") == ["paying@example.com plus"]
    assert await store.newest("pro") == ["overridden@example.com pro", "both@example.com pro"]
    assert await store.newest("pro", limit=1) == ["overridden@example.com pro"]
    assert await store.newest("pro", before=overridden.id) == ["both@example.com pro"]
    assert await store.starting(email("o"), "pro") == ["overridden@example.com"]
    assert await store.starting(email("o"), "free") == []


async def test_a_plan_that_the_operator_no_longer_has_does_not_count(store):
    mira = await store.add(email("mira@example.com"))
    await store.override(mira, "gold")

    assert await store.newest() == ["mira@example.com free"]
    assert await store.newest("free") == ["mira@example.com free"]
