"""Spans of the workers' tasks, in the trace of the request that queued them."""

from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

from opentelemetry.trace import SpanKind

from parley.adapters.tracing import Traces, context_of, current, traceparent_of

Work = Callable[[UUID], Awaitable[None]]


class Queue(Protocol):
    async def put(self, id_: UUID, /) -> None: ...


class TracedQueue:
    """An in-process queue that remembers the request that queued each id."""

    def __init__(self, queue: Queue, traces: Traces) -> None:
        self._queue = queue
        self._traces = traces

    async def put(self, id_: UUID, /) -> None:
        self._traces.queued(id_)
        await self._queue.put(id_)


def traced_work(traces: Traces, task: str, id_name: str, work: Work) -> Work:
    """The work inside a span with the task's name. Without an origin it starts a trace, which later attempts join."""

    async def do(id_: UUID) -> None:
        span = traces.tracer.start_span(
            task,
            context=context_of(traces.origin(id_)),
            kind=SpanKind.CONSUMER,
            attributes={f"parley.{id_name}": str(id_)},
        )
        traces.remember(id_, traceparent_of(span))
        with current(span):
            await work(id_)

    return do
