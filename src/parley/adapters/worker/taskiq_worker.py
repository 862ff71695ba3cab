"""A worker's work as taskiq tasks."""

import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from uuid import UUID

import structlog
from taskiq import AsyncBroker, TaskiqEvents, TaskiqState

from parley.adapters.worker.log_context import Work
from parley.core.errors import Unavailable

log = structlog.get_logger("parley.worker")


def serve(
    broker: AsyncBroker,
    tasks: Mapping[str, Work],
    *,
    background: Callable[[], AbstractAsyncContextManager[None]],
) -> None:
    """Register the tasks, each of which takes an id, by name.

    `background` is open while a worker process runs. An exception of a task is logged, except Unavailable. taskiq's own
    line about each task is not: the work logs what it does.
    """
    logging.getLogger("taskiq.receiver.receiver").addFilter(_is_not_about_one_task)
    stack = AsyncExitStack()

    async def start(_: TaskiqState) -> None:
        try:
            await stack.enter_async_context(background())
        except Exception:
            # Python would write the traceback as plain text.
            log.exception("worker_crashed")
            sys.exit(1)

    async def stop(_: TaskiqState) -> None:
        await stack.aclose()

    for name, work in tasks.items():
        broker.register_task(_task(name, work), task_name=name)
    broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, start)
    broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, stop)


def _is_not_about_one_task(record: logging.LogRecord) -> bool:
    return not record.msg.startswith("Executing task")


def _task(name: str, work: Work) -> Callable[[str], Awaitable[None]]:
    async def do(id_: str) -> None:
        try:
            await work(UUID(id_))
        except Unavailable:
            # The adapter that noticed the outage logs it.
            pass
        except Exception:
            # The work itself is in the database, where the sweeper finds it again.
            log.exception("task_crashed", task=name, id=id_)

    return do
