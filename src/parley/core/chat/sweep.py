"""Periodic work: requeueing what the queue lost, which is the only recovery there is, and forgetting old keys."""

from collections.abc import Callable

from parley.core.chat import ChatPorts
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE

# How long a reply may wait on the queue before it is put there again.
PATIENCE_SECONDS = 5.0
BATCH = 500
SWEEP_LEASE = "overdue_replies"
# Longer than one sweep takes; after the death of the worker that holds it another continues.
SWEEP_LEASE_SECONDS = 5.0
# As PATIENCE_SECONDS, where the queue reaches no worker. A worker claims what it has taken in much less.
OWN_PATIENCE_SECONDS = 1.0


def queue_reaches_workers() -> None:
    """The limit of `requeue_overdue` for a queue that never fails."""


async def requeue_overdue(chat: ChatPorts, *, own_limit: Callable[[], int | None] = queue_reaches_workers) -> int:
    """Put up to BATCH claimable replies that no worker took on the queue again; returns how many.

    One worker at a time does this, and none writes anything while no reply is overdue. While the queue reaches no
    worker, `own_limit` returns how many replies this one may take for itself now, which it does for those that wait
    for OWN_PATIENCE_SECONDS; else None.
    """
    limit = own_limit()
    if limit is not None:
        return await _requeue(chat, patience=OWN_PATIENCE_SECONDS, limit=limit)
    async with chat.uow(read_only=True) as unit:
        if not await unit.replies.any_overdue(patience=PATIENCE_SECONDS):
            return 0
    async with chat.uow(single=True) as unit:
        if not await unit.leases.take(SWEEP_LEASE, chat.worker_id, seconds=SWEEP_LEASE_SECONDS):
            return 0
    return await _requeue(chat, patience=PATIENCE_SECONDS, limit=BATCH)


async def forget_old_keys(chat: ChatPorts) -> int:
    """Delete idempotency keys older than IDEMPOTENCY_KEY_LIFE; returns how many."""
    async with chat.uow() as unit:
        forgotten = await unit.idempotency_keys.forget_before(chat.now() - IDEMPOTENCY_KEY_LIFE)
        await unit.commit()
    return forgotten


async def _requeue(chat: ChatPorts, *, patience: float, limit: int) -> int:
    if limit <= 0:
        return 0
    async with chat.uow(single=True) as unit:
        overdue = await unit.replies.take_overdue(patience=patience, limit=limit)
    for reply_id in overdue:
        await chat.queue.put(reply_id)
    return len(overdue)
