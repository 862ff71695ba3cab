"""Liveness and readiness of this process."""

from typing import Annotated, Literal

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Struct
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.errors import UNAVAILABLE_RETRY_SECONDS
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.ports import Ports
from parley.core.health import known_causes, what_is_down


class LiveBody(Struct):
    """The process is alive."""

    status: Annotated[Literal["ok"], described("Always `ok`", "ok")] = "ok"


class ReadyBody(Struct, omit_defaults=True):
    """Whether the process can serve requests."""

    status: Annotated[Literal["ok", "unavailable"], described("Whether requests can be served now", "ok")]
    down: Annotated[list[str], described("The dependencies that do not respond", [])]
    causes: Annotated[
        dict[str, str], described("What is wrong with a dependency, where it is known: `parley check` says as much", {})
    ] = {}


@get("/health/live", operation_id="isLive", summary="Check liveness", tags=("Operations",), opt=PUBLIC)
async def is_live() -> LiveBody:
    """Checks no dependency: restarting a live process does not help when the database is down."""
    return LiveBody()


@get(
    "/health/ready",
    operation_id="isReady",
    summary="Check readiness",
    tags=("Operations",),
    opt=PUBLIC,
    responses={
        503: ResponseSpec(
            ReadyBody,
            generate_examples=False,
            description="A dependency is down",
            examples=[Example(summary="unavailable", value={"status": "unavailable", "down": ["database"]})],
        )
    },
)
async def is_ready(ports: Ports) -> Response[ReadyBody]:
    """Checks the database, and Redis if it is used."""
    if down := await what_is_down(ports.health_checks):
        bind_contextvars(cause=f"down: {', '.join(down)}")
        return Response(
            ReadyBody("unavailable", list(down), known_causes(down)),
            status_code=503,
            headers={"Retry-After": str(UNAVAILABLE_RETRY_SECONDS)},
        )
    return Response(ReadyBody("ok", []))
