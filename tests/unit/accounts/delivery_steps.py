"""The steps of a delivery, for tests."""

from datetime import timedelta
from uuid import UUID

from parley.core.accounts.deliveries import LEASE_SECONDS, deliver_code, requeue_deliveries
from parley.core.accounts.model import AuditEvent, Delivery, Identity, Purpose
from tests.unit.accounts.environment import MIRA, AccountsEnvironment

DELIVERED = [AuditEvent.CODE_REQUESTED, AuditEvent.CODE_DELIVERED]
NOT_DELIVERED = [AuditEvent.CODE_REQUESTED, AuditEvent.CODE_NOT_DELIVERED]


async def requested(env: AccountsEnvironment, identity: Identity = MIRA, purpose: Purpose = Purpose.SIGN_IN) -> UUID:
    """Request a code and take its delivery off the queue."""
    await env.request_code(identity, purpose)
    return env.queue.ids.pop()


async def deliver(env: AccountsEnvironment, delivery_id: UUID) -> None:
    await deliver_code(env.ports, delivery_id)


async def claim(env: AccountsEnvironment, delivery_id: UUID) -> Delivery | None:
    """Claim the delivery as a worker would that then does nothing."""
    async with env.uow() as unit:
        delivery = await unit.deliveries.claim(delivery_id, lease=LEASE_SECONDS, now=env.now)
        await unit.commit()
    return delivery


async def requeue(env: AccountsEnvironment) -> int:
    return await requeue_deliveries(env.ports)


async def waiting(env: AccountsEnvironment) -> int:
    """How many deliveries are stored."""
    async with env.uow(read_only=True) as unit:
        return len(await unit.deliveries.overdue(seconds=-timedelta(days=1).total_seconds(), limit=9))
