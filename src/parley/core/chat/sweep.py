"""Periodic work: requeueing what the queue lost, which is the only recovery there is, and forgetting old keys."""

from parley.core.chat import ChatPorts
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE

# How long a reply may wait on the queue before it is put there again.
PATIENCE_SECONDS = 5.0
BATCH = 500
SWEEP_LEASE = "overdue_replies"
# Longer than one sweep takes; after the death of the worker that holds it another continues.
SWEEP_LEASE_SECONDS = 5.0


async def requeue_overdue(chat: ChatPorts) -> int:
    """Put up to BATCH claimable replies that no worker took on the queue again; returns how many.

    One worker at a time does this, and none writes anything while no reply is overdue.
    """
    async with chat.uow(read_only=True) as unit:
        if not await unit.replies.any_overdue(patience=PATIENCE_SECONDS):
            return 0
    async with chat.uow(single=True) as unit:
        if not await unit.leases.take(SWEEP_LEASE, chat.worker_id, seconds=SWEEP_LEASE_SECONDS):
            return 0
    async with chat.uow(single=True) as unit:
        overdue = await unit.replies.take_overdue(patience=PATIENCE_SECONDS, limit=BATCH)
    for reply_id in overdue:
        await chat.queue.put(reply_id)
    return len(overdue)


async def forget_old_keys(chat: ChatPorts) -> int:
    """Delete idempotency keys older than IDEMPOTENCY_KEY_LIFE; returns how many."""
    async with chat.uow() as unit:
        forgotten = await unit.idempotency_keys.forget_before(chat.now() - IDEMPOTENCY_KEY_LIFE)
        await unit.commit()
    return forgotten
