"""Logging that a proxy is in front which the settings do not name."""

from collections.abc import Callable
from typing import Any

import structlog
from litestar.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger("parley.http")


class NoteUntrustedProxy:
    """Middleware that logs once that X-Forwarded-For came from a peer that is not trusted.

    Either a client made it up, or TRUSTED_PROXIES lacks a proxy and all its clients share one rate limit.
    """

    def __init__(self, app: ASGIApp, *, is_trusted: Callable[[str], bool]) -> None:
        self._app = app
        self._is_trusted = is_trusted
        self._noted = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._noted and any(name == b"x-forwarded-for" for name, _ in scope.get("headers", ())):
            client: Any = scope.get("client")
            peer = client[0] if client else "unknown"
            if not self._is_trusted(peer):
                self._noted = True
                log.warning("forwarded_by_untrusted_peer", peer=peer, hint="is a proxy missing in TRUSTED_PROXIES?")
        await self._app(scope, receive, send)
