"""Authentication: every route requires an access token or an API key unless it is marked PUBLIC."""

from typing import Any

from litestar import Request
from litestar.datastructures import Headers
from litestar.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from parley.adapters.http.ports import HttpPorts
from parley.core.accounts import AccountsPorts
from parley.core.accounts.errors import ApiKeyNotAccepted, TokenInvalid
from parley.core.accounts.known_keys import is_api_key
from parley.core.accounts.model import Caller

# A request to a route that is not PUBLIC: its `user` is the Caller.
AuthenticatedRequest = Request[Caller, Any, Any]

PUBLIC = {"public": True}
# The `security` of a route in the OpenAPI document; a reply stream accepts any of the three.
BEARER: tuple[dict[str, list[str]], ...] = ({"bearer": []},)
# What the operator sends instead of an access token: ADMIN_TOKEN.
OPERATOR: tuple[dict[str, list[str]], ...] = ({"operator": []},)
BEARER_OR_KEY: tuple[dict[str, list[str]], ...] = ({"bearer": []}, {"api_key": []})
BEARER_KEY_OR_TICKET: tuple[dict[str, list[str]], ...] = (*BEARER_OR_KEY, {"ticket": []})
# The only paths, with all below them, where an API key is accepted instead of an access token.
_PATHS_WITH_KEYS = ("/v1", "/api/chat", "/chatroom", "/models", "/search", "/user/usage")
_SCHEME = "bearer"
LONGEST_HEADER = 4_096
# The reason of a TokenInvalid where nothing was refused, since nothing was sent.
NO_TOKEN = "none"  # noqa: S105


class RequireCaller:
    """Middleware that authenticates the caller, around every route.

    It sets the connection's `user` to the Caller, adds the account and API key to the request's log lines, and counts
    the request for the account. It is not a guard, because Litestar copies the handler at every request for each guard.
    """

    def __init__(self, app: ASGIApp, *, ports: HttpPorts) -> None:
        self._app = app
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises TokenInvalid, ApiKeyNotAccepted, and TooManyRequests for an account that is beyond its limit."""
        if not scope["route_handler"].opt.get("public"):
            ports = self._ports
            caller = await bearer_caller(Headers.from_scope(scope), scope["path_template"], ports.accounts)
            bind_contextvars(
                account_id=str(caller.account_id), **({"api_key_id": str(caller.session_id)} if caller.by_key else {})
            )
            await ports.accounts.revocations.check(caller.session_id, caller.account_id)
            await ports.account_requests.take(caller.account_id)
            scope["user"] = caller
        await self._app(scope, receive, send)


async def bearer_caller(headers: Headers, path_template: str, accounts: AccountsPorts) -> Caller:
    """The caller that the access token or API key identifies. Does not check whether it was revoked.

    Raises TokenInvalid, and ApiKeyNotAccepted for a key where none is accepted.
    """
    header = headers.get("authorization", "")
    token = bearer_token(header)
    if token is None or len(header) > LONGEST_HEADER:
        raise TokenInvalid("malformed" if header else NO_TOKEN)
    return await caller_of(token, path_template, accounts)


async def caller_of(token: str, path_template: str, accounts: AccountsPorts) -> Caller:
    """As `bearer_caller`, of the token itself."""
    if not is_api_key(token):
        return accounts.access_tokens.read(token, accounts.now())
    if not accepts_keys(path_template):
        raise ApiKeyNotAccepted
    return await accounts.api_keys.caller(token, accounts.now())


def accepts_keys(path_template: str) -> bool:
    return any(path_template == path or path_template.startswith(f"{path}/") for path in _PATHS_WITH_KEYS)


def bearer_token(header: str) -> str | None:
    """The token of an Authorization header with the scheme Bearer, without the white space around it.

    The scheme's name is case-insensitive, and one or more spaces follow it (RFC 9110, 11.1 and 11.4).
    """
    scheme, space, token = header.strip().partition(" ")
    return token.strip() if space and scheme.lower() == _SCHEME else None
