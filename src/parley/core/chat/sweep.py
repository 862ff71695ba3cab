"""Periodic work: requeueing what the queue lost, which is the only recovery there is, and forgetting old keys."""

from parley.core.chat import ChatPorts
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE

# How long a reply may wait on the queue before it is put there again.
PATIENCE_SECONDS = 5.0
BATCH = 500


async def requeue_overdue(chat: ChatPorts) -> int:
    """Put up to BATCH claimable replies that no worker took on the queue again; returns how many."""
    async with chat.uow() as unit:
        overdue = await unit.replies.take_overdue(patience=PATIENCE_SECONDS, limit=BATCH)
        await unit.commit()
    for reply_id in overdue:
        await chat.queue.put(reply_id)
    return len(overdue)


async def forget_old_keys(chat: ChatPorts) -> int:
    """Delete idempotency keys older than IDEMPOTENCY_KEY_LIFE; returns how many."""
    async with chat.uow() as unit:
        forgotten = await unit.idempotency_keys.forget_before(chat.now() - IDEMPOTENCY_KEY_LIFE)
        await unit.commit()
    return forgotten
