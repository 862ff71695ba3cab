"""Bringing codes to their owners, after the answer to whoever asked for one.

A code waits in the database, sealed, until it was handed over. The queue only says that there is something to do:
what it loses, and what a worker that died had taken, the sweep finds again. So a code may arrive twice, but not never.
"""

from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from parley.core.accounts.model import AuditEvent, Delivery, Purpose
from parley.core.accounts.ports import AuditTrail, CodeDelivery, DeliveryQueue, SenderRefused, SenderUnavailable
from parley.core.accounts.stores import AccountsUnitOfWork

# Longer than any sender takes to give up.
LEASE_SECONDS = 30.0
FIRST_DELAY_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 60.0
OVERDUE_SECONDS = 2.0
SWEEP_LIMIT = 1_000


async def deliver_code(
    *, uow: AccountsUnitOfWork, post: CodeDelivery, audit: AuditTrail, delivery_id: UUID, now: datetime
) -> None:
    """Send the code unless it was sent, voided, or is being sent by another worker. Failures are put off, or noted."""
    async with uow() as unit:
        delivery = await unit.deliveries.claim(delivery_id, lease=LEASE_SECONDS, now=now)
        if delivery is None:
            return
        # Decided here and not by the request: that one takes the same time for every identity.
        unwanted = delivery.purpose is Purpose.RESET and await unit.accounts.find(delivery.identity) is None
        await unit.commit()
    failure = None if unwanted else await _failure(post, delivery, now)
    if isinstance(failure, SenderUnavailable):
        delay = min(FIRST_DELAY_SECONDS * 3.0**delivery.failures, LONGEST_DELAY_SECONDS)
        if now + timedelta(seconds=delay) < delivery.expires_at:
            async with uow() as unit:
                await unit.deliveries.postpone(delivery_id, seconds=delay)
                await unit.commit()
            audit.note(AuditEvent.CODE_POSTPONED, identity=delivery.identity, how=str(failure))
            return
    async with uow() as unit:
        await unit.deliveries.remove(delivery_id)
        await unit.commit()
    if failure is not None:
        audit.note(AuditEvent.CODE_NOT_DELIVERED, identity=delivery.identity, how=str(failure))
    elif not unwanted:
        audit.note(AuditEvent.CODE_DELIVERED, identity=delivery.identity, how=delivery.purpose.value)


async def requeue_deliveries(*, uow: AccountsUnitOfWork, queue: DeliveryQueue) -> int:
    """Put codes that nobody has taken back on the queue; returns how many."""
    async with uow(read_only=True) as unit:
        overdue = await unit.deliveries.overdue(seconds=OVERDUE_SECONDS, limit=SWEEP_LIMIT)
    for delivery_id in overdue:
        await queue.put(delivery_id)
    return len(overdue)


async def _failure(post: CodeDelivery, delivery: Delivery, now: datetime) -> SenderUnavailable | SenderRefused | None:
    sender = post.senders.get(delivery.identity.kind)
    if sender is None:
        return SenderRefused("no sender of today's settings reaches this kind of identity")
    try:
        code = post.cipher.decrypt(delivery.encrypted_code)
    except ValueError:
        return SenderRefused("the secret that sealed the code is not in JWT_SECRET any more")
    minutes = max(1, ceil((delivery.expires_at - now) / timedelta(minutes=1)))
    try:
        await sender.send(delivery.identity, code, delivery.purpose, minutes=minutes)
    except (SenderUnavailable, SenderRefused) as error:
        return error
    return None
