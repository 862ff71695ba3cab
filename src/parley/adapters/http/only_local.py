"""Refusing requests of other machines, for a server that shows one-time codes in its responses."""

import re
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, WebSocketException
from litestar.types import ASGIApp, Receive, Scope, Send

_FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip")
_NAMING = frozenset(name.encode() for name in ("host", "forwarded", *_FORWARDED))
# RFC 7239: for=192.0.2.1;host=example.com, in quotation marks where there is a colon.
_FORWARDED_FIELD = re.compile(r"""(?:for|host)=\"?([^";,\s]+)""", re.IGNORECASE)

# The close of a WebSocket that stands for the HTTP status 421.
MISDIRECTED = 4421
_HOST_AND_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::[0-9]*)?")


class OnlyLocal:
    """Middleware that answers only at loopback addresses, by their own names.

    The name in the Host header matters, because a page of another site can resolve its own name to 127.0.0.1 and so
    read this server from a browser on this machine (DNS rebinding). A proxy on this machine may write its own name
    there, so whom and what it forwards must be this machine too. A proxy that rewrites Host and adds no header of its
    own cannot be recognised.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises HTTPException with 421, and for a WebSocket WebSocketException with MISDIRECTED."""
        server: Any = scope.get("server")
        naming = tuple(header for header in scope["headers"] if header[0] in _NAMING)
        if server is None or not _is_loopback(server[0]) or not _name_this_machine(naming):
            if scope["type"] == ScopeType.WEBSOCKET:
                raise WebSocketException(detail="misdirected", code=MISDIRECTED)
            raise HTTPException(status_code=HTTPStatus.MISDIRECTED_REQUEST)
        await self._app(scope, receive, send)


# Remembered, since most requests have the same headers as the one before.
@lru_cache(maxsize=100)
def _name_this_machine(naming: tuple[tuple[bytes, bytes], ...]) -> bool:
    """Whether all that is named in these headers is; a request must name a host."""
    headers = Headers(naming)
    named = [*(headers.getall("host", None) or [""]), *_forwarded(headers)]
    return all(_is_loopback(_without_port(name)) for name in named)


def _forwarded(headers: Headers) -> list[str]:
    """The addresses and names that proxies say they forward."""
    plain = [name for header in _FORWARDED for value in headers.getall(header, []) for name in value.split(",")]
    standard = [value for field in headers.getall("forwarded", []) for value in _FORWARDED_FIELD.findall(field)]
    return [name.strip() for name in plain] + standard


def _without_port(host: str) -> str:
    """In lower case. Empty for what is no host with a port."""
    name = host.lower()
    if name.count(":") > 1 and not name.startswith("["):
        return name
    parts = _HOST_AND_PORT.fullmatch(name)
    return "" if parts is None else parts[1] or parts[2]


@lru_cache(maxsize=100)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        # RFC 6761, 6.3: resolvers answer these names with loopback addresses only.
        return True
    try:
        ip = ip_address(host)
        return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
    except ValueError:
        return False
