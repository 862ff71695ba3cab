"""Traces by OpenTelemetry: spans of requests, of what workers do, and of the steps of a reply.

No attribute holds a text, an identity, a code, a token or a query; of an exception there is the type alone.
"""

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    TracerProvider,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# Some megabytes: what is older has been done, or begins a trace of its own.
MOST_IDS = 10_000

_W3C = TraceContextTextMapPropagator()


class Traces:
    """The spans of one process, and to which trace the work on an id belongs.

    It is the trace that this process heard of first, so that a reply stays in that of its POST when it is put off,
    found by a sweep, or waits for the one before it, as long as one process knows of it.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self.tracer = provider.get_tracer("parley")
        self._origins: dict[UUID, str] = {}

    def remember(self, id_: UUID, traceparent: str) -> None:
        self._origins.setdefault(id_, traceparent)
        if len(self._origins) > MOST_IDS:
            del self._origins[next(iter(self._origins))]

    def origin(self, id_: UUID) -> str | None:
        """As a W3C traceparent."""
        return self._origins.get(id_)

    def queued(self, id_: UUID) -> str | None:
        """The id's origin: from now on the request that puts it on a queue, unless there was one before.

        A worker that puts one tells nothing: what it does then belongs to another reply.
        """
        span = get_current_span()
        if isinstance(span, ReadableSpan) and span.kind is SpanKind.SERVER:
            self.remember(id_, traceparent_of(span))
        return self.origin(id_)


def context_of(traceparent: str | None) -> Context:
    """An empty one for None and for what is not a traceparent."""
    return _W3C.extract({"traceparent": traceparent} if traceparent else {}, Context())


def traceparent_of(span: Span) -> str:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    return carrier["traceparent"]


@contextmanager
def ending(span: Span) -> Generator[None, None, None]:
    """End the span with the block. Of an exception it keeps the type: messages quote what people wrote."""
    try:
        yield
    except Exception as error:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(StatusCode.ERROR)
        raise
    finally:
        span.end()


@contextmanager
def current(span: Span) -> Generator[None, None, None]:
    """As `ending`; spans that begin in the block are its children."""
    with ending(span), use_span(span, record_exception=False, set_status_on_exception=False):
        yield
