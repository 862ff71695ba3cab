"""Authentication: every route requires an access token unless it is marked PUBLIC."""

from datetime import datetime
from typing import Any

from litestar import Request
from litestar.datastructures import Headers
from litestar.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import Caller
from parley.core.accounts.ports import AccessTokens
from parley.core.accounts.request_limit import RequestLimit
from parley.core.accounts.revocations import RevocationList
from parley.core.ports import Clock

# A request to a route that is not PUBLIC: its `user` is the Caller.
AuthenticatedRequest = Request[Caller, Any, Any]

PUBLIC = {"public": True}
# The `security` of a route in the OpenAPI document; a reply stream accepts either of the two.
BEARER: tuple[dict[str, list[str]], ...] = ({"bearer": []},)
# What the operator sends instead of an access token: ADMIN_TOKEN.
OPERATOR: tuple[dict[str, list[str]], ...] = ({"operator": []},)
BEARER_OR_TICKET: tuple[dict[str, list[str]], ...] = ({"bearer": []}, {"ticket": []})
_SCHEME = "bearer"
LONGEST_HEADER = 4_096
# The reason of a TokenInvalid where nothing was refused, since nothing was sent.
NO_TOKEN = "none"  # noqa: S105


class RequireCaller:
    """Middleware that authenticates the caller, around every route.

    It sets the connection's `user` to the Caller, adds the account to the request's log lines, and counts the request
    for the account. It is not a guard, because Litestar copies the handler at every request for each guard.
    """

    def __init__(
        self, app: ASGIApp, *, tokens: AccessTokens, revocations: RevocationList, requests: RequestLimit, now: Clock
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._revocations = revocations
        self._requests = requests
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises TokenInvalid, and TooManyRequests for an account that is beyond its limit."""
        if not scope["route_handler"].opt.get("public"):
            caller = bearer_caller(Headers.from_scope(scope), self._tokens, self._now())
            bind_contextvars(account_id=str(caller.account_id))
            await self._revocations.check(caller.session_id, caller.account_id)
            await self._requests.take(caller.account_id)
            scope["user"] = caller
        await self._app(scope, receive, send)


def bearer_caller(headers: Headers, tokens: AccessTokens, now: datetime) -> Caller:
    """The caller that the bearer token identifies. Does not check whether the session was revoked.

    Raises TokenInvalid.
    """
    header = headers.get("authorization", "")
    token = bearer_token(header)
    if token is None or len(header) > LONGEST_HEADER:
        raise TokenInvalid("malformed" if header else NO_TOKEN)
    return tokens.read(token, now)


def bearer_token(header: str) -> str | None:
    """The token of an Authorization header with the scheme Bearer, without the white space around it.

    The scheme's name is case-insensitive, and one or more spaces follow it (RFC 9110, 11.1 and 11.4).
    """
    scheme, space, token = header.strip().partition(" ")
    return token.strip() if space and scheme.lower() == _SCHEME else None
