"""Several workers at once: a subscription read earlier does not overwrite one read later."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.plans import BASIC, PRO
from tests.unit.billing.scenario import ACTIVE, CANCELED, MIRA, MIRAS, PAST_DUE, UNPAID

SECOND = replace(ACTIVE, id="sub_2")
PAIRS = [(ACTIVE, CANCELED), (CANCELED, ACTIVE), (PAST_DUE, ACTIVE), (ACTIVE, PAST_DUE), (PAST_DUE, UNPAID)]


async def start_read(billing, subscription_id: str | None = "sub_1"):
    """A worker that has read at the provider and not stored the result, and the gate that delays it."""
    gate, event_id = billing.provider.delay_next(), await billing.receive_new(subscription_id)
    worker = asyncio.create_task(billing.process(event_id))
    await gate.reached.wait()
    return worker, gate


async def finish(worker, gate) -> None:
    gate.opened.set()
    await worker


async def plan_and_status(billing):
    overview = await billing.overview()
    return overview.plan.name, overview.subscription and overview.subscription.status


@pytest.mark.parametrize(("older", "newer"), PAIRS)
@pytest.mark.parametrize("first", ["sub_1", None])
@pytest.mark.parametrize("then", ["sub_1", None])
async def test_older_read_stored_last_does_not_overwrite_a_newer_one(billing, older, newer, first, then):
    await billing.add_customers(MIRA)
    billing.provider.set(older)
    late = await start_read(billing, first)
    billing.provider.set(newer)
    await billing.receive_and_process(then)
    stored = await plan_and_status(billing)
    assert stored[1] is newer.status
    billing.advance(seconds=1)
    await finish(*late)
    assert await plan_and_status(billing) == stored
    assert await billing.waiting() == (0, None)


@pytest.mark.parametrize(("older", "newer"), PAIRS)
async def test_reads_stored_in_order_are_both_stored(billing, older, newer):
    await billing.add_customers(MIRA)
    billing.provider.set(older)
    first = await start_read(billing)
    billing.provider.set(newer)
    second = await start_read(billing)
    await finish(*first)
    assert (await plan_and_status(billing))[1] is older.status
    await finish(*second)
    assert (await plan_and_status(billing))[1] is newer.status


async def test_last_of_ten_reads_stored_in_any_order_counts(billing):
    await billing.add_customers(MIRA)
    late = []
    for number in range(10):
        billing.provider.set(CANCELED if number % 2 else ACTIVE)
        late.append(await start_read(billing, None if number % 3 else "sub_1"))
    for number in (3, 9, 0, 8, 1, 5, 2, 7, 4, 6):
        await finish(*late[number])
        if number != 3:
            assert (await plan_and_status(billing))[1] is CANCELED.status
    assert await billing.plan() == BASIC


async def test_read_of_the_customer_before_a_subscription_began_does_not_end_it(billing):
    await billing.add_customers(MIRA)
    late = await start_read(billing, None)
    await billing.change_to(ACTIVE)
    await finish(*late)
    assert await plan_and_status(billing) == (PRO, ACTIVE.status)


async def test_read_of_a_subscription_before_it_began_does_not_end_it(billing):
    await billing.add_customers(MIRA)
    late = await start_read(billing, "sub_1")
    await billing.change_to(ACTIVE)
    await finish(*late)
    assert await plan_and_status(billing) == (PRO, ACTIVE.status)


async def test_plan_is_derived_from_what_all_workers_stored(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE, replace(SECOND, status=CANCELED.status))
    first, second = await start_read(billing, "sub_1"), await start_read(billing, "sub_2")
    await finish(*first)
    assert await billing.plan() == PRO
    await finish(*second)
    assert await billing.plan() == PRO
    late = await start_read(billing, "sub_2")
    await billing.change_to(CANCELED)
    await finish(*late)
    assert await billing.plan() == BASIC


async def test_late_read_of_one_subscription_does_not_affect_another(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(SECOND)
    late = await start_read(billing, "sub_2")
    await billing.change_to(CANCELED)
    await finish(*late)
    assert await billing.plan() == PRO
    assert {key: row[0].status for key, row in billing.tables.subscriptions.items()} == {
        "sub_1": CANCELED.status,
        "sub_2": ACTIVE.status,
    }


async def test_outdated_read_keeps_past_due_since(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    late = await start_read(billing)
    since = billing.now
    await billing.change_to(PAST_DUE)
    billing.advance(days=3)
    await finish(*late)
    await billing.receive_and_process()
    assert (await billing.overview()).subscription == replace(PAST_DUE, past_due_since=since)


async def test_reconcile_does_not_overwrite_the_result_of_a_later_event(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(ACTIVE)
    billing.advance(days=1, seconds=1)
    gate = billing.provider.delay_next()
    reconciling = asyncio.create_task(billing.reconcile())
    await gate.reached.wait()
    await billing.change_to(CANCELED)
    gate.opened.set()
    assert await reconciling == 1
    assert await plan_and_status(billing) == (BASIC, CANCELED.status)


async def test_event_does_not_overwrite_the_result_of_a_later_reconcile(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    billing.advance(days=1, seconds=1)
    late = await start_read(billing)
    billing.provider.set(CANCELED)
    assert await billing.reconcile() == 1
    await finish(*late)
    assert await plan_and_status(billing) == (BASIC, CANCELED.status)


async def test_every_read_has_its_own_number(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    waiting = [await billing.receive_new(each) for each in ("sub_1", None) * 10]
    await asyncio.gather(*(billing.process(event_id) for event_id in waiting))
    assert billing.tables.customers[MIRAS][0].reads == 20
    assert billing.tables.subscriptions["sub_1"][1] == 20
