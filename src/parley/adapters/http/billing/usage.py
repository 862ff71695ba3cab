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
from parley.core.token_limits import TokenAllowance

BILLIONTHS = 10**9

Day = Annotated[date, described("The UTC day", "2026-11-21")]
Used = Annotated[int, described("Messages counted toward the daily limit", 1)]


Cost = Annotated[
    float | None,
    described("What the tokens cost, in US dollars; null unless the price of all of them is known", 0.000021),
]


class TokenCounts(Struct):
    """Tokens, also of replies that failed or were stopped."""

    input: Annotated[int, described("Input tokens", 6)]
    output: Annotated[int, described("Output tokens", 8)]


class UsedTokens(TokenCounts):
    """Tokens of an account."""

    estimated: Annotated[int, described("How many of both are estimates, as no model's provider counted them", 0)]


class DayBody(Struct):
    """Usage of one UTC day."""

    day: Day
    used: Used
    tokens: Annotated[UsedTokens, described("The tokens of the day")]
    cost_usd: Cost


class TokenQuotaBody(Struct):
    """What the plan allows of tokens in a time. No message is accepted once `used` and `reserved` reach `limit`."""

    used: Annotated[int, described("Tokens used", 14)]
    reserved: Annotated[int, described("Tokens that unfinished replies reserve", 0)]
    limit: Annotated[int | None, described("Tokens allowed; null for no limit", 100_000)]
    remaining: Annotated[int | None, described("Tokens left; null for no limit", 99_986)]
    resets_at: Annotated[datetime, described("When they are counted anew", "2026-11-22T00:00:00Z")]


class TokenQuotasBody(Struct):
    """The quotas of tokens."""

    day: Annotated[TokenQuotaBody, described("Of the UTC day")]
    month: Annotated[TokenQuotaBody, described("Of the calendar month, in UTC")]


class UsageBody(Struct):
    """Usage of today and of the last 30 days."""

    plan: PlanName
    day: Day
    used: Used
    limit: Annotated[int | None, described("Messages allowed per UTC day; null for no limit", 5)]
    remaining: Annotated[int | None, described("Messages left today; null for no limit", 4)]
    resets_at: Annotated[datetime, described("When the daily limit resets", "2026-11-22T00:00:00Z")]
    tokens: Annotated[UsedTokens, described("The tokens of today")]
    cost_usd: Cost
    token_quota: Annotated[TokenQuotasBody, described("What the plan allows of tokens")]
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
        tokens=_tokens(usage.today),
        cost_usd=dollars(usage.today.whole_cost),
        token_quota=TokenQuotasBody(_token_quota(usage.tokens_of_day), _token_quota(usage.tokens_of_month)),
        history=[day_body(each) for each in usage.history],
    )


def day_body(usage: DayUsage) -> DayBody:
    return DayBody(usage.day, usage.used, _tokens(usage), dollars(usage.whole_cost))


def _tokens(usage: DayUsage) -> UsedTokens:
    return UsedTokens(usage.input_tokens, usage.output_tokens, usage.estimated_tokens)


def dollars(billionths: int | None) -> float | None:
    return None if billionths is None else billionths / BILLIONTHS


def _token_quota(allowance: TokenAllowance) -> TokenQuotaBody:
    tokens = allowance.tokens
    return TokenQuotaBody(tokens.used, tokens.reserved, allowance.limit, allowance.remaining, allowance.resets_at)
