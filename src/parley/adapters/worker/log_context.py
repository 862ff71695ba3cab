"""What a worker's log lines are about."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from structlog.contextvars import bind_contextvars

Work = Callable[[UUID], Awaitable[None]]


def with_log_context(name: str, work: Work) -> Work:
    """The work, with the id that it is given in all that its task logs from then on, also after it raised.

    Every piece of work needs a task of its own, as both kinds of worker give it.
    """

    async def do(id_: UUID) -> None:
        bind_contextvars(**{name: str(id_)})
        await work(id_)

    return do
