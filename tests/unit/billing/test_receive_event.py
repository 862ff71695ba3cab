"""Receiving webhook events, queueing them again, and removing old ones."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.billing.errors import EventInvalid
from parley.core.billing.events import SWEEP_LIMIT
from tests.unit.billing.scenario import ACTIVE, MIRA, START

KINDS = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
    "invoice.payment_failed",
]
OTHER_KINDS = ["customer.created", "invoice.created", "customer.subscription.paused", "", "Invoice.Paid"]


@pytest.mark.parametrize("kind", KINDS)
async def test_relevant_event_is_stored_and_queued(billing, kind):
    await billing.receive(billing.new_event(kind=kind))
    assert await billing.waiting() == (1, START)
    assert len(billing.queue.ids) == 1
    assert billing.provider.calls == []


@pytest.mark.parametrize("kind", OTHER_KINDS)
async def test_other_kinds_are_stored_as_handled(billing, kind):
    event = billing.new_event(kind=kind)
    for _ in range(2):
        await billing.receive(event)
    assert [stored.event for stored, _ in billing.tables.events.values()] == [event]
    assert (await billing.waiting(), billing.queue.ids) == ((0, None), [])
    for event_id in billing.tables.events:
        await billing.process(event_id)
    billing.advance(days=30, seconds=-1)
    assert (await billing.requeue(), billing.provider.calls) == ([], [])
    assert await billing.forget() == 0
    billing.advance(seconds=2)
    assert await billing.forget() == 1


async def test_repeated_event_is_stored_once(billing):
    event = billing.new_event()
    await asyncio.gather(*(billing.receive(event) for _ in range(20)))
    # Events are the same if the provider's id is.
    await billing.receive(replace(event, kind="invoice.paid", customer_id=None))
    assert await billing.waiting() == (1, START)
    assert len(billing.queue.ids) == 1


async def test_repeat_of_a_handled_event_has_no_effect(billing):
    await billing.add_customers(MIRA)
    billing.provider.set(ACTIVE)
    event = billing.new_event()
    await billing.receive(event)
    await billing.process(billing.queue.ids.pop())
    await billing.receive(event)
    assert (await billing.waiting(), billing.queue.ids) == ((0, None), [])


async def test_unsigned_event_is_not_stored(billing):
    with pytest.raises(EventInvalid):
        await billing.receive(billing.new_event(), signature="another signature")
    assert (billing.tables.events, billing.queue.ids) == ({}, [])


async def test_unclaimed_event_is_queued_again_after_2_seconds(billing):
    first = await billing.receive_new()
    billing.advance(seconds=1)
    second = await billing.receive_new()
    billing.advance(seconds=0.999)
    assert await billing.requeue() == []
    billing.advance(seconds=0.001)
    assert await billing.requeue() == [first]
    billing.advance(seconds=1)
    assert await billing.requeue() == [first, second]
    await billing.process(first)
    assert await billing.requeue() == [second]


async def test_sweep_queues_at_most_a_thousand(billing):
    assert SWEEP_LIMIT == 1_000
    for _ in range(SWEEP_LIMIT + 1):
        await billing.receive_new()
    billing.advance(seconds=2)
    assert len(await billing.requeue()) == SWEEP_LIMIT


async def test_waiting_returns_the_count_and_the_oldest_arrival(billing):
    assert await billing.waiting() == (0, None)
    first = await billing.receive_new()
    billing.advance(seconds=5)
    arrived = billing.now
    await billing.receive_new()
    assert await billing.waiting() == (2, START)
    await billing.process(first)
    assert await billing.waiting() == (1, arrived)


async def test_only_handled_events_are_forgotten_after_30_days(billing):
    await billing.receive_and_process(customer_id="cus_9")
    waiting = await billing.receive_new()
    billing.advance(days=30)
    assert await billing.forget() == 0
    billing.advance(microseconds=1)
    assert await billing.forget() == 1
    billing.advance(days=400)
    assert await billing.forget() == 0
    assert list(billing.tables.events) == [waiting]
