"""The rate limit of one client address over all routes that need no token."""

from ipaddress import ip_address, ip_network
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.server.client_address import client_of
from parley.core.accounts.model import AuditEvent
from parley.core.accounts.sources import Client
from parley.core.errors import TooManyRequests

MINUTE_SECONDS = 60.0
# Enough for a room full of people behind one address.
SHARED_PAGES_PER_MINUTE = 300
# What one customer of a provider gets at most without asking for more: limits of an identity count by such blocks.
BLOCK_PREFIXES = {4: 24, 6: 48}


async def limit_by_address(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard with one limit for all routes that use it. Raises TooManyRequests."""
    ports: HttpPorts = connection.app.state.ports
    if ports.auth_requests_per_minute > 0:
        await _take(connection, "address", per_minute=ports.auth_requests_per_minute)


async def limit_shared_by_address(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard for shared pages, which must not use up the sign-ins of an address. Raises TooManyRequests."""
    await _take(connection, "shared", per_minute=SHARED_PAGES_PER_MINUTE)


async def _take(connection: ASGIConnection[Any, Any, Any, Any], use: str, *, per_minute: int) -> None:
    ports: HttpPorts = connection.app.state.ports
    address = connection.client.host if connection.client else "unknown"
    wait = await ports.rate_limiter.take(f"{use}:{client_of(address)}", limit=per_minute, per=MINUTE_SECONDS)
    if wait > 0:
        ports.accounts.audit.note(AuditEvent.THROTTLED, how=use)
        raise TooManyRequests(wait)


def requesting_client(connection: ASGIConnection[Any, Any, Any, Any], device_token: str | None = None) -> Client:
    """Who sends the request, for limits by identity."""
    address = connection.client.host if connection.client else "unknown"
    return Client(client_of(address), _block(address), device_token)


def _block(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return str(ip_network((int(ip), BLOCK_PREFIXES[ip.version]), strict=False))
