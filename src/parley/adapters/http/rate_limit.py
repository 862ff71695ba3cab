"""The rate limit of one client address over all routes that need no token."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.server.client_address import client_of
from parley.core.errors import TooManyRequests

MINUTE_SECONDS = 60.0


async def limit_by_address(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard with one limit for all routes that use it. Raises TooManyRequests."""
    ports: HttpPorts = connection.app.state.ports
    address = connection.client.host if connection.client else "unknown"
    if ports.auth_requests_per_minute == 0:
        return
    key = f"address:{client_of(address)}"
    wait = await ports.rate_limiter.take(key, limit=ports.auth_requests_per_minute, per=MINUTE_SECONDS)
    if wait > 0:
        raise TooManyRequests(wait)
