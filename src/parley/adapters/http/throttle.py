"""How often one address may call what needs no token."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from parley.adapters.http.ports import HttpPorts
from parley.core.errors import TooManyRequests

MINUTE_SECONDS = 60.0


async def one_call_from_address(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard that counts over all routes that have it. Raises TooManyRequests."""
    ports: HttpPorts = connection.app.state.ports
    if ports.auth_requests_per_minute == 0:
        return
    address = connection.client.host if connection.client else "unknown"
    wait = await ports.throttle.take(f"address:{address}", limit=ports.auth_requests_per_minute, per=MINUTE_SECONDS)
    if wait > 0:
        raise TooManyRequests(wait)
