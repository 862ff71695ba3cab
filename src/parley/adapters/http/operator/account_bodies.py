"""Accounts as the operator sees them: never a message's text or a room's name."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from parley.adapters.http.accounts.account import AccountBody, account_body
from parley.adapters.http.accounts.sessions import SessionBody, session_body
from parley.adapters.http.billing.subscriptions import SubscriptionBody, subscription_body
from parley.adapters.http.billing.usage import UsageBody, usage_body
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.pagination import NextCursor
from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.model import Account
from parley.core.accounts.sessions import read_sessions
from parley.core.billing.checkout import read_subscription
from parley.core.billing.usage import read_override, read_usage

# The newest ones.
SHOWN_SESSIONS = 100


class AdminAccountItem(AccountBody, kw_only=True):
    """An account in a list."""

    suspended_at: Annotated[datetime | None, described("Since when the account is suspended; null if it is not", None)]


class AdminAccountBody(AdminAccountItem, kw_only=True):
    """An account with what it uses and pays."""

    plan_override: Annotated[str | None, described("The plan that the operator set; null where payments decide", None)]
    usage: Annotated[UsageBody, described("What it used today and in the last 30 days")]
    sessions: Annotated[list[SessionBody], described("Its live sessions, newest first, 100 at most")]
    subscription: Annotated[SubscriptionBody, described("Its subscription")]


class AdminAccountPage(Struct):
    """Accounts that match."""

    items: Annotated[list[AdminAccountItem], described("The accounts of this page")]
    next_cursor: NextCursor


class AdminAccountChange(Struct, forbid_unknown_fields=True):
    """Changes to an account; what is left out stays as it is."""

    plan: (
        Annotated[
            str,
            Meta(min_length=1, max_length=64),
            described("The name of a plan, whatever the account pays; `auto` for what its payments say", "pro"),
        ]
        | UnsetType
    ) = UNSET
    suspended: Annotated[bool, described("Whether the account is suspended", True)] | UnsetType = UNSET


class SessionsEnded(Struct):
    """All sessions were ended."""

    ended: Annotated[int, described("How many there were", 2)]


def admin_account_item(ports: HttpPorts, account: Account, plan: str) -> AdminAccountItem:
    return AdminAccountItem(**_fields(ports, account, plan))


async def admin_account_body(ports: HttpPorts, account: Account) -> AdminAccountBody:
    sessions, _ = await read_sessions(ports.accounts, account_id=account.id, before=None, limit=SHOWN_SESSIONS)
    usage = await read_usage(ports.billing, account_id=account.id)
    return AdminAccountBody(
        **_fields(ports, account, usage.plan.name),
        plan_override=await read_override(ports.billing, account_id=account.id),
        usage=usage_body(usage),
        sessions=[session_body(each, current=None) for each in sessions],
        subscription=subscription_body(await read_subscription(ports.billing, account_id=account.id)),
    )


def _fields(ports: HttpPorts, account: Account, plan: str) -> dict[str, Any]:
    own = account_body(account, ports.billing.plans.named(plan))
    return structs.asdict(own) | {"suspended_at": account.suspended_at}
