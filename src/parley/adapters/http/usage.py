"""What an account has used."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from litestar import Controller, Request, get
from msgspec import Struct

from parley.adapters.http.auth import BEARER
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.problems import documented
from parley.core.accounts.model import Caller
from parley.core.billing.model import DayUsage
from parley.core.billing.usage import read_usage


class TokensBody(Struct):
    """Tokens as the models counted them."""

    input: int
    output: int


class DayBody(Struct):
    day: date
    used: int
    tokens: TokensBody


class UsageBody(Struct):
    """The UTC day's messages and tokens, and the last 30 days, this one first. No limit: null."""

    plan: Literal["basic", "pro"]
    day: date
    used: int
    limit: int | None
    remaining: int | None
    resets_at: datetime
    tokens: TokensBody
    history: list[DayBody]


class UsageController(Controller):
    tags = ("Account",)
    security = BEARER

    @get("/user/usage", operation_id="getUsage", summary="Messages and tokens used", responses=documented(401))
    async def of_user(self, request: Request[Caller, Any, Any], ports: Ports) -> UsageBody:
        return await _usage(request.user.account_id, ports)

    @get("/chatroom/usage", operation_id="getChatUsage", summary="As /user/usage", responses=documented(401))
    async def of_chat(self, request: Request[Caller, Any, Any], ports: Ports) -> UsageBody:
        return await _usage(request.user.account_id, ports)


async def _usage(account_id: UUID, ports: HttpPorts) -> UsageBody:
    usage = await read_usage(
        uow=ports.billing,
        account_id=account_id,
        basic_limit=ports.basic_daily_limit,
        now=ports.now(),
    )
    return UsageBody(
        plan=usage.plan.value,
        day=usage.today.day,
        used=usage.today.used,
        limit=usage.limit,
        remaining=usage.remaining,
        resets_at=usage.resets_at,
        tokens=TokensBody(usage.today.input_tokens, usage.today.output_tokens),
        history=[day_body(each) for each in usage.history],
    )


def day_body(usage: DayUsage) -> DayBody:
    return DayBody(usage.day, usage.used, TokensBody(usage.input_tokens, usage.output_tokens))
