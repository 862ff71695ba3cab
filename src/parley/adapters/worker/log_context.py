"""Adds the id of the work to a worker's log lines."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from structlog.contextvars import bind_contextvars

Work = Callable[[UUID], Awaitable[None]]


def with_log_context(name: str, work: Work) -> Work:
    """The work, with its id as `name` in everything that its task logs from then on, also after an exception.

    Each call needs its own task, as it has in both kinds of worker.
    """

    async def do(id_: UUID) -> None:
        bind_contextvars(**{name: str(id_)})
        await work(id_)

    return do
