"""What happens to a delivery, step by step."""

from datetime import timedelta
from uuid import UUID

from parley.core.accounts.deliveries import LEASE_SECONDS, deliver_code, requeue_deliveries
from parley.core.accounts.model import AuditEvent, Delivery, Identity, Purpose
from tests.unit.accounts.desk import MIRA, Desk

DELIVERED = [AuditEvent.CODE_REQUESTED, AuditEvent.CODE_DELIVERED]
NOT_DELIVERED = [AuditEvent.CODE_REQUESTED, AuditEvent.CODE_NOT_DELIVERED]


async def asked(desk: Desk, identity: Identity = MIRA, purpose: Purpose = Purpose.SIGN_IN) -> UUID:
    """The delivery of the code that was asked for, its hint taken from the queue."""
    await desk.ask(identity, purpose)
    return desk.hints.ids.pop()


async def hint(desk: Desk, delivery_id: UUID) -> None:
    """A worker hears of it."""
    await deliver_code(uow=desk.uow, post=desk.post, audit=desk.audit, delivery_id=delivery_id, now=desk.now)


async def claimed(desk: Desk, delivery_id: UUID) -> Delivery | None:
    """What a worker has that dies of it."""
    async with desk.uow() as unit:
        delivery = await unit.deliveries.claim(delivery_id, lease=LEASE_SECONDS, now=desk.now)
        await unit.commit()
    return delivery


async def requeued(desk: Desk) -> int:
    return await requeue_deliveries(uow=desk.uow, queue=desk.hints)


async def waiting(desk: Desk) -> int:
    async with desk.uow(read_only=True) as unit:
        return len(await unit.deliveries.overdue(seconds=-timedelta(days=1).total_seconds(), limit=9))
