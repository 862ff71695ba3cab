"""The contract of the stores of webhook events and of customers to erase."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.model import ProviderEvent, StoredEvent
from tests.contracts.billing_fixtures import LONG, NOW, SECOND, Store, an_event, every_store, new_id

store = every_store
INSTANT = timedelta(microseconds=1)


async def overdue(store: Store, seconds: float = 0, limit: int = 100) -> list:
    return await store.see(lambda unit: unit.events.overdue(seconds=seconds, limit=limit))


async def waiting(store: Store):
    return await store.see(lambda unit: unit.events.waiting())


async def postpone(store: Store, stored: StoredEvent, seconds: float) -> None:
    await store.do(lambda unit: unit.events.postpone(stored.id, seconds=seconds))


async def handle(store: Store, stored: StoredEvent, at=NOW) -> None:
    await store.do(lambda unit: unit.events.handled(stored.id, at=at))


async def forget(store: Store, before) -> int:
    return await store.do(lambda unit: unit.events.forget_before(before))


async def customer_erasures(store: Store, *, lease: float = LONG, limit: int = 100) -> dict[str, int]:
    """Claim them; returns each with its count of failures."""
    claimed = await store.do(lambda unit: unit.customer_erasures.claim(lease=lease, limit=limit))
    assert len(dict(claimed)) == len(claimed)
    return dict(claimed)


@pytest.mark.parametrize("ids", [("cus_1", "sub_1"), ("cus_1", None), (None, "s" * 255), (None, None)])
async def test_event_is_claimed_as_it_was_added(store, ids):
    stored = an_event(*ids)
    assert await store.do(lambda unit: unit.events.add(stored, handled=False, now=NOW))
    assert await store.claim(stored) == stored


async def test_event_is_added_once_under_the_providers_id(store):
    stored = await store.new_event()
    again = StoredEvent(new_id(), ProviderEvent(stored.event.id, "another.kind", None, None))
    for handled in (True, False):
        assert not await store.do(lambda unit, handled=handled: unit.events.add(again, handled=handled, now=NOW))
    assert await store.claim(again) is None
    assert await store.claim(stored) == stored
    assert (await waiting(store))[0] == 1


async def test_one_of_20_parallel_adds_succeeds(store):
    event = an_event().event
    copies = [replace(an_event(), event=event) for _ in range(20)]
    added = await asyncio.gather(
        *(store.do(lambda unit, one=each: unit.events.add(one, handled=False, now=NOW)) for each in copies)
    )
    assert sum(added) == 1
    [stored] = [each for each, new in zip(copies, added, strict=True) if new]
    assert await overdue(store) == [stored.id]


async def test_uncommitted_event_is_not_added(store):
    stored = an_event()
    async with store.billing() as unit:
        assert await unit.events.add(stored, handled=False, now=NOW)
    assert await waiting(store) == (0, None)
    assert await store.do(lambda unit: unit.events.add(stored, handled=False, now=NOW))


async def test_one_of_20_parallel_claims_succeeds(store):
    stored = await store.new_event()
    claims = await asyncio.gather(*(store.claim(stored) for _ in range(20)))
    assert [claim for claim in claims if claim] == [stored]
    assert await store.claim(stored) is None


async def test_claim_ends_with_its_lease(store):
    stored = await store.new_event()
    for _ in range(3):
        assert await store.claim(stored, lease=0) == stored
    assert await store.claim(stored) == stored
    assert await store.claim(stored, lease=0) is None


async def test_unknown_event_is_ignored(store):
    unknown = an_event()
    assert await store.claim(unknown) is None
    await postpone(store, unknown, 0)
    await handle(store, unknown)
    assert await waiting(store) == (0, None)


async def test_postponed_event_counts_failures_and_waits(store):
    stored = await store.new_event()
    for failures in range(1, 4):
        assert await store.claim(stored)
        await postpone(store, stored, 0)
        assert await store.claim(stored, lease=0) == replace(stored, failures=failures)
    await postpone(store, stored, LONG)
    assert await store.claim(stored) is None
    assert await overdue(store) == []
    assert (await waiting(store))[0] == 1


@pytest.mark.parametrize("at_once", [True, False])
async def test_handled_event_cannot_be_claimed_again(store, at_once):
    stored = await store.new_event(handled=at_once)
    if not at_once:
        await store.claim(stored)
        await handle(store, stored)
    await postpone(store, stored, 0)
    assert await store.claim(stored) is None
    assert await overdue(store) == []
    assert await waiting(store) == (0, None)
    assert not await store.do(lambda unit: unit.events.add(stored, handled=False, now=NOW))


async def test_overdue_are_the_unclaimed_the_longest_waiting_first(store):
    claimed, late, _ = await store.new_event(), await store.new_event(), await store.new_event(handled=True)
    fresh = await store.new_event()
    await store.claim(claimed)
    assert await overdue(store, LONG) == []
    assert sorted(await overdue(store)) == [late.id, fresh.id]
    await postpone(store, fresh, -2 * LONG)
    assert await overdue(store) == [fresh.id, late.id]
    assert await overdue(store, limit=1) == [fresh.id]
    assert await overdue(store, LONG) == [fresh.id]
    await postpone(store, claimed, -LONG - 1)
    assert await overdue(store, LONG) == [fresh.id, claimed.id]


async def test_waiting_counts_the_unhandled_and_returns_the_oldest_arrival(store):
    assert await waiting(store) == (0, None)
    later, first = await store.new_event(now=NOW + SECOND), await store.new_event()
    await store.new_event(handled=True, now=NOW - SECOND)
    assert await waiting(store) == (2, NOW)
    await store.claim(first)
    await postpone(store, later, LONG)
    assert await waiting(store) == (2, NOW)
    await handle(store, first)
    assert await waiting(store) == (1, NOW + SECOND)


async def test_forgetting_removes_events_handled_before(store):
    old, edge, unhandled = [await store.new_event(now=NOW - SECOND) for _ in range(3)]
    await store.new_event(handled=True, now=NOW - SECOND)
    await handle(store, old, NOW - INSTANT)
    await handle(store, edge, NOW)
    assert await forget(store, NOW) == 2
    assert await forget(store, NOW) == 0
    assert await waiting(store) == (1, NOW - SECOND)
    # The forgotten event can be added again, the other one cannot.
    assert await store.do(lambda unit: unit.events.add(old, handled=False, now=NOW))
    assert not await store.do(lambda unit: unit.events.add(edge, handled=False, now=NOW))
    assert await store.claim(unhandled) == unhandled


async def test_customer_erasures_are_claimed_once(store):
    customers = await store.customers_of_erased_accounts(3)
    assert await customer_erasures(store) == dict.fromkeys(customers, 0)
    assert await customer_erasures(store) == {}


async def test_customer_erasures_can_be_claimed_again_after_the_lease(store):
    customers = await store.customers_of_erased_accounts(2)
    for _ in range(2):
        assert await customer_erasures(store, lease=0) == dict.fromkeys(customers, 0)


async def test_claiming_customer_erasures_honours_the_limit(store):
    customers = await store.customers_of_erased_accounts(5)
    batches = [await customer_erasures(store, limit=2) for _ in range(4)]
    assert [len(batch) for batch in batches] == [2, 2, 1, 0]
    assert set().union(*batches) == customers


async def test_parallel_workers_claim_different_customer_erasures(store):
    customers = await store.customers_of_erased_accounts(10)
    batches = await asyncio.gather(*(customer_erasures(store, limit=1) for _ in range(20)))
    claimed = [customer_id for batch in batches for customer_id in batch]
    # A worker that skipped a locked row may have got none.
    claimed += [customer_id for _ in range(10) for customer_id in await customer_erasures(store, limit=1)]
    assert sorted(claimed) == sorted(customers)


async def test_postponed_customer_erasure_counts_failures_and_waits(store):
    [customer_id] = await store.customers_of_erased_accounts(1)
    for failures in (1, 2):
        await customer_erasures(store)
        await store.do(lambda unit: unit.customer_erasures.postpone(customer_id, seconds=0))
        assert await customer_erasures(store, lease=0) == {customer_id: failures}
    await store.do(lambda unit: unit.customer_erasures.postpone(customer_id, seconds=LONG))
    assert await customer_erasures(store) == {}


async def test_removed_customer_erasure_is_gone(store):
    left, removed = sorted(await store.customers_of_erased_accounts(2))
    for unknown in (removed, removed, "cus_none"):
        await store.do(lambda unit, one=unknown: unit.customer_erasures.remove(one))
    await store.do(lambda unit: unit.customer_erasures.postpone(removed, seconds=0))
    assert await customer_erasures(store) == {left: 0}
