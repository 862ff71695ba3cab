"""Subscriptions at Stripe: Checkout, the customer portal, and signed webhooks."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import httpx
import stripe
import structlog
from stripe.checkout import Session
from stripe.params import CustomerCreateParams
from stripe.params.checkout import SessionCreateParams, SessionCreateParamsSubscriptionData

from parley.adapters.payments import stripe_events
from parley.adapters.payments.return_address import with_session_id
from parley.adapters.payments.stripe_subscriptions import SubscriptionReader
from parley.core.billing.errors import AlreadySubscribed, CustomerUnknown, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Checkout, Price, ProviderEvent, ReturnAddresses, Subscription
from parley.core.billing.ports import Offer

# Of one attempt; the SDK makes up to three within the call's deadline.
ATTEMPT_TIMEOUT = httpx.Timeout(10.0, connect=4.0)

# Client errors after which the same request may succeed later.
_TRANSIENT = frozenset({408, 409, 429})
# What reading an answer of an unexpected shape raises.
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError)

log = structlog.get_logger("parley.payments")


class StripePayments:
    """The `PaymentProvider` that takes real money. `price_ids` are the prices of all plans.

    With `automatic_tax`, Stripe Tax computes taxes; with `promotion_codes`, its checkout page takes them. `api_base` is
    the base URL of the API, Stripe's own if empty. Calls that connect end within `seconds`. Raises ValueError without a
    `webhook_secret`, since anyone could sign with an empty one.
    """

    def __init__(
        self,
        secret_key: str,
        webhook_secret: str,
        price_ids: Sequence[str],
        *,
        api_base: str = "",
        automatic_tax: bool = False,
        promotion_codes: bool = False,
        seconds: float = 12.0,
    ) -> None:
        if not webhook_secret:
            raise ValueError("STRIPE_WEBHOOK_SECRET is empty: anyone could sign events.")
        self._webhook_secret = webhook_secret.encode()
        self._automatic_tax = automatic_tax
        self._promotion_codes = promotion_codes
        self._seconds = seconds
        self._read = SubscriptionReader(price_ids)
        # Telemetry writes a file into the home folder and reports on this machine.
        stripe.enable_telemetry = False
        # Below this level the SDK logs whole bodies, with e-mail addresses and phone numbers.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        self._http = stripe.HTTPXClient(timeout=ATTEMPT_TIMEOUT)
        api = stripe.StripeClient(
            secret_key,
            http_client=self._http,
            max_network_retries=2,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
        ).v1
        # The SDK imports each of these at its first use; do that now instead of during a request.
        self._customers, self._subscriptions = api.customers, api.subscriptions
        self._checkouts, self._portals, self._prices = api.checkout.sessions, api.billing_portal.sessions, api.prices

    async def create_customer(
        self, account_id: UUID, *, email: str | None, mobile_number: str | None, replaces: str = ""
    ) -> str:
        parameters: CustomerCreateParams = {"metadata": {"account_id": str(account_id)}}
        if email:
            parameters["email"] = email
        if mobile_number:
            parameters["phone"] = mobile_number
        async with self._translated_errors():
            # Stripe would answer a known key with the customer that is gone.
            key = f"parley-customer-{account_id}" + (f"-after-{replaces}" if replaces else "")
            return (await self._customers.create_async(parameters, {"idempotency_key": key})).id

    def recognizes(self, customer_id: str) -> bool:
        # The sandbox's ids have a second underscore.
        return customer_id.startswith("cus_") and "_" not in customer_id.removeprefix("cus_")

    async def price(self, price_id: str) -> Price | None:
        async with self._translated_errors():
            with _IgnoreMissing():
                price = await self._prices.retrieve_async(price_id)
                if (terms := price.recurring) is not None:
                    return Price(
                        price.id,
                        price.unit_amount,
                        price.currency,
                        terms.interval,
                        terms.interval_count,
                        is_active=price.active,
                    )
            return None

    async def open_checkout(
        self, customer_id: str, offer: Offer, *, account_id: UUID, idempotency_key: str, now: datetime
    ) -> Checkout:
        del now  # Stripe uses its own clock.
        metadata = {"account_id": str(account_id)}
        subscription: SessionCreateParamsSubscriptionData = {"metadata": metadata}
        if offer.trial_days:
            subscription["trial_period_days"] = offer.trial_days
        parameters: SessionCreateParams = {
            "mode": "subscription",
            "customer": customer_id,
            "line_items": [{"price": offer.price, "quantity": 1}],
            "client_reference_id": str(account_id),
            "metadata": metadata,
            "subscription_data": subscription,
            "success_url": with_session_id(offer.return_to.paid, "{CHECKOUT_SESSION_ID}"),
            "cancel_url": offer.return_to.cancelled,
        }
        if self._promotion_codes:
            parameters["allow_promotion_codes"] = True
        if self._automatic_tax:
            parameters["automatic_tax"] = {"enabled": True}
            # Taxes depend on the address, which the checkout page stores on the customer.
            parameters["customer_update"] = {"address": "auto"}
        async with self._translated_errors():
            session = await self._checkout_session(parameters, idempotency_key)
            while session.status != "open" or session.url is None:
                # Paid or expired. The next key is derived from it, so that parallel callers get the same next page.
                session = await self._checkout_session(parameters, f"{idempotency_key}-{session.id}")
            await self._close_others(customer_id, session)
            return Checkout(session.url, session.id)

    async def open_portal(self, customer_id: str, *, return_to: ReturnAddresses) -> str:
        async with self._translated_errors():
            portal = await self._portals.create_async({"customer": customer_id, "return_url": return_to.portal})
            return portal.url

    async def subscription(self, subscription_id: str) -> Subscription | None:
        async with self._translated_errors():
            with _IgnoreMissing():
                return self._read((await self._subscriptions.retrieve_async(subscription_id)).to_dict())
            return None

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        async with self._translated_errors():
            with _IgnoreMissing():
                page = await self._subscriptions.list_async({"customer": customer_id, "status": "all", "limit": 100})
                return [self._read(found.to_dict()) async for found in page.auto_paging_iter()]
            return []

    async def erase_customer(self, customer_id: str) -> None:
        async with self._translated_errors():
            with _IgnoreMissing():
                await self._customers.delete_async(customer_id)

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        return stripe_events.read_event(body, signature, secret=self._webhook_secret, now=now)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK's

    async def _checkout_session(self, parameters: SessionCreateParams, key: str) -> Session:
        try:
            session = await self._checkouts.create_async(parameters, {"idempotency_key": key})
        except stripe.IdempotencyError:
            # The price or an address has changed since the first call with this key.
            digest = sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
            session = await self._checkouts.create_async(parameters, {"idempotency_key": f"{key}-{digest[:16]}"})
        if session.last_response and "idempotent-replayed" in session.last_response.headers:
            # A replayed answer shows the session as it was when it was created.
            return await self._checkouts.retrieve_async(session.id)
        return session

    async def _close_others(self, customer_id: str, newest: Session) -> None:
        """Expire the customer's other open pages. Raises AlreadySubscribed, with none left, if one was paid."""
        open_pages = await self._checkouts.list_async({"customer": customer_id, "status": "open", "limit": 100})
        others = [page.id async for page in open_pages.auto_paging_iter() if page.id != newest.id]
        paid = [page for page in others if await self._is_paid_instead(page)]
        if paid:
            await self._is_paid_instead(newest.id)
            raise AlreadySubscribed

    async def _is_paid_instead(self, session_id: str) -> bool:
        """Expire the page; True if its customer was faster."""
        try:
            await self._checkouts.expire_async(session_id)
        except stripe.InvalidRequestError:
            session = await self._checkouts.retrieve_async(session_id)
            if session.status == "open":
                raise
            return session.status == "complete"
        return False

    @asynccontextmanager
    async def _translated_errors(self) -> AsyncGenerator[None, None]:
        """Run the body under the deadline and translate its errors into ours."""
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except (TimeoutError, stripe.StripeError, *_MALFORMED) as error:
            translated = _translated(error)
            log.warning(
                translated.code,
                error=type(error).__name__,
                status=getattr(error, "http_status", None),
                stripe_code=getattr(getattr(error, "error", None), "code", None),
                request_id=getattr(error, "request_id", None),
            )
            raise translated from error


def _translated(error: Exception) -> PaymentsUnavailable | PaymentsRefused:
    status = getattr(error, "http_status", None) or 0
    # Both may have status 400, and both pass with time: Stripe forgets an idempotency key after a day.
    is_transient = isinstance(error, (stripe.RateLimitError, stripe.IdempotencyError)) or status in _TRANSIENT
    if _is_missing(error) and getattr(error, "param", None) == "customer":
        return CustomerUnknown()
    refused = 300 <= status < 500 and not is_transient  # noqa: PLR2004 - redirects and HTTP's client errors
    return PaymentsRefused() if refused else PaymentsUnavailable()


class _IgnoreMissing:
    """Suppress the error for an unknown id. Any other 404 means a wrong `api_base`."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: object, trace: object, /) -> bool:
        return _is_missing(error)


def _is_missing(error: object) -> bool:
    return isinstance(error, stripe.InvalidRequestError) and error.code == "resource_missing"
