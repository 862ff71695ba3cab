"""Breaking a connection off, so that its client does not take an incomplete stream for a complete one."""

from litestar.types import ASGIApp, Receive, Scope, Send


class ConnectionBroken(Exception):
    """Raised by a stream that cannot go on."""


class BreaksOff:
    """Middleware for streams that raise ConnectionBroken: the server closes a connection without a last part."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ConnectionBroken:
            return
