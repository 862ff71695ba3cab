"""Delivering events: retries, pauses, and what workers that die leave behind."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.errors import Unavailable
from parley.core.webhooks.deliver import BATCH, LEASE_SECONDS
from parley.core.webhooks.desk import DeliveryNotFound, read_deliveries, redeliver
from parley.core.webhooks.model import MEMORY_SECONDS, RETRY_SECONDS, DeliveryStatus
from parley.core.webhooks.ports import EndpointFailed
from tests.unit.webhooks.environment import CRM, HOOKS, START, WebhooksEnvironment

DOWN = EndpointFailed("The endpoint answered with status 500.")
GONE = EndpointFailed("The endpoint answered with status 410.", is_gone=True)


def busy(seconds: float) -> EndpointFailed:
    return EndpointFailed("The endpoint answered with status 429.", retry_after=seconds)


@pytest.fixture
def env() -> WebhooksEnvironment:
    return WebhooksEnvironment()


async def test_an_event_is_delivered_once(env):
    [event] = await env.store()
    assert await env.deliver() == 1
    assert await env.deliver() == 0
    [(event_id, body, at)] = env.sender.sent
    assert (event_id, at) == (event.id, START)
    assert json.loads(body)["type"] == "reply.completed"
    assert (await env.record()).status is DeliveryStatus.DELIVERED
    assert env.meter.notes == [("delivered", HOOKS)]


async def test_all_that_is_due_is_delivered_in_one_round(env):
    events = await env.store(2 * BATCH + 1)
    assert await env.deliver() == len(events)
    assert sorted(env.sender.ids) == sorted(event.id for event in events)


async def test_a_failed_attempt_is_repeated_under_the_same_id_for_three_days(env):
    [event] = await env.store()
    env.sender.failure = DOWN
    while (await env.record()).status is DeliveryStatus.PENDING:
        env.now = max(env.now, (await env.record()).next_attempt_at)
        # A pause of this process, which other tests look at.
        if not await env.deliver():
            env.advance(seconds=1)
    times = [(at - START) for _, _, at in env.sender.sent]
    assert set(env.sender.ids) == {event.id}
    assert times[:2] == [timedelta(0), timedelta(seconds=5)]
    assert len(times) == 10
    assert times[-1] >= timedelta(seconds=RETRY_SECONDS)
    assert times[-1] < timedelta(seconds=RETRY_SECONDS + 600)
    reason = "The endpoint answered with status 500."
    assert env.meter.notes[-1] == ("failed", HOOKS, "reply.completed", str(event.id), reason)
    assert (await env.record()).last_error == reason


async def test_an_event_that_is_taken_late_is_delivered(env):
    await env.store()
    env.sender.failures = [DOWN, DOWN, None]
    for _ in range(3):
        await env.deliver()
        env.advance(minutes=6)
    record = await env.record()
    assert (record.status, record.attempts, record.last_error) == (DeliveryStatus.DELIVERED, 3, None)


async def test_a_worker_that_dies_after_sending_leaves_the_event_to_another(env):
    [event] = await env.store()
    env.sender.gate = asyncio.Event()
    dying = asyncio.create_task(env.deliver())
    await until(lambda: env.sender.sent)
    # Killed: nothing is written any more.
    database, env.database.committed = env.database.committed, env.database.committed.copy()
    dying.cancel()
    with suppress(asyncio.CancelledError):
        await dying
    env.database.committed = database
    env.sender.gate = None
    other = env.another_process()
    assert await env.deliver(ports=other) == 0
    env.advance(seconds=LEASE_SECONDS)
    assert await env.deliver(ports=other) == 1
    assert env.sender.ids == [event.id, event.id]
    assert (await env.record()).status is DeliveryStatus.DELIVERED


async def test_a_worker_that_shuts_down_hands_over_at_once(env):
    [event] = await env.store()
    env.sender.gate = asyncio.Event()
    leaving = asyncio.create_task(env.deliver())
    await until(lambda: env.sender.sent)
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    env.sender.gate = None
    assert await env.deliver(ports=env.another_process()) == 1
    assert env.sender.ids == [event.id, event.id]


async def test_two_workers_send_each_event_once(env):
    events = await env.store(3 * BATCH)
    await asyncio.gather(env.deliver(), env.deliver(ports=env.another_process()))
    assert sorted(env.sender.ids) == sorted(event.id for event in events)


async def test_an_endpoint_that_is_down_gets_one_attempt_in_a_while(env):
    await env.store(200)
    env.sender.failure = DOWN
    await env.deliver()
    assert len(env.sender.sent) == BATCH
    assert ("paused", HOOKS, "10", "The endpoint answered with status 500.") in env.meter.notes
    await env.deliver()
    assert len(env.sender.sent) == BATCH
    env.advance(seconds=10)
    await env.deliver()
    assert len(env.sender.sent) == BATCH + 1
    env.advance(seconds=10)
    await env.deliver()
    assert len(env.sender.sent) == BATCH + 1
    env.advance(seconds=10)
    env.sender.failure = None
    await env.deliver()
    assert ("resumed", HOOKS) in env.meter.notes
    env.advance(minutes=6)
    await env.deliver()
    assert {each.status for each in [*await env.records()]} == {DeliveryStatus.DELIVERED}


async def test_one_event_that_is_refused_pauses_nothing(env):
    await env.store()
    env.sender.failures = [DOWN]
    await env.deliver()
    await env.store()
    assert await env.deliver() == 1
    assert [note[0] for note in env.meter.notes] == ["postponed", "delivered"]


async def test_an_endpoint_that_is_down_holds_up_no_other():
    env = WebhooksEnvironment(HOOKS, CRM)
    await env.store(3)
    env.sender.gate = asyncio.Event()
    hanging = asyncio.create_task(env.deliver())
    await until(lambda: env.sender.sent)
    assert await env.deliver(CRM) == 3
    assert len(env.senders[CRM].sent) == 3
    env.sender.gate.set()
    await hanging


async def test_an_endpoint_is_left_alone_for_as_long_as_it_asks(env):
    await env.store(2)
    env.sender.failure = busy(120)
    await env.deliver()
    env.sender.failure = None
    env.advance(seconds=119)
    await env.store()
    assert await env.deliver() == 0
    env.advance(seconds=1)
    assert await env.deliver() == 3


async def test_an_endpoint_cannot_ask_for_more_than_an_hour(env):
    await env.store()
    env.sender.failures = [busy(1e9)]
    await env.deliver()
    env.advance(hours=1)
    assert await env.deliver() == 1


async def test_an_endpoint_that_is_gone_loses_the_event_and_is_left_alone_for_an_hour(env):
    [event] = await env.store()
    env.sender.failures = [GONE]
    await env.deliver()
    assert (await env.record()).status is DeliveryStatus.FAILED
    assert env.meter.notes == [
        ("paused", HOOKS, "3600", str(GONE)),
        ("failed", HOOKS, "reply.completed", str(event.id), str(GONE)),
    ]
    await env.store()
    env.advance(minutes=59)
    assert await env.deliver() == 0
    env.advance(minutes=1)
    assert await env.deliver() == 1


async def test_what_waits_for_an_endpoint_that_was_removed_is_given_up_and_forgotten(env):
    await env.store()
    env.advance(seconds=RETRY_SECONDS + 3_600)
    assert await env.tidy() == 1
    assert (await env.record()).status is DeliveryStatus.FAILED
    env.advance(seconds=MEMORY_SECONDS)
    assert await env.tidy() == 1
    assert await env.records() == []


async def test_a_failure_of_the_database_leaves_the_event_to_be_delivered_again(env):
    [event] = await env.store()
    uow = env.ports.uow

    class Fails:
        """The claim succeeds, and nothing after it."""

        claimed = False

        def __call__(self, *, read_only: bool = False):
            if self.claimed:
                raise Unavailable
            self.claimed = True
            return uow(read_only=read_only)

    with pytest.raises(Unavailable):
        await env.deliver(ports=replace(env.ports, uow=Fails()))
    env.advance(seconds=LEASE_SECONDS)
    await env.deliver()
    assert env.sender.ids == [event.id, event.id]


async def test_the_operator_can_repeat_a_delivery(env):
    [event] = await env.store()
    await env.deliver()
    repeated = await redeliver(env.ports, delivery_id=(await env.record()).id)
    assert (repeated.status, repeated.attempts) == (DeliveryStatus.PENDING, 0)
    await env.deliver()
    assert env.sender.ids == [event.id, event.id]
    with pytest.raises(DeliveryNotFound):
        await redeliver(env.ports, delivery_id=env.new_id())


async def test_pages_lead_through_all_deliveries(env):
    await env.store(5)
    seen, before = [], None
    while True:
        records, before = await read_deliveries(env.ports, status=None, before=before, limit=2)
        seen += [record.id for record in records]
        if before is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


async def until(met) -> None:
    async with asyncio.timeout(30):
        while not met():
            await asyncio.sleep(0)
