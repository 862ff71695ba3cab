"""How often one address may call what needs no token."""

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from structlog.contextvars import bind_contextvars

from parley.adapters.http.ports import HttpPorts
from parley.core.errors import TooManyRequests

MINUTE_SECONDS = 60.0
# RFC 6177: a site gets a /64 at the very least, and whoever has one has all of its addresses.
SITE_PREFIX = 64


async def one_call_from_address(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard that counts over all routes that have it. Raises TooManyRequests.

    Every log line of the request from here on carries the client's `address`.
    """
    ports: HttpPorts = connection.app.state.ports
    address = connection.client.host if connection.client else "unknown"
    bind_contextvars(address=address)
    if ports.auth_requests_per_minute == 0:
        return
    key = f"address:{_customer(address)}"
    wait = await ports.rate_limiter.take(key, limit=ports.auth_requests_per_minute, per=MINUTE_SECONDS)
    if wait > 0:
        raise TooManyRequests(wait)


def _customer(address: str) -> str:
    """What shares one limit: an IPv4 address, mapped to IPv6 or not, or a /64 of IPv6; other words are themselves."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or IPv6Network((int(ip), SITE_PREFIX), strict=False))
