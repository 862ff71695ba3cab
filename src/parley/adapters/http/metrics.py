"""The endpoint that Prometheus scrapes."""

import hmac
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotAuthorizedException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from parley.adapters.http.auth import PUBLIC, SCHEME
from parley.adapters.http.errors import problems
from parley.adapters.http.ports import Ports

# Litestar adds the charset.
MEDIA_TYPE = "text/plain; version=0.0.4"


@get(
    "/metrics",
    operation_id="readMetrics",
    summary="Read metrics for Prometheus",
    tags=("Operations",),
    opt=PUBLIC,
    responses={
        200: ResponseSpec(
            str,
            generate_examples=False,
            media_type="text/plain",
            description="Prometheus text format 0.0.4",
            examples=[Example(summary="one of them", value='parley_http_refusals_total{code="quota_exceeded"} 3.0\n')],
        ),
        **problems(401),
    },
)
async def read_metrics(request: Request[Any, Any, Any], ports: Ports) -> Response[bytes]:
    """If METRICS_TOKEN is set, it must be sent as «Authorization: Bearer <METRICS_TOKEN>»."""
    if ports.metrics_token and not _is_bearer(ports.metrics_token, request.headers.get("authorization", "")):
        raise NotAuthorizedException(headers={"WWW-Authenticate": "Bearer"})
    return Response(await ports.scrape(), media_type=MEDIA_TYPE)


def _is_bearer(token: str, header: str) -> bool:
    scheme, given = header[: len(SCHEME)], header[len(SCHEME) :]
    return scheme.lower() == SCHEME.lower() and hmac.compare_digest(given.encode(), token.encode())
