"""HTTP endpoints for API keys, by which programs act for an account without signing in."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct, structs

from parley.adapters.http.auth import BEARER, AuthenticatedRequest
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import API_KEY_ID, STORABLE, described, example
from parley.adapters.http.openapi.operation import link, operation
from parley.adapters.http.pagination import ApiKeyCursor, Limit, NextCursor, id_cursor, read_id_cursor
from parley.adapters.http.ports import Ports
from parley.adapters.http.rate_limits.account import API_KEYS_PER_HOUR, limit_account
from parley.core.accounts.api_key_store import ApiKey
from parley.core.accounts.api_keys import KEY_NAME_CHARACTERS, MOST_KEYS, make_key, read_keys, revoke_key
from parley.core.accounts.errors import ApiKeyNotFound, TooManyApiKeys
from parley.core.errors import InvalidInput

ApiKeyId = Annotated[UUID, PathParameter(description="The key's id, from GET /user/keys", examples=example(API_KEY_ID))]
KeyName = Annotated[
    str,
    Meta(min_length=1, max_length=KEY_NAME_CHARACTERS),
    described("What the key is for", "Nightly summaries", pattern=STORABLE),
]


class NewApiKeyBody(Struct, forbid_unknown_fields=True):
    """An API key to be made."""

    name: KeyName
    expires_at: Annotated[
        Annotated[datetime, Meta(tz=True)] | None,
        described("When the key stops working; without it, only when it is revoked", "2027-11-21T00:00:00Z"),
    ] = None


class ApiKeyBody(Struct):
    """An API key without its secret."""

    id: Annotated[UUID, described("The key's id", API_KEY_ID)]
    name: KeyName
    prefix: Annotated[str, described("The beginning of the key, to recognize it by", "pk-q8Zr41u")]
    created_at: Annotated[datetime, described("When the key was made", "2026-11-21T09:30:00Z")]
    expires_at: Annotated[
        datetime | None, described("When the key stops working; null: when it is revoked", "2027-11-21T00:00:00Z")
    ]
    last_used_at: Annotated[
        datetime | None, described("When the key was last used, to the minute; null if never", "2026-11-21T09:45:00Z")
    ]
    unmetered: Annotated[
        bool, described("Whether its chat completions use up no quota, as the operator decided", False)
    ]


class MadeApiKeyBody(ApiKeyBody):
    """An API key that was just made."""

    key: Annotated[
        str, described("The secret. It is shown this once", "pk-q8Zr41uA0vT3nXbK7sLdEyWcMgFhJp2iRoQt5uVx9Bz")
    ]


class ApiKeyPageBody(Struct):
    """API keys, newest first."""

    items: Annotated[list[ApiKeyBody], described("The keys of this page")]
    next_cursor: NextCursor


class ApiKeyController(Controller):
    path = "/user/keys"
    tags = ("Account",)
    security = BEARER

    @post(
        operation_id="makeApiKey",
        summary="Make an API key",
        operation_class=operation(
            examples={
                "without an expiry": {"name": "Nightly summaries"},
                "for a year": {"name": "Trial", "expires_at": "2027-11-21T00:00:00Z"},
            },
            links={
                201: {"revoke": link("revokeApiKey", "The key", parameters={"api_key_id": "$response.body#/id"})},
            },
        ),
        responses=problems(
            InvalidInput("expires_at", "must be in the future, and within 100 years"),
            401,
            TooManyApiKeys(MOST_KEYS),
            413,
            415,
            429,
        ),
    )
    async def make(self, data: JSONBody[NewApiKeyBody], request: AuthenticatedRequest, ports: Ports) -> MadeApiKeyBody:
        """Send it as «Authorization: Bearer pk-…» to /v1, /api/chat, /chatroom, /models, /search and /user/usage.

        Everything else answers it with 401 `api_key_not_accepted`. Quota, plan and limits are the account's. A key
        outlives a change or reset of the password. 50 for an account, and as many made in an hour.
        """
        account_id = request.user.account_id
        await limit_account(ports, account_id, "api_key", per_hour=API_KEYS_PER_HOUR)
        made = await make_key(ports.accounts, account_id=account_id, name=data.name, expires_at=data.expires_at)
        return MadeApiKeyBody(**structs.asdict(api_key_body(made.key)), key=made.secret)

    @get(operation_id="listApiKeys", summary="List the API keys", responses=problems(400, 401))
    async def read_all(
        self, request: AuthenticatedRequest, ports: Ports, limit: Limit = 50, cursor: ApiKeyCursor = None
    ) -> ApiKeyPageBody:
        """Newest first, without their secrets. An expired key is listed for up to an hour."""
        found, older = await read_keys(
            ports.accounts, account_id=request.user.account_id, before=read_id_cursor(cursor), limit=limit
        )
        return ApiKeyPageBody([api_key_body(key) for key in found], id_cursor(older))

    @delete(
        "/{api_key_id:uuid}",
        operation_id="revokeApiKey",
        summary="Revoke an API key",
        responses=problems(400, 401, ApiKeyNotFound()),
    )
    async def revoke(self, api_key_id: ApiKeyId, request: AuthenticatedRequest, ports: Ports) -> None:
        """Every process refuses it within a second, and ends its open streams within five."""
        await revoke_key(ports.accounts, account_id=request.user.account_id, key_id=api_key_id)


def api_key_body(key: ApiKey) -> ApiKeyBody:
    return ApiKeyBody(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        unmetered=key.unmetered,
    )
