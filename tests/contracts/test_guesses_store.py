"""The contract of the GuessFailures and Devices repositories, for every store."""

import asyncio
from datetime import datetime, timedelta

import pytest

from parley.core.accounts.model import Failures, Identity
from parley.core.accounts.stores import AccountsUnitOfWork
from tests.contracts.accounts_fixtures import MIRA, NOW, RAVI, SECOND, do, every_store, see

uow = every_store
TOKEN = b"t" * 32


async def fail(uow: AccountsUnitOfWork, source: str, *, identity: Identity = MIRA, in_total: bool = True) -> Failures:
    """Count a failure; returns what was counted before."""
    async with uow() as unit:
        before = await unit.failures.lock(identity, source, now=NOW)
        await unit.failures.add(identity, source, at=NOW + SECOND, in_total=in_total)
        await unit.commit()
    return before


async def read(uow: AccountsUnitOfWork, source: str, identity: Identity = MIRA) -> tuple[int, int]:
    failures = await see(uow, lambda unit: unit.failures.read(identity, source, now=NOW))
    return failures.own, failures.total


async def test_without_failures_there_are_none(uow):
    assert await see(uow, lambda unit: unit.failures.read(MIRA, "a", now=NOW)) == Failures(0, NOW, 0, notified=False)
    assert await do(uow, lambda unit: unit.failures.lock(MIRA, "a", now=NOW)) == Failures(0, NOW, 0, notified=False)


async def test_failures_are_counted_by_source_and_in_total(uow):
    assert await fail(uow, "a") == Failures(0, NOW, 0, notified=False)
    assert await fail(uow, "a") == Failures(1, NOW + SECOND, 1, notified=False)
    assert await fail(uow, "b") == Failures(0, NOW, 2, notified=False)
    await fail(uow, "known", in_total=False)
    await fail(uow, "a", identity=RAVI)

    assert [await read(uow, source) for source in ("a", "b", "known")] == [(2, 3), (1, 3), (1, 3)]


async def test_clearing_a_source_removes_its_failures_from_the_total(uow):
    for source in ("a", "a", "b"):
        await fail(uow, source)
    await fail(uow, "known", in_total=False)
    await do(uow, lambda unit: unit.failures.clear(MIRA, "a", in_total=True))
    await do(uow, lambda unit: unit.failures.clear(MIRA, "known", in_total=False))
    await do(uow, lambda unit: unit.failures.clear(MIRA, "never failed", in_total=True))

    assert [await read(uow, source) for source in ("a", "b", "known")] == [(0, 1), (1, 1), (0, 1)]
    await do(uow, lambda unit: unit.failures.clear(MIRA, "b", in_total=True))
    assert await read(uow, "b") == (0, 0)


async def test_undone_failure_does_not_count(uow):
    for _ in range(3):
        await fail(uow, "a")
    await fail(uow, "known", in_total=False)
    await undo(uow, "a", in_total=True)
    await undo(uow, "known", in_total=False)

    assert [await read(uow, source) for source in ("a", "known")] == [(2, 2), (0, 2)]


async def undo(uow: AccountsUnitOfWork, source: str, *, in_total: bool, at: datetime = NOW + SECOND) -> None:
    """Undo the failure of that moment; the one before was a second earlier."""
    await do(
        uow, lambda unit: unit.failures.undo(MIRA, source, in_total=in_total, at=at, earlier=at - timedelta(seconds=1))
    )


@pytest.mark.parametrize("later", [False, True])
async def test_undone_failure_is_the_last_no_more_unless_another_came_since(uow, later):
    for seconds in range(2 + later):
        await fail_at(uow, NOW + timedelta(seconds=seconds))
    await undo(uow, "a", in_total=True, at=NOW + timedelta(seconds=1))

    failures = await see(uow, lambda unit: unit.failures.read(MIRA, "a", now=NOW))
    assert (failures.own, failures.last_failed_at) == (1 + later, NOW + timedelta(seconds=2 * later))


