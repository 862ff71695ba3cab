"""Spans of HTTP requests."""

from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send
from opentelemetry.trace import Span, SpanKind, StatusCode

from parley.adapters.tracing import Traces, context_of, current

# Requested every few seconds by monitoring.
_PROBES = ("/health/", "/metrics")
# Other methods are recorded as one, since a client may send any word.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class TracedApp:
    """ASGI middleware with a span for each request except probes, in the trace of the request's `traceparent`.

    The span has the route's template and never the address, whose query may contain a ticket. The span of a stream
    lasts as long as the stream.
    """

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(_PROBES):
            await self._app(scope, receive, send)
            return
        span = self._start_span(scope)

        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                _record_response(span, scope, message)
            await send(message)

        with current(span):
            await self._app(scope, receive, send_traced)

    def _start_span(self, scope: Any) -> Span:
        method = _method(scope)
        parent = context_of(_header(scope["headers"], b"traceparent"))
        attributes = {"http.request.method": method}
        return self._traces.tracer.start_span(method, context=parent, kind=SpanKind.SERVER, attributes=attributes)


def _record_response(span: Span, scope: Any, start: HTTPResponseStartEvent) -> None:
    span.set_attribute("http.response.status_code", start["status"])
    # Litestar sets `path_template` when it has found the route.
    if route := scope.get("path_template"):
        span.set_attribute("http.route", route)
        span.update_name(f"{_method(scope)} {route}")
    if request_id := _header(start["headers"], b"x-request-id"):
        span.set_attribute("parley.request_id", request_id)
    if start["status"] >= 500:  # noqa: PLR2004  server errors (RFC 9110, 15.6)
        span.set_status(StatusCode.ERROR)


def _method(scope: Any) -> str:
    return scope["method"] if scope["method"] in _METHODS else "_OTHER"


def _header(headers: Any, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in headers if key == name), None)
