"""The contract of the stores of events for the operator's servers, and of their deliveries."""

import asyncio
from dataclasses import replace
from uuid import uuid4

from parley.core.accounts.erase import erase_account
from parley.core.accounts.model import Account, Identity, IdentityKind
from parley.core.outgoing_events import EventKind, NewDelivery
from parley.core.webhooks.model import MEMORY_SECONDS, RETRY_SECONDS, DeliveryStatus
from tests.contracts.databases import new_id
from tests.contracts.webhook_fixtures import ENDPOINT, LONG, NOW, OTHER, a_delivery, every_store
from tests.unit.accounts.environment import AccountsEnvironment

store = every_store
PERSONAL = {"email": "mira@example.com", "content": "Grüße 👋"}


async def test_delivery_is_claimed_as_its_event_was_stored(store):
    for kind in EventKind:
        added = await store.new(kind=kind, data={"model": "a/b", "usage": {"input_tokens": 3}}, personal=PERSONAL)
        claimed = await store.claim_one()
        assert (claimed.id, claimed.event, claimed.attempt) == (added.id, added.event, 1)


async def test_each_endpoint_gets_the_event_under_the_same_id(store):
    first = a_delivery()
    other = NewDelivery(new_id(), OTHER, first.event)
    await store.add(first, other)
    for endpoint, delivery in ((ENDPOINT, first), (OTHER, other)):
        [claimed] = await store.claim(endpoint)
        assert (claimed.id, claimed.event) == (delivery.id, first.event)
    assert await store.claim("nobody.example.com-00000000") == []


async def test_event_is_stored_once_for_each_endpoint(store):
    delivery = a_delivery()
    assert not await store.has(delivery.event.id)
    for _ in range(2):
        await store.add(replace(delivery, id=new_id()))
    assert await store.has(delivery.event.id)
    assert len(await store.claim()) == 1


async def test_uncommitted_event_is_not_stored(store):
    delivery = a_delivery()
    async with store.accounts() as unit:
        await unit.outgoing_events.add([delivery])
    assert not await store.has(delivery.event.id)
    assert await store.claim() == []


async def test_parallel_workers_claim_different_deliveries(store):
    added = {(await store.new()).id for _ in range(10)}
    batches = await asyncio.gather(*(store.claim(limit=1) for _ in range(20)))
    claimed = [each.id for batch in batches for each in batch]
    # A worker that skipped a locked row may have got none.
    claimed += [each.id for each in await store.claim()]
    assert sorted(claimed) == sorted(added)


async def test_longest_due_are_claimed_first(store):
    late, early = await store.new(), await store.new()
    both = {each.id: each for each in await store.claim()}
    await store.postpone(both[late.id], -10)
    await store.postpone(both[early.id], -20)
    assert [each.id for _ in range(2) for each in await store.claim(limit=1)] == [early.id, late.id]


async def test_claim_ends_with_its_lease_and_counts(store):
    await store.new()
    assert [(await store.claim_one(lease=0)).attempt for _ in range(3)] == [1, 2, 3]
    await store.claim_one()
    assert await store.claim() == []


async def test_delivered_is_never_claimed_again(store):
    await store.new()
    claimed = await store.claim_one(lease=0)
    await store.delivered(claimed)
    assert await store.claim() == []
    record = await store.only()
    assert (record.status, record.attempts, record.next_attempt_at) == (DeliveryStatus.DELIVERED, 1, None)
    assert record.ended_at is not None
    await store.postpone(claimed)
    await store.fail(claimed)
    assert await store.only() == record


async def test_delivery_by_an_overtaken_worker_counts(store):
    await store.new()
    overtaken = await store.claim_one(lease=0)
    await store.claim_one()
    await store.delivered(overtaken)
    assert (await store.only()).status is DeliveryStatus.DELIVERED


async def test_failure_of_an_overtaken_worker_changes_nothing(store):
    await store.new()
    overtaken = await store.claim_one(lease=0)
    await store.claim_one()
    before = await store.only()
    assert await store.postpone(overtaken)
    await store.fail(overtaken)
    await store.do(lambda unit: unit.deliveries.release(overtaken))
    assert await store.only() == before


async def test_postponed_waits_and_shows_why(store):
    added = await store.new()
    assert await store.postpone(await store.claim_one(), LONG, error="The endpoint answered with status 500.")
    assert await store.claim() == []
    record = await store.only()
    assert (record.id, record.event_id, record.endpoint) == (added.id, added.event.id, ENDPOINT)
    assert (record.kind, record.account_id) == ("reply.completed", added.event.account_id)
    assert (record.occurred_at, record.status, record.attempts) == (NOW, DeliveryStatus.PENDING, 1)
    assert record.last_error == "The endpoint answered with status 500."
    assert record.next_attempt_at is not None
    assert record.ended_at is None


