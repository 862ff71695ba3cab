"""What the webhook stores, and what becomes of it as time passes."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.billing.errors import EventInvalid
from parley.core.billing.events import SWEEP_LIMIT
from tests.unit.billing.desk import ACTIVE, BEGIN, MIRA

KINDS = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
    "invoice.payment_failed",
]
OTHERS = ["customer.created", "invoice.created", "customer.subscription.paused", "", "Invoice.Paid"]


@pytest.mark.parametrize("kind", KINDS)
async def test_event_that_matters_waits_and_is_hinted_at(desk, kind):
    await desk.receive(desk.new_event(kind=kind))
    assert await desk.waiting() == (1, BEGIN)
    assert len(desk.hints.ids) == 1
    assert desk.till.asked == []


@pytest.mark.parametrize("kind", OTHERS)
async def test_other_kinds_are_stored_as_handled(desk, kind):
    event = desk.new_event(kind=kind)
    for _ in range(2):
        await desk.receive(event)
    assert [stored.event for stored, _ in desk.tables.events.values()] == [event]
    assert (await desk.waiting(), desk.hints.ids) == ((0, None), [])
    for event_id in desk.tables.events:
        await desk.process(event_id)
    desk.later(days=30, seconds=-1)
    assert (await desk.requeue(), desk.till.asked) == ([], [])
    assert await desk.forget() == 0
    desk.later(seconds=2)
    assert await desk.forget() == 1


async def test_repeated_event_is_stored_once(desk):
    event = desk.new_event()
    await asyncio.gather(*(desk.receive(event) for _ in range(20)))
    # The provider's id is what makes it the same.
    await desk.receive(replace(event, kind="invoice.paid", customer_id=None))
    assert await desk.waiting() == (1, BEGIN)
    assert len(desk.hints.ids) == 1


async def test_event_comes_again_after_it_was_handled_without_any_effect(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    event = desk.new_event()
    await desk.receive(event)
    await desk.process(desk.hints.ids.pop())
    await desk.receive(event)
    assert (await desk.waiting(), desk.hints.ids) == ((0, None), [])


async def test_event_that_nobody_signed_is_not_stored(desk):
    with pytest.raises(EventInvalid):
        await desk.receive(desk.new_event(), signature="somebody's")
    assert (desk.tables.events, desk.hints.ids) == ({}, [])


async def test_event_that_nobody_took_is_put_back_on_the_queue_after_2_seconds(desk):
    first = await desk.received()
    desk.later(seconds=1)
    second = await desk.received()
    desk.later(seconds=0.999)
    assert await desk.requeue() == []
    desk.later(seconds=0.001)
    assert await desk.requeue() == [first]
    desk.later(seconds=1)
    assert await desk.requeue() == [first, second]
    await desk.process(first)
    assert await desk.requeue() == [second]


async def test_sweep_takes_a_thousand_at_a_time(desk):
    assert SWEEP_LIMIT == 1_000
    for _ in range(SWEEP_LIMIT + 1):
        await desk.received()
    desk.later(seconds=2)
    assert len(await desk.requeue()) == SWEEP_LIMIT


async def test_oldest_that_waits_tells_how_late_things_are(desk):
    assert await desk.waiting() == (0, None)
    first = await desk.received()
    desk.later(seconds=5)
    came = desk.now
    await desk.received()
    assert await desk.waiting() == (2, BEGIN)
    await desk.process(first)
    assert await desk.waiting() == (1, came)


async def test_handled_events_are_forgotten_after_30_days_and_waiting_ones_never(desk):
    await desk.hear(customer_id="cus_9")
    waiting = await desk.received()
    desk.later(days=30)
    assert await desk.forget() == 0
    desk.later(microseconds=1)
    assert await desk.forget() == 1
    desk.later(days=400)
    assert await desk.forget() == 0
    assert list(desk.tables.events) == [waiting]
