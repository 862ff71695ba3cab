"""Access to the operator's routes: by ADMIN_TOKEN."""

import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod
from litestar.handlers import BaseRouteHandler

from parley.adapters.http.auth import bearer_token
from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.server.client_address import client_of
from parley.core.accounts.model import AuditEvent
from parley.core.errors import DomainError, Kind, TooManyRequests

# A token of 32 characters cannot be guessed; this bounds the log lines of those who try.
GUESSES_PER_MINUTE = 30
MINUTE_SECONDS = 60.0
# Who did it, in the audit trail. The line has the client's address too.
OPERATOR = "operator"


class AdminTokenInvalid(DomainError):
    """The request has no token, or another one than ADMIN_TOKEN."""

    code = "admin_token_invalid"
    kind = Kind.UNAUTHENTICATED
    detail = "Send the operator's token, ADMIN_TOKEN, as «Authorization: Bearer …»."


async def require_operator(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard. Raises AdminTokenInvalid, and TooManyRequests for an address that guesses.

    OPTIONS says only which methods there are, and browsers ask it without a token (Fetch Standard, «CORS-preflight»).
    The guess is counted before the comparison, so that none beyond the limit learns anything, and a right one is no
    guess.
    """
    if connection.scope["method"] == HttpMethod.OPTIONS:  # type: ignore[typeddict-item]  # an HTTP connection has one
        return
    ports: HttpPorts = connection.app.state.ports
    given = bearer_token(connection.headers.get("authorization", ""))
    if given is None:
        raise AdminTokenInvalid
    address = connection.client.host if connection.client else "unknown"
    key = f"operator:{client_of(address)}"
    wait = await ports.rate_limiter.take(key, limit=GUESSES_PER_MINUTE, per=MINUTE_SECONDS)
    if wait > 0:
        ports.accounts.audit.note(AuditEvent.THROTTLED, how="operator")
        raise TooManyRequests(wait)
    if not hmac.compare_digest(given.encode(), ports.admin_token.encode()):
        ports.accounts.audit.note(AuditEvent.OPERATOR_REFUSED)
        raise AdminTokenInvalid
    await ports.rate_limiter.give_back([key])
