"""Chat ids in addresses. Clients make them of any characters and encode them, but servers decode the whole path.

Without this, `a%2Fb` would be two segments of the path, and no address that parley has.
"""

import re
from typing import Any
from urllib.parse import quote, unquote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

_ADDRESS = re.compile(r"/api/chat/(?P<id>.+)/(?P<action>stream|stop)/?", re.DOTALL)


class OneSegmentChatIds:
    """Before the routes: encodes a chat id again, so that it is one segment of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and (address := _ADDRESS.fullmatch(scope["path"])):
            scope["path"] = f"/api/chat/{quote(address['id'], safe='')}/{address['action']}"
        await self._app(scope, receive, send)


class DecodedChatId:
    """After the routes: middleware that gives handlers the chat id as its client made it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A copy, since the router caches what it has found.
        found: Any = {name: unquote(value) for name, value in scope["path_params"].items()}
        scope["path_params"] = found
        await self._app(scope, receive, send)