async def fail_at(uow: AccountsUnitOfWork, at: datetime) -> None:
    async with uow() as unit:
        await unit.failures.lock(MIRA, "a", now=at)
        await unit.failures.add(MIRA, "a", at=at, in_total=True)
        await unit.commit()


async def test_notified_is_of_the_identity(uow):
    await fail(uow, "a")
    async with uow() as unit:
        await unit.failures.lock(MIRA, "a", now=NOW)
        await unit.failures.mark_notified(MIRA, at=NOW)
        await unit.commit()

    assert (await fail(uow, "b")).notified
    assert not (await fail(uow, "b", identity=RAVI)).notified


async def test_parallel_failures_from_several_sources_are_all_counted_once(uow):
    befores = await asyncio.gather(*(fail(uow, f"source {number % 5}") for number in range(50)))

    assert sorted(before.total for before in befores) == list(range(50))
    assert await read(uow, "source 0") == (10, 50)


async def test_failures_of_an_identity_are_forgotten(uow):
    for identity in (MIRA, RAVI):
        await fail(uow, "a", identity=identity)
    await do(uow, lambda unit: unit.failures.forget(MIRA))

    assert await read(uow, "a") == (0, 0)
    assert await read(uow, "a", RAVI) == (1, 1)


async def test_only_old_failures_are_forgotten(uow):
    await fail(uow, "a")
    assert await do(uow, lambda unit: unit.failures.forget_before(NOW + SECOND)) == 0
    assert await do(uow, lambda unit: unit.failures.forget_before(NOW + 2 * SECOND)) == 2

    assert await read(uow, "a") == (0, 0)


async def test_device_is_known_to_its_identity_until_it_expires(uow):
    await do(uow, lambda unit: unit.devices.add(MIRA, TOKEN, until=NOW + SECOND))

    async with uow(read_only=True) as unit:
        assert await unit.devices.has(MIRA, TOKEN, now=NOW)
        assert not await unit.devices.has(MIRA, TOKEN, now=NOW + SECOND)
        assert not await unit.devices.has(RAVI, TOKEN, now=NOW)
        assert not await unit.devices.has(MIRA, b"other", now=NOW)


async def test_device_is_renewed_while_it_is_valid(uow):
    async def renew(identity: Identity, token: bytes, now: datetime) -> bool:
        return await do(uow, lambda unit: unit.devices.renew(identity, token, now=now, until=NOW + 3 * SECOND))

    await do(uow, lambda unit: unit.devices.add(MIRA, TOKEN, until=NOW + SECOND))

    assert not await renew(RAVI, TOKEN, NOW)
    assert not await renew(MIRA, b"other", NOW)
    assert not await renew(MIRA, TOKEN, NOW + SECOND)
    assert await renew(MIRA, TOKEN, NOW)
    assert await renew(MIRA, TOKEN, NOW + 2 * SECOND)
    assert await see(uow, lambda unit: unit.devices.has(MIRA, TOKEN, now=NOW + 2 * SECOND))


async def test_devices_of_an_identity_and_expired_ones_are_forgotten(uow):
    tokens = [bytes([number]) * 32 for number in range(3)]
    for identity, token, until in zip((MIRA, RAVI, RAVI), tokens, (1, 1, 2), strict=True):
        await do(uow, lambda unit, i=identity, t=token, u=until: unit.devices.add(i, t, until=NOW + u * SECOND))
    await do(uow, lambda unit: unit.devices.forget(MIRA))
    assert await do(uow, lambda unit: unit.devices.forget_expired(NOW + SECOND)) == 1

    async with uow(read_only=True) as unit:
        known = [await unit.devices.has(RAVI, token, now=NOW) for token in tokens]
        assert known == [False, False, True]
        assert not await unit.devices.has(MIRA, tokens[0], now=NOW)
