"""The contract of the Suspensions repository, for every store."""

from uuid import UUID

from parley.core.accounts.stores import AccountsUnitOfWork
from tests.contracts.accounts_fixtures import MIRA, NOBODY, NOW, RAVI, SECOND, do, every_store, see, stored_account

uow = every_store
LONG = 3_600.0


async def suspend(uow: AccountsUnitOfWork, account_id: UUID, at=NOW) -> bool:
    return await do(uow, lambda unit: unit.suspensions.suspend(account_id, at=at))


async def resume(uow: AccountsUnitOfWork, account_id: UUID) -> bool:
    return await do(uow, lambda unit: unit.suspensions.resume(account_id))


async def latest(uow: AccountsUnitOfWork, seconds: float | None) -> dict[UUID, bool]:
    return dict(await see(uow, lambda unit: unit.suspensions.latest(seconds)))


async def has(uow: AccountsUnitOfWork, account_id: UUID) -> bool:
    return await see(uow, lambda unit: unit.suspensions.has(account_id))


async def test_an_account_is_suspended_and_resumed(uow):
    mira, ravi = await stored_account(uow, MIRA), await stored_account(uow, RAVI)
    assert await suspend(uow, mira.id)
    assert await has(uow, mira.id)
    assert not await has(uow, ravi.id)

    account = await see(uow, lambda unit: unit.accounts.get(mira.id))
    assert account is not None
    assert account.suspended_at == NOW

    assert await resume(uow, mira.id)
    assert not await has(uow, mira.id)
    assert await see(uow, lambda unit: unit.accounts.get(mira.id)) == mira


async def test_a_second_suspension_keeps_the_time_of_the_first(uow):
    mira = await stored_account(uow)
    await suspend(uow, mira.id)
    assert await suspend(uow, mira.id, NOW + SECOND)

    account = await see(uow, lambda unit: unit.accounts.get(mira.id))
    assert account is not None
    assert account.suspended_at == NOW


async def test_an_account_that_is_not_suspended_may_be_resumed(uow):
    mira = await stored_account(uow)

    assert await resume(uow, mira.id)
    assert not await has(uow, mira.id)


async def test_an_account_that_is_gone_is_neither_suspended_nor_resumed(uow):
    assert not await suspend(uow, NOBODY)
    assert not await resume(uow, NOBODY)
    assert not await has(uow, NOBODY)


async def test_latest_has_what_changed_within_the_window_and_all_that_are_suspended_without_one(uow):
    mira, ravi = await stored_account(uow, MIRA), await stored_account(uow, RAVI)
    assert await latest(uow, None) == await latest(uow, LONG) == {}
    await suspend(uow, mira.id)
    await suspend(uow, ravi.id)
    await resume(uow, ravi.id)

    # By the database's clock, which is far from NOW; a negative window contains nothing.
    assert await latest(uow, LONG) == {mira.id: True, ravi.id: False}
    assert await latest(uow, -LONG) == {}
    assert await latest(uow, None) == {mira.id: True}


async def test_a_suspension_goes_with_its_account(uow):
    mira = await stored_account(uow)
    await suspend(uow, mira.id)
    await do(uow, lambda unit: unit.accounts.remove(mira.id))

    assert await latest(uow, None) == await latest(uow, LONG) == {}


async def test_an_uncommitted_suspension_is_rolled_back(uow):
    mira = await stored_account(uow)
    async with uow() as unit:
        await unit.suspensions.suspend(mira.id, at=NOW)

    assert not await has(uow, mira.id)
