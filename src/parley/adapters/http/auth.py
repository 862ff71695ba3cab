"""Who calls: every route asks for an access token unless it is marked PUBLIC."""

from datetime import datetime

from litestar.datastructures import Headers
from litestar.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import Caller
from parley.core.accounts.ports import AccessTokens
from parley.core.accounts.revocations import RevocationList
from parley.core.ports import Clock

PUBLIC = {"public": True}
# For the OpenAPI document: what a client sends with a call, either of the two for a stream.
BEARER: tuple[dict[str, list[str]], ...] = ({"bearer": []},)
BEARER_OR_TICKET: tuple[dict[str, list[str]], ...] = ({"bearer": []}, {"ticket": []})
SCHEME = "Bearer "
LONGEST_HEADER = 4_096


class RequireCaller:
    """A middleware around every route, which no route can take off.

    It leaves the Caller as the connection's `user`, and the account in the request's log lines. Not a guard: for each
    that it asks, Litestar copies the handler at every request.
    """

    def __init__(self, app: ASGIApp, *, tokens: AccessTokens, revocations: RevocationList, now: Clock) -> None:
        self._app = app
        self._tokens = tokens
        self._revoked = revocations
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises TokenInvalid."""
        if not scope["route_handler"].opt.get("public"):
            caller = bearer_caller(Headers.from_scope(scope), self._tokens, self._now())
            await self._revoked.check(caller.session_id)
            bind_contextvars(account_id=str(caller.account_id))
            scope["user"] = caller
        await self._app(scope, receive, send)


def bearer_caller(headers: Headers, tokens: AccessTokens, now: datetime) -> Caller:
    """Who the token speaks for; whether its session has ended is still to be checked. Raises TokenInvalid."""
    header = headers.get("authorization", "")
    # The scheme's name is case-insensitive (RFC 9110, 11.1).
    if header[: len(SCHEME)].lower() != SCHEME.lower() or len(header) > LONGEST_HEADER:
        raise TokenInvalid
    return tokens.read(header[len(SCHEME) :], now)
