"""What every request and response has in common: a request id, security headers, metrics and a log line.

This wraps the whole application, since Litestar's middleware is not run for addresses without a route.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from time import perf_counter
from typing import Any

import structlog
from litestar.types import ASGIApp, Receive, Scope, Send

from parley.adapters.http.errors import MEDIA_TYPE, problem_of_status
from parley.adapters.http.loggable_path import loggable_path
from parley.adapters.http.only_local import MISDIRECTED
from parley.adapters.http.openapi.operation import header
from parley.adapters.http.ports import RequestMeter
from parley.adapters.http.server.security_headers import DEFAULT_HEADERS, Header
from parley.adapters.http.streaming.frames import encode_json

log = structlog.get_logger("parley.access")

REQUEST_ID = header(
    "Identifies the request in the server's log: the request's own `X-Request-ID` if it is a plain one",
    "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a09",
    r"[A-Za-z0-9._-]{1,64}",
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
UNMATCHED = "unmatched"
# Other methods are counted as one, since a client may send any word.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


_ANSWERED = frozenset({"http", "websocket"})
_DISCONNECTED = frozenset({"http.disconnect", "websocket.disconnect"})
# What begins a response: also those to the handshake of a WebSocket.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Envelope:
    """Adds request ids and security headers (OWASP ASVS 5, 3.4), counts and logs. Logged paths have no query."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_request_id: Callable[[], str],
        meter: RequestMeter,
        security_headers: Sequence[Header],
    ) -> None:
        self._app = app
        self._new_request_id = new_request_id
        self._meter = meter
        self._headers = security_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in _ANSWERED:
            await self._app(scope, receive, send)
            return
        request_id = _given_request_id(scope) or self._new_request_id().encode()
        observed = _ObservedRequest(scope, self._meter)
        # White space around a value is not part of it (RFC 9110, 5.5), but servers differ in removing it.
        scope["headers"] = [(name, value.strip()) for name, value in scope["headers"]]

        async def receive_wrapped() -> Any:
            message = await receive()
            observed.disconnected = message["type"] in _DISCONNECTED
            return message

        # Any: Litestar has no type for a refused handshake.
        async def send_wrapped(message: Any) -> None:
            if message["type"] == "websocket.close" and not observed.begun:
                await _refuse_handshake(scope, message["code"], send_wrapped, self._meter)
                return
            if message["type"] in _STARTS:
                headers = list(message.get("headers", ()))
                given = dict(headers)
                observed.response_started(message.get("status", HTTPStatus.SWITCHING_PROTOCOLS.value), given)
                headers.append((b"x-request-id", request_id))
                headers.extend(self._headers)
                headers.extend([default for default in DEFAULT_HEADERS if default[0] not in given])
                message["headers"] = headers
            await send(message)

        client = scope.get("client")
        address = client[0] if client else "unknown"
        structlog.contextvars.bind_contextvars(request_id=request_id.decode(), address=address)
        try:
            await self._app(scope, receive_wrapped, send_wrapped)
        finally:
            observed.ended()
            structlog.contextvars.clear_contextvars()


class _ObservedRequest:
    """Counts one request and its response, and logs them at the end."""

    __slots__ = ("_meter", "_scope", "_started", "_status", "_streams", "disconnected")

    def __init__(self, scope: Any, meter: RequestMeter) -> None:
        self._scope = scope
        self._meter = meter
        # Whether the application knows that no response will be received.
        self.disconnected = False
        self._status = 0
        self._streams = False
        self._started = perf_counter()

    @property
    def _method(self) -> str:
        """That of a WebSocket's handshake is always GET (RFC 6455, 4.1)."""
        return str(self._scope.get("method", "GET"))

    @property
    def begun(self) -> bool:
        return self._status != 0

    def response_started(self, status: int, headers: Mapping[bytes, bytes]) -> None:
        """Measure the time up to the response's start, so without the stream. `Prefer: wait` requests are not timed."""
        if self.disconnected:
            return
        self._status = status
        waited = b"preference-applied" in headers
        self._count(None if waited else perf_counter() - self._started)
        is_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
        if is_stream or status == HTTPStatus.SWITCHING_PROTOCOLS:
            self._streams = True
            self._meter.stream_opened()

    def ended(self) -> None:
        """A request without a response, because the client disconnected, has the status 0."""
        if self._streams:
            self._meter.stream_closed()
        if self._status == 0:
            self._count(None)
        milliseconds = round((perf_counter() - self._started) * 1000, 1)
        path = loggable_path(self._scope)
        log.info("request", method=self._method, path=path, status=self._status, ms=milliseconds)

    def _count(self, seconds: float | None) -> None:
        method = self._method if self._method in _METHODS else "other"
        # Litestar sets `path_template` when it has found the route.
        self._meter.answered(method, self._scope.get("path_template", UNMATCHED), self._status, seconds)


async def _refuse_handshake(scope: Any, code: int, send: Any, meter: RequestMeter) -> None:
    """Litestar closes when there is no route and for exceptions; servers make a 403 without a body of that."""
    status = HTTPStatus.MISDIRECTED_REQUEST if code == MISDIRECTED else HTTPStatus.INTERNAL_SERVER_ERROR
    problem = problem_of_status(status if "path_template" in scope else HTTPStatus.NOT_FOUND)
    meter.refused(problem.code)
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": encode_json(problem)})


def _given_request_id(scope: Any) -> bytes | None:
    """The client's own id, if it is harmless in a log."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return None
