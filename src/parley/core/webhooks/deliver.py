"""Delivering events: at least once each, in no particular order, within RETRY_SECONDS.

A delivery is claimed with a lease and sent without an open transaction. A worker that dies in between leaves it to
another one, so an endpoint may get an event twice, under the same id.
"""

import asyncio
import json

from parley.core.outgoing_events import OutgoingEvent
from parley.core.tasks import finish
from parley.core.webhooks import Endpoint, WebhooksPorts
from parley.core.webhooks.circuit import LONGEST_REQUESTED_SECONDS
from parley.core.webhooks.model import ClaimedDelivery, retry_delay
from parley.core.webhooks.ports import LONGEST_SECONDS, EndpointFailed

# Sent at once by one process to one endpoint.
BATCH = 20
# Longer than the attempts of a batch, and what they write, take.
LEASE_SECONDS = 3 * LONGEST_SECONDS
TIDY_LIMIT = 1_000


async def deliver_due(webhooks: WebhooksPorts, name: str) -> int:
    """Try every delivery to the endpoint that is due now; returns how many were tried."""
    endpoint, tried = webhooks.endpoints[name], 0
    while (most := endpoint.circuit.allowed(BATCH)) > 0:
        async with webhooks.uow() as unit:
            batch = await unit.deliveries.claim(name, lease=LEASE_SECONDS, limit=most)
            await unit.commit()
        ends = await asyncio.gather(*(_try(webhooks, name, endpoint, each) for each in batch), return_exceptions=True)
        tried += len(batch)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        if len(batch) < most:
            break
    return tried


async def tidy_deliveries(webhooks: WebhooksPorts) -> int:
    """Give up what nobody tries any more, and remove what ended long ago; returns how many."""
    tidied = 0
    while True:
        async with webhooks.uow() as unit:
            count = await unit.deliveries.expire(limit=TIDY_LIMIT) + await unit.deliveries.forget(limit=TIDY_LIMIT)
            await unit.commit()
        tidied += count
        if count < TIDY_LIMIT:
            return tidied


async def _try(webhooks: WebhooksPorts, name: str, endpoint: Endpoint, delivery: ClaimedDelivery) -> None:
    event = delivery.event
    try:
        await endpoint.sender.send(event.id, body_of(event), at=webhooks.now())
    except EndpointFailed as failure:
        await _failed(webhooks, name, endpoint, delivery, failure)
        return
    except asyncio.CancelledError:
        await finish(_release(webhooks, delivery))
        raise
    if endpoint.circuit.succeeded():
        webhooks.meter.resumed(name)
    async with webhooks.uow() as unit:
        await unit.deliveries.delivered(delivery)
        await unit.commit()
    webhooks.meter.delivered(name)


async def _failed(
    webhooks: WebhooksPorts, name: str, endpoint: Endpoint, delivery: ClaimedDelivery, failure: EndpointFailed
) -> None:
    reason = str(failure)
    requested = LONGEST_REQUESTED_SECONDS if failure.is_gone else failure.retry_after
    pause = endpoint.circuit.failed(requested)
    if pause is not None:
        webhooks.meter.paused(name, pause, reason)
    delay = retry_delay(delivery.attempt, jitter=webhooks.jitter())
    if failure.retry_after is not None:
        delay = max(delay, min(failure.retry_after, LONGEST_REQUESTED_SECONDS))
    async with webhooks.uow() as unit:
        if failure.is_gone:
            await unit.deliveries.fail(delivery, error=reason)
        is_over = failure.is_gone or not await unit.deliveries.postpone(delivery, seconds=delay, error=reason)
        await unit.commit()
    if is_over:
        webhooks.meter.failed(name, delivery.event.kind, delivery.event.id, reason)
    else:
        webhooks.meter.postponed(name)


async def _release(webhooks: WebhooksPorts, delivery: ClaimedDelivery) -> None:
    async with webhooks.uow() as unit:
        await unit.deliveries.release(delivery)
        await unit.commit()


def body_of(event: OutgoingEvent) -> bytes:
    """The payload as Standard Webhooks recommends it: `type`, `timestamp` of the event, and `data`."""
    data = {"account_id": str(event.account_id), **event.data, **event.personal}
    timestamp = event.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    payload = {"type": event.kind.value, "timestamp": timestamp, "data": data}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
