"""OpenTelemetry traces: spans of requests, of the workers' tasks, and of the steps of a reply.

No attribute contains message text, an identity, a code, a token or a query. Exceptions are recorded by type only.
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

# A few megabytes. An older id is done by now, or its work starts a new trace.
MOST_IDS = 10_000

_W3C = TraceContextTextMapPropagator()


class Traces:
    """The tracer of one process, and the trace that the work on each id belongs to.

    An id stays in the first trace that this process knows for it. So a reply stays in the trace of its POST when it is
    postponed, found by the sweeper, or waits for an earlier reply.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self.tracer = provider.get_tracer("parley")
        self._origins: dict[UUID, str] = {}

    def remember(self, id_: UUID, traceparent: str) -> None:
        """Set the origin of an id, unless it has one. The oldest id is forgotten when there are more than MOST_IDS."""
        self._origins.setdefault(id_, traceparent)
        if len(self._origins) > MOST_IDS:
            del self._origins[next(iter(self._origins))]

    def origin(self, id_: UUID) -> str | None:
        """The W3C traceparent of the span that the work on the id belongs to."""
        return self._origins.get(id_)

    def queued(self, id_: UUID) -> str | None:
        """The origin of an id that is put on a queue: the current request, unless the id already has an origin.

        The current span of a worker is not used, since it belongs to another reply.
        """
        span = get_current_span()
        if isinstance(span, ReadableSpan) and span.kind is SpanKind.SERVER:
            self.remember(id_, traceparent_of(span))
        return self.origin(id_)


def context_of(traceparent: str | None) -> Context:
    """The context of a traceparent; empty for None and for an invalid traceparent."""
    return _W3C.extract({"traceparent": traceparent} if traceparent else {}, Context())


def traceparent_of(span: Span) -> str:
    """The W3C traceparent that makes other spans children of this one."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    return carrier["traceparent"]


@contextmanager
def ending(span: Span) -> Generator[None, None, None]:
    """End the span with the block. Only the type of an exception is recorded: its message may quote user input."""
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
    """As `ending`, and spans that start in the block are children of this span."""
    with ending(span), use_span(span, record_exception=False, set_status_on_exception=False):
        yield
