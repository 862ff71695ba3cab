"""HTTP endpoints for subscribing to pro, reading the subscription, and managing it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from litestar import Controller, Request, get, post
from msgspec import Struct

from parley.adapters.http.auth import BEARER
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.accounts.model import Caller, IdentityKind
from parley.core.accounts.profile import read_account
from parley.core.billing.checkout import manage_subscription, read_subscription, subscribe
from parley.core.billing.errors import AlreadySubscribed, NotSubscribed, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import ReturnAddresses, daily_limit

AuthenticatedRequest = Request[Caller, Any, Any]


_PROVIDER = (PaymentsUnavailable(), PaymentsRefused())


class CheckoutBody(Struct):
    """Send the customer to `checkout_url`."""

    checkout_url: Annotated[str, described("The page to pay on", "/sandbox/checkout/cs_sandbox_5f0c8a")]
    session_id: Annotated[str, described("The checkout by the payment provider's name", "cs_sandbox_5f0c8a")]


class PortalBody(Struct):
    """Send the customer to `portal_url`; it is good for a short time."""

    portal_url: Annotated[str, described("The page to manage the subscription on", "/sandbox/portal/b7Qe2")]


class SubscriptionBody(Struct):
    """The plan that counts now, and the subscription behind it."""

    plan: Annotated[Literal["basic", "pro"], described("The plan that counts now", "pro")]
    status: Annotated[
        Literal[
            "none", "trialing", "active", "past_due", "canceled", "unpaid", "incomplete", "incomplete_expired", "paused"
        ],
        described("As Stripe calls it; `none` where there never was a subscription", "active"),
    ]
    current_period_end: Annotated[datetime | None, described("Until when it is paid", "2026-12-21T09:40:00Z")]
    cancel_at_period_end: Annotated[bool, described("Whether it ends then", False)]
    daily_limit: Annotated[int | None, described("Messages that the plan allows a day; null for any number", None)]


class SubscriptionController(Controller):
    tags = ("Subscription",)
    security = BEARER

    @post(
        "/subscribe/pro",
        status_code=200,
        operation_id="subscribe",
        summary="Subscribe to Pro",
        responses=documented(401, AlreadySubscribed(), *_PROVIDER),
    )
    async def subscribe(self, request: AuthenticatedRequest, ports: Ports) -> CheckoutBody:
        """Opens a page to pay on. Repeated calls on one day return the same page."""
        return await _subscribe(request, ports)

    @post(
        "/subscription/pro",
        status_code=200,
        operation_id="subscribeAlias",
        summary="As /subscribe/pro",
        deprecated=True,
        responses=documented(401, AlreadySubscribed(), *_PROVIDER),
    )
    async def subscribe_alias(self, request: AuthenticatedRequest, ports: Ports) -> CheckoutBody:
        """For clients that know this spelling."""
        return await _subscribe(request, ports)

    @post(
        "/payments/subscribe/pro",
        status_code=200,
        operation_id="subscribePaymentsAlias",
        summary="As /subscribe/pro",
        deprecated=True,
        responses=documented(401, AlreadySubscribed(), *_PROVIDER),
    )
    async def subscribe_payments_alias(self, request: AuthenticatedRequest, ports: Ports) -> CheckoutBody:
        """For clients that know this spelling."""
        return await _subscribe(request, ports)

    @get(
        "/subscription/status",
        operation_id="getSubscription",
        summary="Plan and subscription",
        responses=documented(401),
    )
    async def read(self, request: AuthenticatedRequest, ports: Ports) -> SubscriptionBody:
        """The plan and the subscription as the payment provider last reported them."""
        return await _overview(request, ports)

    @get(
        "/subscribe/status",
        operation_id="getSubscriptionAlias",
        summary="As /subscription/status",
        deprecated=True,
        responses=documented(401),
    )
    async def read_alias(self, request: AuthenticatedRequest, ports: Ports) -> SubscriptionBody:
        """For clients that know this spelling."""
        return await _overview(request, ports)

    @get(
        "/payments/subscription/status",
        operation_id="getSubscriptionPaymentsAlias",
        summary="As /subscription/status",
        deprecated=True,
        responses=documented(401),
    )
    async def read_payments_alias(self, request: AuthenticatedRequest, ports: Ports) -> SubscriptionBody:
        """For clients that know this spelling."""
        return await _overview(request, ports)

    @post(
        "/subscription/portal",
        status_code=200,
        operation_id="openPortal",
        summary="Manage the subscription",
        responses=documented(401, NotSubscribed(), *_PROVIDER),
    )
    async def portal(self, request: AuthenticatedRequest, ports: Ports) -> PortalBody:
        """Opens the payment provider's page to change the card, cancel, or see invoices."""
        url = await manage_subscription(
            ports.billing, account_id=request.user.account_id, return_to=_return_addresses(request, ports)
        )
        return PortalBody(_absolute(url, request, ports))


async def _subscribe(request: AuthenticatedRequest, ports: HttpPorts) -> CheckoutBody:
    account = await read_account(uow=ports.accounts.uow, account_id=request.user.account_id)
    kind, value = account.identity.kind, account.identity.value
    checkout = await subscribe(
        ports.billing,
        account_id=account.id,
        email=value if kind is IdentityKind.EMAIL else None,
        mobile_number=value if kind is IdentityKind.MOBILE_NUMBER else None,
        return_to=_return_addresses(request, ports),
    )
    return CheckoutBody(_absolute(checkout.url, request, ports), checkout.session_id)


async def _overview(request: AuthenticatedRequest, ports: HttpPorts) -> SubscriptionBody:
    overview = await read_subscription(ports.billing, account_id=request.user.account_id)
    subscription = overview.subscription
    return SubscriptionBody(
        plan=overview.plan.value,
        status="none" if subscription is None else subscription.status.value,
        current_period_end=None if subscription is None else subscription.current_period_end,
        cancel_at_period_end=subscription is not None and subscription.cancel_at_period_end,
        daily_limit=daily_limit(overview.plan, basic=ports.billing.basic_daily_limit),
    )


def _return_addresses(request: AuthenticatedRequest, ports: HttpPorts) -> ReturnAddresses:
    """Addresses of the frontend if there is one, else of this server's own pages."""
    if ports.frontend_url:
        home = ports.frontend_url
        return ReturnAddresses(_with_outcome(home, "done"), _with_outcome(home, "cancelled"), home)
    return ReturnAddresses(
        _absolute("/checkout/done", request, ports),
        _absolute("/checkout/cancelled", request, ports),
        _absolute("/checkout/back", request, ports),
    )


def _with_outcome(address: str, outcome: str) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=f"{parts.query}&checkout={outcome}".lstrip("&")))


def _absolute(url: str, request: AuthenticatedRequest, ports: HttpPorts) -> str:
    """Complete a path on this server with PUBLIC_URL or, without one, the request's base URL."""
    if not url.startswith("/"):
        return url
    return (ports.public_url or str(request.base_url).rstrip("/")) + url
