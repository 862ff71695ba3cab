"""HTTP endpoints with which the operator looks after accounts."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import UNSET

from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import ACCOUNT_ID, example
from parley.adapters.http.openapi.operation import operation
from parley.adapters.http.operator.access import OPERATOR, AdminTokenInvalid
from parley.adapters.http.operator.account_bodies import (
    AdminAccountBody,
    AdminAccountChange,
    AdminAccountPage,
    SessionsEnded,
    admin_account_body,
    admin_account_item,
)
from parley.adapters.http.pagination import AccountCursor, Limit, read_text_cursor, text_cursor
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.accounts.desk import (
    end_all_sessions,
    erase_other_account,
    list_accounts,
    read_other_account,
    resume_account,
    suspend_account,
)
from parley.core.accounts.errors import AccountNotFound
from parley.core.accounts.model import EMAIL_CHARACTERS, AuditEvent
from parley.core.billing.usage import override_plan
from parley.core.errors import InvalidInput
from parley.core.plans import OF_PAYMENTS

AccountId = Annotated[UUID, PathParameter(description="The account's id", examples=example(ACCOUNT_ID))]
Search = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=EMAIL_CHARACTERS,
        description="The beginning of an e-mail address, or of a mobile number with its country code, or a whole id",
        examples=example("mira@"),
    ),
]
PlanFilter = Annotated[
    str | None, QueryParameter(max_length=64, description="Only accounts on this plan now", examples=example("pro"))
]


class AdminAccountController(Controller):
    path = "/accounts"

    @get(
        operation_id="adminListAccounts",
        summary="List or search the accounts",
        responses=problems(400, AdminTokenInvalid(), 404, 429, of_account=False),
    )
    async def list(
        self,
        ports: Ports,
        q: Search = None,
        plan: PlanFilter = None,
        limit: Limit = 50,
        cursor: AccountCursor = None,
    ) -> AdminAccountPage:
        """Newest first; those that `q` finds are in the order of their address or number."""
        _check_plan(ports, plan)
        found, following = await list_accounts(
            ports.accounts, search=q, plan=plan, cursor=read_text_cursor(cursor), limit=limit, by=OPERATOR
        )
        items = [admin_account_item(ports, each.account, each.plan) for each in found]
        return AdminAccountPage(items, text_cursor(following))

    @get(
        "/{account_id:uuid}",
        operation_id="adminGetAccount",
        summary="Read an account",
        responses=problems(400, AdminTokenInvalid(), AccountNotFound(), 429, of_account=False),
    )
    async def read(self, account_id: AccountId, ports: Ports) -> AdminAccountBody:
        """Its plan, usage, sessions and subscription; none of its rooms and messages."""
        return await _read(ports, account_id)

    @patch(
        "/{account_id:uuid}",
        operation_id="adminChangeAccount",
        summary="Set an account's plan, suspend or resume it",
        operation_class=operation(
            examples={
                "suspend": {"suspended": True},
                "a plan": {"plan": "pro"},
                "the plan of its payments": {"plan": OF_PAYMENTS},
            }
        ),
        responses=problems(
            InvalidInput("plan", "must be auto or one of: basic, pro"),
            AdminTokenInvalid(),
            AccountNotFound(),
            413,
            415,
            429,
            of_account=False,
        ),
    )
    async def change(self, account_id: AccountId, data: JSONBody[AdminAccountChange], ports: Ports) -> AdminAccountBody:
        """A suspended account's tokens are refused on every process within a second, and its streams end; its replies
        that were accepted are finished, and its subscription goes on. Nobody signs in to it.
        """
        if data.plan is not UNSET:
            await _set_plan(ports, account_id, data.plan)
        if data.suspended is not UNSET:
            change = suspend_account if data.suspended else resume_account
            await change(ports.accounts, account_id=account_id, by=OPERATOR)
        return await _read(ports, account_id)

    @delete(
        "/{account_id:uuid}",
        operation_id="adminEraseAccount",
        summary="Erase an account",
        responses=problems(400, AdminTokenInvalid(), AccountNotFound(), 429, of_account=False),
    )
    async def erase(self, account_id: AccountId, ports: Ports) -> None:
        """As `DELETE /user/me` does: permanently, with its rooms, messages and sessions. Its identity is free again."""
        await erase_other_account(ports.accounts, account_id=account_id, by=OPERATOR)
        await ports.chat.room_list_cache.drop(account_id)

    @post(
        "/{account_id:uuid}/sessions/end",
        status_code=200,
        operation_id="adminEndSessions",
        summary="End all sessions of an account",
        responses=problems(400, AdminTokenInvalid(), AccountNotFound(), 429, of_account=False),
    )
    async def end_sessions(self, account_id: AccountId, ports: Ports) -> SessionsEnded:
        """Signs the person out everywhere, and voids device tokens. They may sign in again."""
        return SessionsEnded(await end_all_sessions(ports.accounts, account_id=account_id, by=OPERATOR))


async def _read(ports: HttpPorts, account_id: UUID) -> AdminAccountBody:
    account = await read_other_account(ports.accounts, account_id=account_id, by=OPERATOR)
    return await admin_account_body(ports, account)


async def _set_plan(ports: HttpPorts, account_id: UUID, plan: str) -> None:
    _check_plan(ports, plan, OF_PAYMENTS)
    account = await read_other_account(ports.accounts, account_id=account_id, by=OPERATOR)
    await override_plan(ports.billing, account_id=account_id, plan=None if plan == OF_PAYMENTS else plan)
    ports.accounts.audit.note(
        AuditEvent.PLAN_OVERRIDDEN, identity=account.identity, account_id=account_id, how=plan, by=OPERATOR
    )


def _check_plan(ports: HttpPorts, plan: str | None, *others: str) -> None:
    names = [*others, *(each.name for each in ports.billing.plans)]
    if plan is not None and plan not in names:
        raise InvalidInput("plan", f"must be one of: {', '.join(names)}")
