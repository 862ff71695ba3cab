"""What every response carries, whatever made it, and the count and the log line that every request leaves.

This wraps the whole application: a 404 of the router passes no middleware of Litestar.
"""

import re
from collections.abc import Callable
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from parley.adapters.http.loggable_path import loggable_path
from parley.adapters.http.metrics import RequestObservation
from parley.adapters.http.ports import RequestMeter

log = structlog.get_logger("parley.access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
)
_DEFAULTS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Envelope:
    """Request ids, security headers (OWASP ASVS 5, 3.4) and the access log. Paths are logged without their query."""

    def __init__(self, app: ASGIApp, *, new_request_id: Callable[[], str], meter: RequestMeter, https: bool) -> None:
        self._app = app
        self._new_request_id = new_request_id
        self._meter = meter
        self._headers = _HEADERS + (((b"strict-transport-security", b"max-age=31536000"),) if https else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _given_request_id(scope) or self._new_request_id().encode()
        exchange = RequestObservation(scope, self._meter)

        async def send_wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                given = dict(headers)
                exchange.answered(message["status"], given)
                headers.append((b"x-request-id", request_id))
                headers.extend(self._headers)
                headers.extend([default for default in _DEFAULTS if default[0] not in given])
                message["headers"] = headers
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            await self._app(scope, receive, send_wrapped)
        finally:
            took = exchange.ended()
            log.info("request", method=scope["method"], path=loggable_path(scope), status=exchange.status, ms=took)
            structlog.contextvars.clear_contextvars()


def _given_request_id(scope: Any) -> bytes | None:
    """A caller's own id is kept when it is harmless in a log."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return None
