"""Refusing requests of other machines, for a server that shows one-time codes in its responses."""

from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from litestar.datastructures import Headers
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send


class OnlyLocal:
    """Middleware that answers only at loopback addresses, by their own names.

    The name in the Host header matters, because a page of another site can resolve its own name to 127.0.0.1 and so
    read this server from a browser on this machine (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises HTTPException with 421."""
        server: Any = scope.get("server")
        named = _without_port(Headers.from_scope(scope).get("host", ""))
        if server is None or not _is_loopback(server[0]) or not _is_loopback(named):
            raise HTTPException(status_code=HTTPStatus.MISDIRECTED_REQUEST)
        await self._app(scope, receive, send)


def _without_port(host: str) -> str:
    name = host.lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        # RFC 6761, 6.3: resolvers answer these names with loopback addresses only.
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
