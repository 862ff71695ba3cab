"""The HTTP endpoint that lists the plans and their prices."""

from typing import Annotated

from litestar import Response, get
from msgspec import Struct

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import MODEL, described
from parley.adapters.http.pagination import NextCursor
from parley.adapters.http.ports import Ports
from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Price
from parley.core.billing.offered_plans import FRESH_FOR, OfferedPlan
from parley.core.chat.catalogue import ModelCatalogue

_CACHED = {"Cache-Control": f"public, max-age={FRESH_FOR.seconds}"}


class PriceBody(Struct):
    """A recurring price of a plan."""

    id: Annotated[str, described("The value of `price` when subscribing", "price_monthly")]
    amount: Annotated[
        int | None, described("In the smallest unit of the currency, such as cents; null if it depends on use", 900)
    ]
    currency: Annotated[str, described("The currency (ISO 4217)", "usd")]
    interval: Annotated[str, described("How often it is paid: day, week, month or year", "month")]
    interval_count: Annotated[int, described("The number of such intervals between two payments", 1)]
    trial_days: Annotated[
        int, described("Days at the beginning of an account's first subscription that cost nothing", 0)
    ]


class PlanBody(Struct):
    """A plan and what it allows; a limit of null is no limit."""

    name: Annotated[str, described("The plan's name, in `POST /subscribe/{plan}`", "pro")]
    title: Annotated[str, described("The plan's name for people", "Pro")]
    messages_per_day: Annotated[int | None, described("Messages per UTC day", None)]
    tokens_per_day: Annotated[int | None, described("Tokens per UTC day", None)]
    tokens_per_month: Annotated[int | None, described("Tokens per calendar month, in UTC", 2_000_000)]
    models: Annotated[list[str], described("The models that it has", [MODEL])]
    prices: Annotated[list[PriceBody], described("What it costs; empty for the free plan")]


class PlansBody(Struct):
    """All plans, in order, on one page."""

    items: Annotated[list[PlanBody], described("The plans")]
    next_cursor: NextCursor = None


@get(
    "/plans",
    operation_id="listPlans",
    summary="List the plans",
    tags=("Subscription",),
    opt=PUBLIC,
    responses=problems(PaymentsUnavailable(), PaymentsRefused()),
)
async def list_plans(ports: Ports) -> Response[PlansBody]:
    """What an account can be on and what it costs, for everyone to read; the prices are the payment provider's."""
    offered = await ports.billing.offered_plans.read()
    return Response(PlansBody([_plan_body(each, ports.chat.catalogue) for each in offered]), headers=_CACHED)


def _plan_body(offered: OfferedPlan, catalogue: ModelCatalogue) -> PlanBody:
    plan = offered.plan
    return PlanBody(
        name=plan.name,
        title=plan.title,
        messages_per_day=plan.messages_per_day,
        tokens_per_day=plan.tokens_per_day,
        tokens_per_month=plan.tokens_per_month,
        models=list(catalogue.offered_to(plan)),
        prices=[_price_body(price, plan.trial_days) for price in offered.prices],
    )


def _price_body(price: Price, trial_days: int) -> PriceBody:
    return PriceBody(price.id, price.amount, price.currency, price.interval, price.interval_count, trial_days)
