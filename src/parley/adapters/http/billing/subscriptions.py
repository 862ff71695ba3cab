"""HTTP endpoints for subscribing to a plan and for reading and managing the subscription."""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

from litestar import Controller, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Struct

from parley.adapters.http.accounts.account import PlanName
from parley.adapters.http.auth import BEARER, AuthenticatedRequest
from parley.adapters.http.errors import problems, refuse_null
from parley.adapters.http.openapi.fields import described, example
from parley.adapters.http.openapi.operation import aliased
from parley.adapters.http.pages.absolute import absolute
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.rate_limits.account import PAYMENT_PAGES_PER_HOUR, limit_account
from parley.core.accounts.model import IdentityKind
from parley.core.accounts.profile import read_account
from parley.core.billing.checkout import manage_subscription, read_subscription, require_offered, subscribe
from parley.core.billing.errors import (
    AlreadySubscribed,
    NotSubscribed,
    PaymentsRefused,
    PaymentsUnavailable,
    PlanOverridden,
    PlanUnknown,
)
from parley.core.billing.model import ReturnAddresses, SubscriptionOverview
from parley.core.errors import InvalidInput

_PROVIDER_ERRORS = (PaymentsUnavailable(), PaymentsRefused())


class CheckoutBody(Struct):
    """A checkout. Redirect the customer to `checkout_url`."""

    checkout_url: Annotated[str, described("The payment page", "/sandbox/checkout/cs_sandbox_5f0c8a")]
    session_id: Annotated[str, described("The payment provider's id of the checkout", "cs_sandbox_5f0c8a")]


class SubscribeBody(Struct, forbid_unknown_fields=True):
    """Which of the plan's prices to pay."""

    price: Annotated[
        str | None, described("The id of a price in GET /plans; the plan's first one if left out", None)
    ] = None


class PortalBody(Struct):
    """A link to the customer portal. Redirect the customer to `portal_url`, which soon expires."""

    portal_url: Annotated[str, described("The page for managing the subscription", "/sandbox/portal/b7Qe2")]


class SubscriptionBody(Struct):
    """The current plan and its subscription."""

    plan: PlanName
    status: Annotated[
        Literal[
            "none", "trialing", "active", "past_due", "canceled", "unpaid", "incomplete", "incomplete_expired", "paused"
        ],
        described("Stripe's status of the subscription; `none` if there never was one", "active"),
    ]
    current_period_end: Annotated[datetime | None, described("The end of the paid period", "2026-12-21T09:40:00Z")]
    cancel_at_period_end: Annotated[bool, described("Whether the subscription ends with the current period", False)]
    daily_limit: Annotated[int | None, described("Messages allowed per UTC day; null for no limit", None)]


class SubscriptionController(Controller):
    tags = ("Subscription",)
    security = BEARER

    @post(
        **aliased(
            {
                "/subscribe/{plan:str}": "subscribe",
                "/subscription/{plan:str}": "subscribeAlias",
                "/payments/subscribe/{plan:str}": "subscribePaymentsAlias",
            }
        ),
        status_code=200,
        summary="Subscribe to a plan",
        responses=problems(
            InvalidInput("price", "must be one of those of the plan: price_monthly, price_yearly"),
            401,
            PlanUnknown("gold", ["plus", "pro"]),
            AlreadySubscribed(),
            PlanOverridden(),
            *_PROVIDER_ERRORS,
            413,
            415,
        ),
    )
    async def subscribe(
        self,
        request: AuthenticatedRequest,
        ports: Ports,
        plan: Annotated[
            str, PathParameter(description="A plan of GET /plans that has prices", examples=example("pro"))
        ],
        data: JSONBody[SubscribeBody | None] = None,
    ) -> CheckoutBody:
        """Opens a page to pay on, by the plan's first price or the one given. Repeated calls return the same page while
        it is open.
        """
        await refuse_null(request, data)
        return await _subscribe(request, ports, plan, None if data is None else data.price)

    @get(
        **aliased(
            {
                "/subscription/status": "getSubscription",
                "/subscribe/status": "getSubscriptionAlias",
                "/payments/subscription/status": "getSubscriptionPaymentsAlias",
            }
        ),
        summary="Read the plan and the subscription",
        responses=problems(401),
    )
    async def read(self, request: AuthenticatedRequest, ports: Ports) -> SubscriptionBody:
        """The plan and the subscription as the payment provider last reported them."""
        return await _overview(request, ports)

    @post(
        "/subscription/portal",
        status_code=200,
        operation_id="openPortal",
        summary="Manage the subscription",
        responses=problems(401, NotSubscribed(), *_PROVIDER_ERRORS),
    )
    async def portal(self, request: AuthenticatedRequest, ports: Ports) -> PortalBody:
        """Opens the payment provider's page to change the card, cancel, or see invoices."""
        await limit_account(ports, request.user.account_id, "payment", per_hour=PAYMENT_PAGES_PER_HOUR)
        url = await manage_subscription(
            ports.billing, account_id=request.user.account_id, return_to=_return_addresses(request, ports)
        )
        return PortalBody(absolute(url, request, ports))


async def _subscribe(request: AuthenticatedRequest, ports: HttpPorts, plan: str, price: str | None) -> CheckoutBody:
    # A wrong name opens no page, so it does not count.
    require_offered(ports.billing, plan=plan, price=price)
    await limit_account(ports, request.user.account_id, "payment", per_hour=PAYMENT_PAGES_PER_HOUR)
    account = await read_account(ports.accounts, account_id=request.user.account_id)
    kind, value = account.identity.kind, account.identity.value
    checkout = await subscribe(
        ports.billing,
        account_id=account.id,
        email=value if kind is IdentityKind.EMAIL else None,
        mobile_number=value if kind is IdentityKind.MOBILE_NUMBER else None,
        plan=plan,
        price=price,
        return_to=_return_addresses(request, ports),
    )
    return CheckoutBody(absolute(checkout.url, request, ports), checkout.session_id)


async def _overview(request: AuthenticatedRequest, ports: HttpPorts) -> SubscriptionBody:
    return subscription_body(await read_subscription(ports.billing, account_id=request.user.account_id))


def subscription_body(overview: SubscriptionOverview) -> SubscriptionBody:
    subscription = overview.subscription
    return SubscriptionBody(
        plan=overview.plan.name,
        status="none" if subscription is None else subscription.shown_status.value,
        current_period_end=None if subscription is None else subscription.current_period_end,
        cancel_at_period_end=subscription is not None and subscription.cancel_at_period_end,
        daily_limit=overview.plan.messages_per_day,
    )


def _return_addresses(request: AuthenticatedRequest, ports: HttpPorts) -> ReturnAddresses:
    """Addresses of the frontend if there is one, else of the chat page or of this server's plain pages."""
    home = ports.frontend_url or (absolute("/chat", request, ports) if ports.chat_page_served else "")
    if home:
        return ReturnAddresses(_with_outcome(home, "done"), _with_outcome(home, "cancelled"), home)
    return ReturnAddresses(
        absolute("/checkout/done", request, ports),
        absolute("/checkout/cancelled", request, ports),
        absolute("/checkout/back", request, ports),
    )


def _with_outcome(address: str, outcome: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=f"{parts.query}&checkout={outcome}".lstrip("&")))
