"""HTTP endpoints of the account itself."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch
from litestar.params import JSONBody
from msgspec import Meta, Struct

from parley.adapters.http.accounts.identity import PASSWORD_EXAMPLE, GivenPassword
from parley.adapters.http.auth import BEARER, AuthenticatedRequest
from parley.adapters.http.errors import problems, refuse_null
from parley.adapters.http.openapi.fields import ACCOUNT_ID, STORABLE, described
from parley.adapters.http.openapi.operation import aliased, operation
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.accounts.erase import erase_own_account
from parley.core.accounts.errors import CredentialsInvalid, ProofRequired, TokenInvalid
from parley.core.accounts.model import NAME_CHARACTERS, Account, IdentityKind
from parley.core.accounts.profile import change_name, read_account
from parley.core.billing.usage import read_plan
from parley.core.errors import InvalidInput
from parley.core.plans import Plan

Name = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_CHARACTERS),
    described("The person's name", "Mira", pattern=STORABLE),
]
PlanName = Annotated[str, described("The name of the current plan, one of GET /plans", "basic")]


class AccountBody(Struct):
    """An account. Its identity is either a mobile number or an e-mail address."""

    id: Annotated[UUID, described("The account's id", ACCOUNT_ID)]
    mobile_number: Annotated[str | None, described("In E.164 format; null if the account has an e-mail address", None)]
    email: Annotated[
        str | None, described("In lower case; null if the account has a mobile number", "mira@example.com")
    ]
    name: Annotated[str | None, described("The person's name", "Mira")]
    plan: PlanName
    password_set: Annotated[bool, described("Whether the account has a password", True)]
    created_at: Annotated[datetime, described("When the first sign-in created the account", "2026-11-21T09:28:00Z")]


class AccountChange(Struct, forbid_unknown_fields=True):
    """Changes to the account."""

    name: Annotated[Name | None, described("The person's name; null removes it", "Mira")]


class ErasureBody(Struct, forbid_unknown_fields=True):
    """Proof of the account's owner. The body may be left out within 10 minutes of a sign-in with a code."""

    current_password: GivenPassword | None = None


class AccountController(Controller):
    tags = ("Account",)
    security = BEARER

    @get(
        **aliased({"/user/me": "getAccount", "/auth/me": "getAccountAlias"}),
        summary="Read the account",
        responses=problems(401),
    )
    async def read(self, request: AuthenticatedRequest, ports: Ports) -> AccountBody:
        """The account that the access token belongs to."""
        return await _read(request.user.account_id, ports)

    @patch(
        "/user/me",
        operation_id="changeAccount",
        summary="Change the account",
        responses=problems(InvalidInput("name", "must have 1 to 200 characters"), 401, 413, 415),
    )
    async def change(self, data: JSONBody[AccountChange], request: AuthenticatedRequest, ports: Ports) -> AccountBody:
        """The mobile number or e-mail address, which identifies the account, cannot be changed."""
        account = await change_name(ports.accounts, account_id=request.user.account_id, name=data.name)
        return account_body(account, await read_plan(ports.billing, account_id=account.id))

    @delete(
        "/user/me",
        operation_id="eraseAccount",
        summary="Erase the account",
        operation_class=operation(examples={"with the current password": {"current_password": PASSWORD_EXAMPLE}}),
        responses=problems(ProofRequired(), TokenInvalid(), CredentialsInvalid(), 413, 415, 429),
    )
    async def erase(
        self, request: AuthenticatedRequest, ports: Ports, data: JSONBody[ErasureBody | None] = None
    ) -> None:
        """Erases it permanently, with its rooms, messages, sessions and codes. Its identity is free again.

        Without `current_password` it must follow a sign-in with a code within 10 minutes: else 400 `proof_required`.
        """
        await refuse_null(request, data)
        current_password = None if data is None else data.current_password
        await erase_own_account(ports.accounts, caller=request.user, current_password=current_password)
        await ports.chat.room_list_cache.drop(request.user.account_id)


def account_body(account: Account, plan: Plan) -> AccountBody:
    identity = account.identity
    return AccountBody(
        id=account.id,
        mobile_number=identity.value if identity.kind is IdentityKind.MOBILE_NUMBER else None,
        email=identity.value if identity.kind is IdentityKind.EMAIL else None,
        name=account.name,
        plan=plan.name,
        password_set=account.password_hash is not None,
        created_at=account.created_at,
    )


async def _read(account_id: UUID, ports: HttpPorts) -> AccountBody:
    account = await read_account(ports.accounts, account_id=account_id)
    return account_body(account, await read_plan(ports.billing, account_id=account_id))
