"""HTTP endpoints for an account's usage."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, get
from msgspec import Struct

from parley.adapters.http.accounts.account import PlanName
from parley.adapters.http.auth import BEARER
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.accounts.model import Caller
from parley.core.billing.model import DayUsage
from parley.core.billing.usage import read_usage

Day = Annotated[date, described("The UTC day", "2026-11-21")]
Used = Annotated[int, described("Messages that count", 1)]


class TokenCounts(Struct):
    """Tokens as the models counted them."""

    input: Annotated[int, described("What the models read", 6)]
    output: Annotated[int, described("What the models wrote", 8)]


class DayBody(Struct):
    """What was used on a UTC day."""

    day: Day
    used: Used
    tokens: Annotated[TokenCounts, described("The day's tokens")]


class UsageBody(Struct):
    """What the account has used today, and on the days before."""

    plan: PlanName
    day: Day
    used: Used
    limit: Annotated[int | None, described("Messages that the plan allows a day; null for any number", 5)]
    remaining: Annotated[int | None, described("Messages that are left today; null for any number", 4)]
    resets_at: Annotated[datetime, described("When the day ends, and the count begins anew", "2026-11-22T00:00:00Z")]
    tokens: Annotated[TokenCounts, described("Today's tokens")]
    history: Annotated[list[DayBody], described("The last 30 days, this one first")]


class UsageController(Controller):
    tags = ("Account",)
    security = BEARER

    @get("/user/usage", operation_id="getUsage", summary="Messages and tokens used", responses=documented(401))
    async def of_user(self, request: Request[Caller, Any, Any], ports: Ports) -> UsageBody:
        """Today, and the last 30 days. A reply that failed does not count."""
        return await _usage(request.user.account_id, ports)

    @get("/chatroom/usage", operation_id="getChatUsage", summary="As /user/usage", responses=documented(401))
    async def of_chat(self, request: Request[Caller, Any, Any], ports: Ports) -> UsageBody:
        """The same answer, next to the chatrooms."""
        return await _usage(request.user.account_id, ports)


async def _usage(account_id: UUID, ports: HttpPorts) -> UsageBody:
    usage = await read_usage(ports.billing, account_id=account_id)
    return UsageBody(
        plan=usage.plan.value,
        day=usage.today.day,
        used=usage.today.used,
        limit=usage.limit,
        remaining=usage.remaining,
        resets_at=usage.resets_at,
        tokens=TokenCounts(usage.today.input_tokens, usage.today.output_tokens),
        history=[day_body(each) for each in usage.history],
    )


def day_body(usage: DayUsage) -> DayBody:
    return DayBody(usage.day, usage.used, TokenCounts(usage.input_tokens, usage.output_tokens))
