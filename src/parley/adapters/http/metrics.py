"""The endpoint that Prometheus scrapes."""

import hmac
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from parley.adapters.http.auth import PUBLIC, bearer_token
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
        **problems(401, 404, of_account=False),
    },
)
async def read_metrics(request: Request[Any, Any, Any], ports: Ports) -> Response[bytes]:
    """If METRICS_TOKEN is set, it must be sent as «Authorization: Bearer <METRICS_TOKEN>». Not at /metrics/."""
    if not _is_spelled_exactly(request.scope):
        raise NotFoundException
    if ports.metrics_token and not _is_bearer(ports.metrics_token, request.headers.get("authorization", "")):
        raise NotAuthorizedException(headers={"WWW-Authenticate": "Bearer"})
    return Response(await ports.scrape(), media_type=MEDIA_TYPE)


def _is_spelled_exactly(scope: Any) -> bool:
    """Whether the path is /metrics letter for letter.

    Other spellings, such as //metrics, /metrics/ or /metrics%2f, would pass a proxy's rule that protects /metrics.
    """
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path.removeprefix(scope.get("root_path", "").encode()) == b"/metrics"


def _is_bearer(token: str, header: str) -> bool:
    given = bearer_token(header)
    return given is not None and hmac.compare_digest(given.encode(), token.encode())
