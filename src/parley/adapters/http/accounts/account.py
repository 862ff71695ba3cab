"""The account itself, over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, delete, get, patch
from litestar.params import JSONBody
from msgspec import Meta, Struct

from parley.adapters.http.auth import BEARER
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import ACCOUNT_ID, STORABLE, described
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.accounts.erase import erase_account
from parley.core.accounts.model import NAME_CHARACTERS, Account, Caller, IdentityKind
from parley.core.accounts.profile import change_name, read_account
from parley.core.billing.model import Plan
from parley.core.billing.usage import read_plan
from parley.core.errors import InvalidInput

Name = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_CHARACTERS),
    described("What the person is called", "Mira", pattern=STORABLE),
]
PlanName = Annotated[Literal["basic", "pro"], described("The plan that counts now", "basic")]


class AccountBody(Struct):
    """An account; it has either a mobile number or an e-mail address."""

    id: Annotated[UUID, described("The account's id", ACCOUNT_ID)]
    mobile_number: Annotated[str | None, described("In E.164; null where there is an e-mail address", None)]
    email: Annotated[str | None, described("In lower case; null where there is a mobile number", "mira@example.com")]
    name: Annotated[str | None, described("What the person is called", "Mira")]
    plan: PlanName
    password_set: Annotated[bool, described("Whether it can sign in with a password", True)]
    created_at: Annotated[datetime, described("When the first sign-in made it", "2026-11-21T09:28:00Z")]


class AccountChange(Struct, forbid_unknown_fields=True):
    """What to change."""

    name: Annotated[Name | None, described("What the person is called; null takes the name away", "Mira")]


class AccountController(Controller):
    tags = ("Account",)
    security = BEARER

    @get("/user/me", operation_id="getAccount", summary="The account", responses=documented(401))
    async def read(self, request: Request[Caller, Any, Any], ports: Ports) -> AccountBody:
        """Who the token speaks for."""
        return await _read(request.user.account_id, ports)

    @get("/auth/me", operation_id="getAccountAlias", summary="As /user/me", deprecated=True, responses=documented(401))
    async def read_alias(self, request: Request[Caller, Any, Any], ports: Ports) -> AccountBody:
        """For clients that know this spelling."""
        return await _read(request.user.account_id, ports)

    @patch(
        "/user/me",
        operation_id="changeAccount",
        summary="Change the name",
        responses=documented(InvalidInput("name", "must have 1 to 200 characters"), 401, 413, 415),
    )
    async def change(
        self, data: JSONBody[AccountChange], request: Request[Caller, Any, Any], ports: Ports
    ) -> AccountBody:
        """The mobile number or e-mail address stays what it is: it is what the account is known by."""
        account = await change_name(uow=ports.accounts.uow, account_id=request.user.account_id, name=data.name)
        return account_body(account, await read_plan(ports.billing, account_id=account.id))

    @delete(
        "/user/me",
        operation_id="eraseAccount",
        summary="Erase the account",
        responses=documented(401),
    )
    async def erase(self, request: Request[Caller, Any, Any], ports: Ports) -> None:
        """With its rooms, messages, sessions and codes, at once and for good. Its identity is free again."""
        account_id = request.user.account_id
        await erase_account(
            uow=ports.accounts.uow,
            revocations=ports.accounts.revocations,
            audit=ports.accounts.audit,
            account_id=account_id,
            now=ports.accounts.now(),
        )
        await ports.chat.room_list_cache.drop(account_id)


def account_body(account: Account, plan: Plan) -> AccountBody:
    identity = account.identity
    return AccountBody(
        id=account.id,
        mobile_number=identity.value if identity.kind is IdentityKind.MOBILE_NUMBER else None,
        email=identity.value if identity.kind is IdentityKind.EMAIL else None,
        name=account.name,
        plan=plan.value,
        password_set=account.password_hash is not None,
        created_at=account.created_at,
    )


async def _read(account_id: UUID, ports: HttpPorts) -> AccountBody:
    account = await read_account(uow=ports.accounts.uow, account_id=account_id)
    return account_body(account, await read_plan(ports.billing, account_id=account_id))
