"""Requests as they are counted, and the address where Prometheus asks for the counts."""

import hmac
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotAuthorizedException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.types import Scope

from parley.adapters.http.auth import PUBLIC, SCHEME
from parley.adapters.http.errors import documented
from parley.adapters.http.ports import Ports, RequestMeter

# Litestar adds the charset.
MEDIA_TYPE = "text/plain; version=0.0.4"
UNMATCHED = "unmatched"
# A client may write any word there.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class RequestObservation:
    """One request and its answer. `status` is 0 until that begins."""

    __slots__ = ("_meter", "_scope", "_started", "_streams", "status")

    def __init__(self, scope: Scope, meter: RequestMeter) -> None:
        self.status = 0
        self._scope = scope
        self._meter = meter
        self._streams = False
        self._started = perf_counter()

    def answered(self, status: int, headers: Mapping[bytes, bytes]) -> None:
        """Its time is that to the first byte, without the length of a stream; a wait that was asked for has none."""
        self.status = status
        waited = b"preference-applied" in headers
        self._count(None if waited else perf_counter() - self._started)
        if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._streams = True
            self._meter.stream_opened()

    def ended(self) -> float:
        """How many milliseconds it took. One that the client gave up is counted with status 0."""
        if self._streams:
            self._meter.stream_closed()
        if self.status == 0:
            self._count(None)
        return round((perf_counter() - self._started) * 1000, 1)

    def _count(self, seconds: float | None) -> None:
        scope: Any = self._scope
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # Litestar leaves the template there once it has found the route.
        self._meter.answered(method, scope.get("path_template", UNMATCHED), self.status, seconds)


@get(
    "/metrics",
    operation_id="readMetrics",
    summary="Counts for Prometheus",
    tags=("Operations",),
    opt=PUBLIC,
    responses={
        200: ResponseSpec(
            str,
            generate_examples=False,
            media_type="text/plain",
            description="Text format 0.0.4",
            examples=[Example(summary="one of them", value='parley_http_refusals_total{code="quota_exceeded"} 3.0\n')],
        ),
        **documented(401),
    },
)
async def read_metrics(request: Request[Any, Any, Any], ports: Ports) -> Response[bytes]:
    """Where METRICS_TOKEN is set, only with «Authorization: Bearer <METRICS_TOKEN>»."""
    if ports.metrics_token and not _knows(ports.metrics_token, request.headers.get("authorization", "")):
        raise NotAuthorizedException(headers={"WWW-Authenticate": "Bearer"})
    return Response(await ports.scrape(), media_type=MEDIA_TYPE)


def _knows(token: str, header: str) -> bool:
    scheme, given = header[: len(SCHEME)], header[len(SCHEME) :]
    return scheme.lower() == SCHEME.lower() and hmac.compare_digest(given.encode(), token.encode())
