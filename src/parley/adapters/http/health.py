"""Whether this process lives, and whether it can work."""

from asyncio import gather, timeout
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta, Struct

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.ports import Ports

# Probes give up soon after: they should hear what is down.
CHECK_SECONDS = 2.0


class LiveBody(Struct):
    status: Literal["ok"] = "ok"


class ReadyBody(Struct):
    """`down` names the parts that do not answer."""

    status: Literal["ok", "unavailable"]
    down: Annotated[list[str], Meta(examples=[["database"]])]


@get("/health/live", operation_id="isLive", summary="The process lives", tags=("Operations",), opt=PUBLIC)
async def is_live() -> LiveBody:
    return LiveBody()


@get(
    "/health/ready",
    operation_id="isReady",
    summary="The process can work",
    tags=("Operations",),
    opt=PUBLIC,
    responses={503: ResponseSpec(ReadyBody, generate_examples=False, description="Something that it needs is down")},
)
async def is_ready(ports: Ports) -> Response[ReadyBody]:
    answers = await gather(*(_in_time(check) for check in ports.health_checks.values()))
    down = [name for name, answer in zip(ports.health_checks, answers, strict=True) if not answer]
    if down:
        return Response(ReadyBody("unavailable", down), status_code=503)
    return Response(ReadyBody("ok", []))


async def _in_time(check: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return False
