"""The contract of the Revocations repository, for every store."""

from datetime import datetime
from uuid import UUID

from parley.core.accounts.model import Revocation
from parley.core.accounts.stores import AccountsUnitOfWork
from tests.contracts.accounts_fixtures import NOW, SECOND, do, every_store, new_id, see, stored_session

uow = every_store
LONG = 3_600.0


async def revoke(uow: AccountsUnitOfWork, *session_ids: UUID, until: datetime = NOW) -> None:
    await do(uow, lambda unit: unit.revocations.add(session_ids, until=until))


async def latest(uow: AccountsUnitOfWork, seconds: float | None = None) -> set[Revocation]:
    found = await see(uow, lambda unit: unit.revocations.latest(seconds))
    assert len(found) == len(set(found))
    return set(found)


async def has(uow: AccountsUnitOfWork, session_id: UUID) -> bool:
    return await see(uow, lambda unit: unit.revocations.has(session_id))


async def test_revoked_sessions_are_known(uow):
    one, two, three = new_id(), new_id(), new_id()
    assert not await has(uow, one)
    await revoke(uow, one, two)

    assert await has(uow, one)
    assert await has(uow, two)
    assert not await has(uow, three)
    assert await latest(uow) == {Revocation(one, NOW), Revocation(two, NOW)}


async def test_revoking_no_sessions_is_allowed(uow):
    await revoke(uow)

    assert await latest(uow) == set()


async def test_session_may_be_revoked_again(uow):
    one, two = new_id(), new_id()
    await revoke(uow, one)
    await revoke(uow, one, two)

    assert {each.session_id for each in await latest(uow)} == {one, two}


async def test_latest_returns_those_within_the_window(uow):
    one = new_id()
    await revoke(uow, one)

    # By the database's clock, which is far from NOW; a negative window contains nothing.
    assert await latest(uow, LONG) == {Revocation(one, NOW)}
    assert await latest(uow, -LONG) == set()
    assert await latest(uow, None) == {Revocation(one, NOW)}


async def test_only_expired_revocations_are_forgotten(uow):
    expired, live = new_id(), new_id()
    await revoke(uow, expired, until=NOW)
    await revoke(uow, live, until=NOW + SECOND)

    assert await do(uow, lambda unit: unit.revocations.forget_expired(NOW)) == 1

    assert not await has(uow, expired)
    assert await has(uow, live)


async def test_revocation_outlives_its_session_and_account(uow):
    session = await stored_session(uow)
    await revoke(uow, session.id)
    await do(uow, lambda unit: unit.accounts.remove(session.account_id))

    assert await see(uow, lambda unit: unit.sessions.get(session.id)) is None
    assert await has(uow, session.id)


async def test_uncommitted_revocation_is_rolled_back(uow):
    one = new_id()
    async with uow() as unit:
        await unit.revocations.add([one], until=NOW)
        assert await unit.revocations.has(one)

    assert not await has(uow, one)
