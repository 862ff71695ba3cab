"""Whether this process lives, and whether it can work."""

from asyncio import gather, timeout
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Struct

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.ports import Ports

# Probes give up soon after: they should hear what is down.
CHECK_SECONDS = 2.0


class LiveBody(Struct):
    """It answers, so it lives."""

    status: Annotated[Literal["ok"], described("Always", "ok")] = "ok"


class ReadyBody(Struct):
    """Whether the process can work."""

    status: Annotated[Literal["ok", "unavailable"], described("Whether requests are of use now", "ok")]
    down: Annotated[list[str], described("The parts that do not answer", [])]


@get("/health/live", operation_id="isLive", summary="The process lives", tags=("Operations",), opt=PUBLIC)
async def is_live() -> LiveBody:
    """Looks at nothing else: a process that is alive is not to be restarted because a database is down."""
    return LiveBody()


@get(
    "/health/ready",
    operation_id="isReady",
    summary="The process can work",
    tags=("Operations",),
    opt=PUBLIC,
    responses={
        503: ResponseSpec(
            ReadyBody,
            generate_examples=False,
            description="Something that it needs is down",
            examples=[Example(summary="unavailable", value={"status": "unavailable", "down": ["database"]})],
        )
    },
)
async def is_ready(ports: Ports) -> Response[ReadyBody]:
    """Asks the database, and Redis where there is one."""
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
