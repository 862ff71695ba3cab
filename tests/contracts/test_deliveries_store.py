"""The contract of the Deliveries repository, for every store."""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from parley.core.accounts.model import Delivery, Notice, Purpose
from parley.core.accounts.stores import AccountsUnitOfWork
from tests.contracts.accounts_fixtures import MIRA, NOBODY, NOW, RAVI, SECOND, do, every_store, new_id, see

uow = every_store
LONG = 3_600.0


async def stored(uow: AccountsUnitOfWork, **changes: object) -> Delivery:
    delivery = replace(Delivery(new_id(), MIRA, Purpose.SIGN_IN, b"hidden" * 80, NOW + SECOND), **changes)
    await do(uow, lambda unit: unit.deliveries.put(delivery))
    return delivery


async def claim(
    uow: AccountsUnitOfWork, delivery: Delivery, *, lease: float = LONG, now: datetime = NOW
) -> Delivery | None:
    return await do(uow, lambda unit: unit.deliveries.claim(delivery.id, lease=lease, now=now))


async def postpone(uow: AccountsUnitOfWork, delivery: Delivery, seconds: float) -> None:
    await do(uow, lambda unit: unit.deliveries.postpone(delivery.id, seconds=seconds))


async def overdue(uow: AccountsUnitOfWork, *, seconds: float = 0.0, limit: int = 9) -> list[UUID]:
    return await see(uow, lambda unit: unit.deliveries.overdue(seconds=seconds, limit=limit))


async def test_delivery_is_claimable_at_once_and_unchanged(uow):
    delivery = await stored(uow)
    other = await stored(uow, identity=RAVI, purpose=Purpose.RESET, encrypted_code=b"\x00", failures=3)

    assert await claim(uow, delivery) == delivery
    assert await claim(uow, other) == other
    assert await claim(uow, replace(delivery, id=NOBODY)) is None


async def test_deliveries_of_one_identity_and_purpose_stay_side_by_side(uow):
    deliveries = [await stored(uow, encrypted_code=bytes([number])) for number in range(3)]

    assert [await claim(uow, delivery) for delivery in deliveries] == deliveries


async def test_notice_is_a_delivery_without_a_code(uow):
    notice = await stored(uow, purpose=Notice.GUESSING, encrypted_code=b"")

    assert await claim(uow, notice) == notice


async def test_of_20_parallel_claims_one_succeeds(uow):
    delivery = await stored(uow)

    claims = await asyncio.gather(*(claim(uow, delivery) for _ in range(20)))

    assert claims.count(delivery) == 1
    assert claims.count(None) == 19


async def test_claim_holds_until_its_lease_is_over(uow):
    delivery = await stored(uow)

    assert await claim(uow, delivery, lease=0) == delivery
    assert await claim(uow, delivery, lease=LONG) == delivery
    assert await claim(uow, delivery, lease=LONG) is None


async def test_lease_is_by_the_databases_clock_and_the_expiry_by_the_one_given(uow):
    delivery = await stored(uow)
    assert await claim(uow, delivery, now=NOW + SECOND) is None
    assert await claim(uow, delivery, now=NOW + SECOND / 2) == delivery

    assert await claim(uow, delivery, now=NOW.replace(year=2001)) is None


async def test_expired_claim_changes_nothing(uow):
    delivery = await stored(uow)
    assert await claim(uow, delivery, now=NOW + SECOND) is None

    assert await claim(uow, delivery) == delivery


async def test_postponed_delivery_counts_a_failure_and_is_claimable_later(uow):
    delivery = await stored(uow)
    other = await stored(uow, identity=RAVI)
    assert await claim(uow, delivery) == delivery
    await postpone(uow, delivery, LONG)
    assert await claim(uow, delivery) is None
    await postpone(uow, delivery, 0)
    await do(uow, lambda unit: unit.deliveries.postpone(NOBODY, seconds=0))

    assert await claim(uow, delivery) == replace(delivery, failures=2)
    assert await claim(uow, other) == other


async def test_removed_delivery_is_gone(uow):
    delivery = await stored(uow)
    other = await stored(uow, identity=RAVI)
    for _ in range(2):
        await do(uow, lambda unit: unit.deliveries.remove(delivery.id))

    assert await claim(uow, delivery) is None
    assert await overdue(uow) == [other.id]


async def test_overdue_deliveries_come_longest_first(uow):
    identities = [replace(MIRA, value=f"{number}@example.com") for number in range(5)]
    since = [10, 30, 20, 0, -LONG]
    deliveries = [await stored(uow, identity=identity) for identity in identities]
    for delivery, seconds in zip(deliveries, since, strict=True):
        await postpone(uow, delivery, -seconds)
    longest_first = [deliveries[1].id, deliveries[2].id, deliveries[0].id]

    assert await overdue(uow, seconds=5.0) == longest_first
    assert await overdue(uow, seconds=5.0, limit=2) == longest_first[:2]
    assert await overdue(uow, seconds=15.0) == longest_first[:2]
    assert await overdue(uow, seconds=40.0) == []


async def test_claimed_delivery_is_overdue_only_after_its_lease(uow):
    delivery = await stored(uow)
    await claim(uow, delivery)
    assert await overdue(uow) == []

    await postpone(uow, delivery, 0)
    await claim(uow, delivery, lease=0)
    assert await overdue(uow) == [delivery.id]


async def test_only_expired_deliveries_are_forgotten(uow):
    expired = await stored(uow, expires_at=NOW)
    live = await stored(uow, purpose=Purpose.RESET)

    assert await do(uow, lambda unit: unit.deliveries.forget_expired(NOW)) == 1

    assert await claim(uow, expired, now=NOW - SECOND) is None
    assert await claim(uow, live) == live


async def test_deliveries_of_an_identity_are_forgotten(uow):
    gone = [await stored(uow, purpose=purpose) for purpose in Purpose]
    stays = await stored(uow, identity=RAVI)

    await do(uow, lambda unit: unit.deliveries.forget(MIRA))

    assert [await claim(uow, delivery) for delivery in gone] == [None, None]
    assert await claim(uow, stays) == stays
