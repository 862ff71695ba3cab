"""Processing an event."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Customer, SubscriptionStatus
from parley.core.plans import BASIC, PRO, Plans
from tests.fakes.plans import BASIC_PLAN, PRO_PLAN
from tests.unit.billing.scenario import ACTIVE, CANCELED, MIRA, MIRAS, PAST_DUE, PERIOD_END, RAVI, START

DELAYS = [5, 15, 45, 135, 405, 900, 900, 900, 900, 900, 900, 900, 900]
INSTANT = timedelta(microseconds=1)


def is_untouched(billing) -> bool:
    tables = billing.tables
    return not (tables.subscriptions or tables.paid or tables.plans)


async def test_plan_follows_the_provider(billing):
    await billing.add_customers(MIRA)
    for state, plan in ((ACTIVE, PRO), (CANCELED, BASIC), (ACTIVE, PRO)):
        await billing.change_to(state)
        assert (await billing.plan(), (await billing.overview()).subscription) == (plan, state)
    assert await billing.plan(RAVI) == BASIC
    assert await billing.waiting() == (0, None)


async def test_plan_ends_with_the_time_when_no_event_comes(billing):
    await billing.add_customers(MIRA)
    end = START + timedelta(days=90)
    await billing.change_to(replace(ACTIVE, cancel_at=end))
    billing.now = end - INSTANT
    assert await billing.plan() == PRO
    billing.now = end
    assert await billing.plan() == BASIC


async def test_plan_follows_pauses(billing):
    await billing.add_customers(MIRA)
    for paused, plan, status in ((True, BASIC, "paused"), (False, PRO, "active")):
        await billing.change_to(replace(ACTIVE, is_paused=paused))
        assert await billing.plan() is plan
        assert (await billing.overview()).subscription.shown_status == status


async def test_subscription_at_a_price_of_something_else_gives_nothing(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(replace(ACTIVE, has_our_price=False))
    assert await billing.plan() == BASIC
    await billing.subscribe()


async def test_subscription_that_changes_its_price_counts_until_the_paid_period_ends(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(ACTIVE)
    elsewhere = replace(ACTIVE, has_our_price=False, current_period_end=PERIOD_END + timedelta(days=31))
    for _ in range(2):
        billing.advance(days=1)
        await billing.change_to(elsewhere)
        assert await billing.plan() == PRO
    billing.now = PERIOD_END
    assert await billing.plan() == BASIC
    await billing.change_to(replace(ACTIVE, current_period_end=PERIOD_END + timedelta(days=31)))
    assert await billing.plan() == PRO


async def test_price_that_the_operator_took_out_counts_until_the_paid_period_ends(billing):
    await billing.add_customers(MIRA)
    sold = replace(ACTIVE, prices=PRO_PLAN.prices)
    await billing.change_to(sold)
    new_file = Plans([BASIC_PLAN, replace(PRO_PLAN, prices=("price_new",))])
    billing.ports = replace(billing.ports, plans=new_file)
    for _ in range(2):
        billing.advance(days=1)
        await billing.change_to(replace(sold, has_our_price=False))
        assert await billing.plan() == PRO
    billing.now = PERIOD_END
    assert await billing.plan() == BASIC


async def test_deleted_customer_has_no_plan(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(ACTIVE)
    billing.provider.by_id.clear()
    await billing.receive(billing.new_event(None, kind="customer.deleted"))
    await billing.process(billing.queue.ids.pop())
    assert (await billing.plan(), (await billing.overview()).subscription) == (BASIC, CANCELED)


async def test_event_is_processed_once_by_20_parallel_workers(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    event_id = await billing.receive_new()
    await asyncio.gather(*(billing.process(event_id) for _ in range(20)))
    assert billing.provider.calls == [("subscription", "sub_1")]
    assert await billing.plan() == PRO


async def test_repeated_hint_is_a_no_op(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    event_id = await billing.receive_new()
    await billing.process(event_id)
    tables, calls = billing.tables, list(billing.provider.calls)
    billing.advance(days=1)
    billing.provider.set(CANCELED)
    await billing.process(event_id)
    await billing.process(billing.ports.new_id())
    assert (billing.tables, billing.provider.calls) == (tables, calls)


@pytest.mark.parametrize("error", [PaymentsUnavailable, PaymentsRefused])
async def test_event_is_retried_with_growing_delays_until_the_provider_answers(billing, error):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    billing.provider.error = error
    event_id = await billing.receive_new()
    await billing.process(event_id)
    for failures, seconds in enumerate(DELAYS, start=1):
        billing.advance(seconds=seconds)
        billing.now -= INSTANT
        await billing.process(event_id)
        assert billing.provider.count("subscription") == failures
        billing.now += INSTANT
        await billing.process(event_id)
        assert billing.provider.count("subscription") == failures + 1
    assert is_untouched(billing)
    assert await billing.waiting() == (1, START)
    billing.provider.error = None
    billing.advance(seconds=902)
    assert await billing.requeue() == [event_id]
    await billing.process(event_id)
    assert await billing.plan() == PRO
    assert await billing.waiting() == (0, None)


async def test_event_of_an_unknown_customer_waits_while_the_provider_does_not_answer(billing):
    billing.provider.error = PaymentsUnavailable
    event_id = await billing.receive_new()
    await billing.process(event_id)
    assert await billing.waiting() == (1, START)
    billing.provider.error = None
    billing.provider.set(ACTIVE)
    billing.advance(seconds=5)
    await billing.process(event_id)
    assert await billing.plan() == PRO


async def test_event_of_a_dead_worker_can_be_claimed_after_its_lease(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    event_id = await billing.receive_new()
    gate = billing.provider.delay_next()
    dying = asyncio.create_task(billing.process(event_id))
    await gate.reached.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    billing.advance(seconds=59.999)
    await billing.process(event_id)
    assert await billing.plan() == BASIC
    billing.advance(seconds=2.001)
    assert await billing.requeue() == [event_id]
    await billing.process(event_id)
    assert await billing.plan() == PRO


@pytest.mark.parametrize("customer_id", ["cus_9", None])
@pytest.mark.parametrize("subscription_id", ["sub_1", "sub_9", None])
async def test_event_of_another_product_changes_nothing(billing, customer_id, subscription_id):
    await billing.add_customers(MIRA)
    billing.provider.set(replace(ACTIVE, customer_id="cus_9", account_id=None))
    before = billing.tables.customers
    await billing.receive_and_process(subscription_id, customer_id=customer_id)
    assert await billing.waiting() == (0, None)
    assert billing.tables.customers == before
    assert is_untouched(billing)
    assert billing.provider.count("subscriptions") == 0


@pytest.mark.parametrize("customer_id", [MIRAS, None])
async def test_unknown_customer_is_added_for_the_account_in_the_metadata(billing, customer_id):
    billing.provider.set(ACTIVE)
    await billing.receive_and_process(customer_id=customer_id)
    assert billing.tables.customers[MIRAS] == (Customer(MIRAS, MIRA, 1), START)
    assert await billing.plan() == PRO
    assert (await billing.overview()).subscription == ACTIVE


async def test_unknown_customer_is_added_once_by_parallel_workers(billing):
    billing.provider.set(ACTIVE, replace(CANCELED, id="sub_2"))
    waiting = [await billing.receive_new(subscription_id) for subscription_id in ("sub_1", "sub_2") * 5]
    await asyncio.gather(*(billing.process(event_id) for event_id in waiting))
    assert billing.tables.customers[MIRAS][0].reads == 10
    assert await billing.plan() == PRO


async def test_subscription_without_metadata_counts_for_its_customers_account(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(replace(ACTIVE, account_id=None))
    assert await billing.plan() == PRO
    assert (await billing.overview()).subscription == ACTIVE


async def test_second_customer_of_an_account_counts_as_well(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(replace(ACTIVE, customer_id="cus_0"))
    assert await billing.plan() == PRO
    # Reading the first customer says nothing about the other's subscriptions.
    await billing.receive_and_process(None)
    assert await billing.plan() == PRO


async def test_event_without_a_subscription_reads_all_of_the_customer(billing):
    await billing.add_customers(MIRA, RAVI)
    other = replace(ACTIVE, id="sub_9", customer_id="cus_2", account_id=RAVI)
    billing.provider.set(replace(CANCELED, id="sub_2"), ACTIVE, other)
    await billing.receive_and_process(None)
    assert (await billing.plan(), await billing.plan(RAVI)) == (PRO, BASIC)
    assert set(billing.tables.subscriptions) == {"sub_1", "sub_2"}


@pytest.mark.parametrize("subscription_id", ["sub_1", None])
async def test_subscription_unknown_to_the_provider_is_cancelled(billing, subscription_id):
    await billing.add_customers(MIRA)
    await billing.change_to(ACTIVE, replace(ACTIVE, id="sub_2"))
    del billing.provider.by_id["sub_1"]
    billing.advance(seconds=1)
    await billing.receive_and_process(subscription_id)
    assert await billing.plan() == PRO
    statuses = {key: row[0].status for key, row in billing.tables.subscriptions.items()}
    assert statuses == {"sub_1": SubscriptionStatus.CANCELED, "sub_2": SubscriptionStatus.ACTIVE}
    del billing.provider.by_id["sub_2"]
    await billing.receive_and_process("sub_2" if subscription_id else None)
    assert await billing.plan() == BASIC


@pytest.mark.parametrize("subscription_id", ["sub_1", None])
async def test_account_erased_during_the_read_leaves_nothing_behind(billing, subscription_id):
    await billing.add_customers(MIRA, RAVI)
    await billing.change_to(PAST_DUE)
    billing.provider.set(ACTIVE)
    gate, event_id = billing.provider.delay_next(), await billing.receive_new(subscription_id)
    working = asyncio.create_task(billing.process(event_id))
    await gate.reached.wait()
    billing.erase_account()
    gate.opened.set()
    await working
    assert await billing.waiting() == (0, None)
    assert is_untouched(billing)
    assert list(billing.tables.customers) == ["cus_2"]
    assert list(billing.tables.customer_erasures) == [MIRAS]


async def test_known_customer_keeps_its_account_whatever_the_metadata_names(billing):
    """An event without a customer leads to a subscription of a customer who is known."""
    await billing.add_customers(MIRA, RAVI)
    billing.provider.set(replace(ACTIVE, customer_id="cus_2", account_id=MIRA))
    await billing.receive_and_process(customer_id=None)
    assert (await billing.plan(MIRA), await billing.plan(RAVI)) == (BASIC, PRO)


async def test_subscription_of_another_customer_is_ignored(billing):
    await billing.add_customers(MIRA, RAVI)
    billing.provider.set(replace(ACTIVE, customer_id="cus_2", account_id=RAVI))
    await billing.receive_and_process(customer_id=MIRAS)
    assert not billing.tables.subscriptions
    assert await billing.plan(MIRA) == BASIC
    assert await billing.waiting() == (0, None)