async def test_last_attempt_is_at_the_end_of_the_time_for_retries(store):
    await store.new()
    await store.move("gives_up_at", 0.0)
    claimed = await store.claim_one()
    await store.move("gives_up_at", LONG)
    assert await store.postpone(claimed, 2 * LONG)
    early = (await store.only()).next_attempt_at
    await store.postpone(claimed, RETRY_SECONDS)
    assert (await store.only()).next_attempt_at == early


async def test_failure_after_the_time_for_retries_ends_the_delivery(store):
    await store.new()
    claimed = await store.claim_one()
    await store.move("gives_up_at", -1.0)
    assert not await store.postpone(claimed, error="No.")
    record = await store.only()
    assert (record.status, record.last_error, record.next_attempt_at) == (DeliveryStatus.FAILED, "No.", None)
    assert await store.claim() == []


async def test_failed_is_never_claimed_again(store):
    await store.new()
    await store.fail(await store.claim_one(lease=0), "Gone.")
    assert await store.claim() == []
    assert (await store.only()).status is DeliveryStatus.FAILED


async def test_released_is_due_at_once(store):
    await store.new()
    claimed = await store.claim_one()
    await store.do(lambda unit: unit.deliveries.release(claimed))
    assert (await store.claim_one()).attempt == 2


async def test_what_nobody_tries_fails_an_hour_after_its_last_attempt(store):
    await store.new()
    for seconds, expired in ((-3_500.0, 0), (-3_700.0, 1), (-3_700.0, 0)):
        await store.move("gives_up_at", seconds)
        assert await store.do(lambda unit: unit.deliveries.expire(limit=10)) == expired
    record = await store.only()
    assert (record.status, record.last_error) == (DeliveryStatus.FAILED, "It was not tried in time.")


async def test_what_ended_is_forgotten_in_time_and_what_waits_is_not(store):
    await store.new()
    await store.delivered(await store.claim_one())
    await store.new()
    await store.fail(await store.claim_one())
    await store.new()
    for seconds, forgotten in ((-MEMORY_SECONDS + 60, 0), (-MEMORY_SECONDS - 60, 2)):
        await store.move("ended_at", seconds)
        assert await store.do(lambda unit: unit.deliveries.forget(limit=10)) == forgotten
    assert (await store.only()).status is DeliveryStatus.PENDING


async def test_tidying_honours_its_limits(store):
    for _ in range(3):
        await store.new()
    await store.move("gives_up_at", -3_700.0)
    expired = [await store.do(lambda unit: unit.deliveries.expire(limit=2)) for _ in range(3)]
    await store.move("ended_at", -MEMORY_SECONDS - 60)
    forgotten = [await store.do(lambda unit: unit.deliveries.forget(limit=2)) for _ in range(3)]
    assert expired == forgotten == [2, 1, 0]


async def test_any_delivery_can_be_repeated_with_all_its_attempts(store):
    added = await store.new()
    await store.delivered(await store.claim_one())
    record = await store.redeliver(added.id)
    assert record is not None
    assert (record.status, record.attempts, record.last_error) == (DeliveryStatus.PENDING, 0, None)
    claimed = await store.claim_one()
    assert (claimed.event, claimed.attempt) == (added.event, 1)
    await store.fail(claimed)
    await store.redeliver(added.id)
    assert await store.postpone(await store.claim_one(), LONG)
    assert await store.redeliver(new_id()) is None


async def test_pages_are_newest_first_and_by_status(store):
    ids = [(await store.new()).id for _ in range(5)]
    delivered, failed, *_ = await store.claim(limit=2)
    await store.delivered(delivered)
    await store.fail(failed)
    newest_first = sorted(ids, reverse=True)
    assert [each.id for each in await store.page()] == newest_first
    assert [each.id for each in await store.page(limit=2)] == newest_first[:2]
    assert [each.id for each in await store.page(before=newest_first[1], limit=2)] == newest_first[2:4]
    assert [each.id for each in await store.page(DeliveryStatus.DELIVERED)] == [delivered.id]
    assert [each.id for each in await store.page(DeliveryStatus.FAILED)] == [failed.id]
    rest = [each for each in newest_first if each not in (delivered.id, failed.id)]
    assert [each.id for each in await store.page(DeliveryStatus.PENDING)] == rest


async def test_erasure_removes_what_is_personal_from_the_accounts_events_alone(store):
    mira = Account(uuid4(), Identity(IdentityKind.EMAIL, "mira@example.com"), "Mira", None, NOW)
    async with store.accounts() as unit:
        await unit.accounts.find_or_add(mira)
        await unit.commit()
    await store.new(account_id=mira.id, personal=PERSONAL)
    other = await store.new(personal=PERSONAL)
    await erase_account(AccountsEnvironment(store.accounts).ports, account_id=mira.id)
    left = {each.event.account_id: each.event for each in await store.claim()}
    assert left[mira.id].data == {"model": "a/b"}
    assert left[mira.id].personal == {}
    assert left[other.event.account_id].personal == PERSONAL
