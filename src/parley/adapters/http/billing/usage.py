"""HTTP endpoint of an account's usage."""

from datetime import date, datetime
from typing import Annotated

from litestar import Controller, get
from msgspec import Struct

from parley.adapters.http.accounts.account import PlanName
from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.openapi.operation import aliased
from parley.adapters.http.ports import Ports
from parley.core.billing.model import DayUsage, Usage
from parley.core.billing.usage import read_usage

Day = Annotated[date, described("The UTC day", "2026-11-21")]
Used = Annotated[int, described("Messages counted toward the daily limit", 1)]


class TokenCounts(Struct):
    """Tokens as counted by the models."""

    input: Annotated[int, described("Input tokens", 6)]
    output: Annotated[int, described("Output tokens", 8)]


class DayBody(Struct):
    """Usage of one UTC day."""

    day: Day
    used: Used
    tokens: Annotated[TokenCounts, described("The tokens of the day")]


class UsageBody(Struct):
    """Usage of today and of the last 30 days."""

    plan: PlanName
    day: Day
    used: Used
    limit: Annotated[int | None, described("Messages allowed per UTC day; null for no limit", 5)]
    remaining: Annotated[int | None, described("Messages left today; null for no limit", 4)]
    resets_at: Annotated[datetime, described("When the daily limit resets", "2026-11-22T00:00:00Z")]
    tokens: Annotated[TokenCounts, described("The tokens of today")]
    history: Annotated[list[DayBody], described("The last 30 days, today first")]


class UsageController(Controller):
    tags = ("Account",)
    security = BEARER_OR_KEY

    @get(
        **aliased(
            {"/user/usage": "getUsage", "/chatroom/usage": "getChatUsage"},
            deprecated=False,
            description="The same response as `/user/usage`.",
        ),
        summary="Read the usage of messages and tokens",
        responses=problems(401),
    )
    async def read(self, request: AuthenticatedRequest, ports: Ports) -> UsageBody:
        """Today, and the last 30 days. A reply that failed does not count."""
        return usage_body(await read_usage(ports.billing, account_id=request.user.account_id))


def usage_body(usage: Usage) -> UsageBody:
    return UsageBody(
        plan=usage.plan.name,
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
