"""The rate limit of one client address over all routes that need no token."""

from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from structlog.contextvars import bind_contextvars

from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.sources import Client
from parley.core.errors import TooManyRequests

MINUTE_SECONDS = 60.0
# RFC 6177: a site is assigned at least a /64, so one client controls all addresses in it.
SITE_PREFIX = 64
# What one customer of a provider gets at most without asking for more: limits of an identity count by such blocks.
BLOCK_PREFIXES = {4: 24, 6: 48}


async def limit_by_address(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard with one limit for all routes that use it. Raises TooManyRequests.

    It adds the client's `address` to the later log lines of the request.
    """
    ports: HttpPorts = connection.app.state.ports
    address = connection.client.host if connection.client else "unknown"
    bind_contextvars(address=address)
    if ports.auth_requests_per_minute == 0:
        return
    key = f"address:{_limited_client(address)}"
    wait = await ports.rate_limiter.take(key, limit=ports.auth_requests_per_minute, per=MINUTE_SECONDS)
    if wait > 0:
        raise TooManyRequests(wait)


def client_of(connection: ASGIConnection[Any, Any, Any, Any], device_token: str | None = None) -> Client:
    """Who sends the request, for limits by identity."""
    address = connection.client.host if connection.client else "unknown"
    return Client(_limited_client(address), _block(address), device_token)


def _block(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ip_network((int(ip), BLOCK_PREFIXES[ip.version]), strict=False))


def _limited_client(address: str) -> str:
    """The key of a limit: an IPv4 address, mapped to IPv6 or not, a /64 of IPv6, or any other text unchanged."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or IPv6Network((int(ip), SITE_PREFIX), strict=False))
