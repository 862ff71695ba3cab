"""The HTTP endpoint of the operator's statistics."""

from datetime import date
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from msgspec import Struct

from parley.adapters.http.billing.usage import Cost, TokenCounts, dollars
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import described, example
from parley.adapters.http.operator.access import AdminTokenInvalid
from parley.adapters.http.pagination import NextCursor
from parley.adapters.http.ports import Ports
from parley.core.statistics import DayStatistics, read_statistics

MOST_DAYS = 400
Days = Annotated[
    int, QueryParameter(ge=1, le=MOST_DAYS, description="The number of days, today included", examples=example(30))
]


class ModelTokens(TokenCounts):
    """Tokens of a model."""

    cost_usd: Cost


class DayStatisticsBody(Struct):
    """One UTC day; today so far, at most about a minute old."""

    day: Annotated[date, described("The UTC day", "2026-11-21")]
    signups: Annotated[int, described("Accounts that were created", 3)]
    active_accounts: Annotated[int, described("Accounts that sent a message", 2)]
    messages: Annotated[int, described("Messages whose replies have ended, however", 17)]
    tokens: Annotated[
        dict[str, ModelTokens],
        described(
            "Tokens by model, of failed attempts too", {"offline/echo": {"input": 60, "output": 80, "cost_usd": None}}
        ),
    ]
    failures: Annotated[
        dict[str, int], described("Replies that failed for good, by their error code", {"model_unavailable": 1})
    ]
    plans: Annotated[
        dict[str, int],
        described(
            "Accounts on each plan at the end of the day, or now; empty before the upgrade", {"basic": 9, "pro": 1}
        ),
    ]


class StatisticsBody(Struct):
    """Days, today first, on one page."""

    items: Annotated[list[DayStatisticsBody], described("The days")]
    next_cursor: NextCursor = None


@get(
    "/stats",
    operation_id="adminReadStatistics",
    summary="Read statistics by day",
    responses=problems(400, AdminTokenInvalid(), 404, 429, of_account=False),
)
async def read_stats(ports: Ports, days: Days = 30) -> StatisticsBody:
    """One entry for each of the last days. What accounts were erased since is in it."""
    found = await read_statistics(ports.statistics, days=days, now=ports.accounts.now())
    return StatisticsBody([_body(each) for each in found])


def _body(day: DayStatistics) -> DayStatisticsBody:
    return DayStatisticsBody(
        day.day,
        day.signups,
        day.active_accounts,
        day.messages,
        {model: ModelTokens(tokens.input, tokens.output, dollars(tokens.cost)) for model, tokens in day.tokens.items()},
        dict(day.failures),
        dict(day.plans),
    )
