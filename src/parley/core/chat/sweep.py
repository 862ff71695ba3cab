"""Finding what the queue lost. Nothing else recovers anything."""

from datetime import datetime

from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE
from parley.core.chat.ports import ReplyQueue
from parley.core.chat.stores import ChatUnitOfWork

# How long a reply may wait on the queue before it is put there again, in seconds.
PATIENCE_SECONDS = 5.0
BATCH = 500


async def requeue_overdue(*, uow: ChatUnitOfWork, queue: ReplyQueue, patience: float = PATIENCE_SECONDS) -> int:
    """Put claimable replies that nobody took on the queue again; returns how many."""
    async with uow() as unit:
        overdue = await unit.replies.take_overdue(patience=patience, limit=BATCH)
        await unit.commit()
    for reply_id in overdue:
        await queue.put(reply_id)
    return len(overdue)


async def forget_old_keys(*, uow: ChatUnitOfWork, now: datetime) -> int:
    """Remove idempotency keys past their 24 hours; returns how many."""
    async with uow() as unit:
        forgotten = await unit.idempotency_keys.forget_before(now - IDEMPOTENCY_KEY_LIFE)
        await unit.commit()
    return forgotten
