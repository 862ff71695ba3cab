"""Replies as taskiq tasks: thin, since the queue is only a hint."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from uuid import UUID

import structlog
from taskiq import AsyncBroker, TaskiqEvents, TaskiqState

log = structlog.get_logger("parley.worker")


def serve_replies(
    broker: AsyncBroker,
    *,
    task_name: str,
    write: Callable[[UUID], Awaitable[None]],
    background: Callable[[], AbstractAsyncContextManager[None]],
) -> None:
    """Give the broker the task that writes a reply, under the queue's name for it.

    `background` is open while a worker process runs.
    """
    stack = AsyncExitStack()

    async def write_reply(reply_id: str) -> None:
        try:
            await write(UUID(reply_id))
        except Exception:
            # The reply itself is safe: its lease runs out and a sweeper finds it.
            log.exception("reply_attempt_crashed", reply_id=reply_id)

    async def start(_: TaskiqState) -> None:
        await stack.enter_async_context(background())

    async def stop(_: TaskiqState) -> None:
        await stack.aclose()

    broker.register_task(write_reply, task_name=task_name)
    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, start)
    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, stop)
