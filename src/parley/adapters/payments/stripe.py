"""Subscriptions at Stripe: Checkout, the customer portal, and signed webhooks."""

import asyncio
import hmac
import json
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import httpx
import stripe
import structlog
from stripe.checkout import Session
from stripe.params import CustomerCreateParams
from stripe.params.checkout import SessionCreateParams

from parley.core.billing.errors import EventInvalid, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Checkout, ProviderEvent, ReturnAddresses, Subscription, SubscriptionStatus

# One try; the SDK makes up to three of them within the call's deadline.
TRY_TIMEOUT = httpx.Timeout(10.0, connect=4.0)
TOLERANCE_SECONDS = 300

# What a database can keep as an id.
_ID = re.compile(r"[!-~]{1,255}")
_TRANSIENT = frozenset({408, 409, 429})
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError)

log = structlog.get_logger("parley.payments")


class StripePayments:
    """The `PaymentProvider` that takes real money. `price_id` is the recurring price of pro.

    `api_base` is the address of a server that speaks Stripe's API, and Stripe itself when empty. Every call that
    connects ends within `seconds`. Raises ValueError without a `webhook_secret`: anybody could sign with an empty one.
    """

    def __init__(
        self, secret_key: str, webhook_secret: str, price_id: str, api_base: str = "", seconds: float = 12.0
    ) -> None:
        if not webhook_secret:
            raise ValueError("STRIPE_WEBHOOK_SECRET is empty: anybody could sign events.")
        self._webhook_secret = webhook_secret.encode()
        self._price_id = price_id
        self._seconds = seconds
        self._odd_statuses: set[str] = set()
        # It would write a file into the home folder and tell Stripe about this machine.
        stripe.enable_telemetry = False
        # Below this level the SDK logs whole bodies, with email addresses and phone numbers.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        self._http = stripe.HTTPXClient(timeout=TRY_TIMEOUT)
        api = stripe.StripeClient(
            secret_key,
            http_client=self._http,
            max_network_retries=2,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
        ).v1
        # The SDK imports each of these when it is first asked for: now, and not in a request.
        self._customers, self._subscriptions = api.customers, api.subscriptions
        self._pages, self._portals, self._prices = api.checkout.sessions, api.billing_portal.sessions, api.prices

    async def create_customer(self, account_id: UUID, *, email: str | None, mobile_number: str | None) -> str:
        wanted: CustomerCreateParams = {"metadata": {"account_id": str(account_id)}}
        if email:
            wanted["email"] = email
        if mobile_number:
            wanted["phone"] = mobile_number
        async with self._translated_errors():
            made = await self._customers.create_async(wanted, {"idempotency_key": f"parley-customer-{account_id}"})
            return made.id

    def owns(self, customer_id: str) -> bool:
        # The sandbox's have a second underscore.
        return customer_id.startswith("cus_") and "_" not in customer_id.removeprefix("cus_")

    async def open_checkout(
        self, customer_id: str, *, account_id: UUID, back: ReturnAddresses, once: str, now: datetime
    ) -> Checkout:
        del now  # Stripe goes by its own clock.
        metadata = {"account_id": str(account_id)}
        wanted: SessionCreateParams = {
            "mode": "subscription",
            "customer": customer_id,
            "line_items": [{"price": self._price_id, "quantity": 1}],
            "client_reference_id": str(account_id),
            "metadata": metadata,
            "subscription_data": {"metadata": metadata},
            "success_url": _with_session_id(back.paid),
            "cancel_url": back.cancelled,
        }
        async with self._translated_errors():
            page = await self._page(wanted, once)
            while page.status != "open" or page.url is None:
                # Paid or expired. The next page hangs on this one, so that callers still agree on which it is.
                page = await self._page(wanted, f"{once}-{page.id}")
            return Checkout(page.url, page.id)

    async def open_portal(self, customer_id: str, *, back: ReturnAddresses) -> str:
        async with self._translated_errors():
            portal = await self._portals.create_async({"customer": customer_id, "return_url": back.portal})
            return portal.url

    async def subscription(self, subscription_id: str) -> Subscription | None:
        async with self._translated_errors():
            with _UnlessMissing():
                return self._read((await self._subscriptions.retrieve_async(subscription_id)).to_dict())
            return None

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        async with self._translated_errors():
            with _UnlessMissing():
                page = await self._subscriptions.list_async({"customer": customer_id, "status": "all", "limit": 100})
                return [self._read(found.to_dict()) async for found in page.auto_paging_iter()]
            return []

    async def erase_customer(self, customer_id: str) -> None:
        async with self._translated_errors():
            with _UnlessMissing():
                await self._customers.delete_async(customer_id)

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        if not self._signed(body, signature, now):
            raise EventInvalid
        try:
            event = json.loads(body)
            event_id, kind, thing = _text(event["id"]), _text(event["type"]), event["data"]["object"]
            customer_id = _text(thing.get("customer"))
            subscription_id = _subscription_id(kind or "", thing)
        except (*_MALFORMED, RecursionError) as error:
            raise EventInvalid from error
        if event_id is None or kind is None:
            raise EventInvalid
        return ProviderEvent(event_id, kind, customer_id, subscription_id)

    async def check(self) -> None:
        """Stripe knows the key, and the price is one to subscribe to."""
        async with self._translated_errors():
            price = await self._prices.retrieve_async(self._price_id)
            if not price.active or price.recurring is None:
                raise PaymentsRefused

    async def close(self) -> None:
        """Close the connections to Stripe. Nothing can be asked any more."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK's

    async def _page(self, wanted: SessionCreateParams, once: str) -> Session:
        try:
            page = await self._pages.create_async(wanted, {"idempotency_key": once})
        except stripe.IdempotencyError:
            # The price or an address is another one than it was for the first call.
            digest = sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
            page = await self._pages.create_async(wanted, {"idempotency_key": f"{once}-{digest[:16]}"})
        if page.last_response and "idempotent-replayed" in page.last_response.headers:
            # A replay is the answer of the first time, word by word, and not how the page is by now.
            return await self._pages.retrieve_async(page.id)
        return page

    def _read(self, found: dict[str, Any]) -> Subscription:
        items = (found.get("items") or {}).get("data") or []
        # Before API version 2025-03-31 it stood on the subscription, and on no item.
        ends = [item["current_period_end"] for item in items if item.get("current_period_end")]
        end = max(ends) if ends else found.get("current_period_end")
        return Subscription(
            id=found["id"],
            customer_id=found["customer"],
            account_id=_uuid((found.get("metadata") or {}).get("account_id")),
            status=self._status(found["status"]),
            current_period_end=None if end is None else datetime.fromtimestamp(end, UTC),
            cancel_at_period_end=bool(found.get("cancel_at_period_end")),
        )

    def _status(self, word: str) -> SubscriptionStatus:
        try:
            return SubscriptionStatus(word)
        except ValueError:
            if word not in self._odd_statuses:
                self._odd_statuses.add(word)
                log.warning("subscription_status_unknown", status=word)
            return SubscriptionStatus.UNPAID

    def _signed(self, body: bytes, signature: str, now: datetime) -> bool:
        """Stripe's scheme v1, by hand: the SDK goes by the machine's clock and lets any time in the future pass."""
        fields = [field.strip().partition("=")[::2] for field in signature.split(",")]
        times = [value for name, value in fields if name == "t"]
        # Twelve digits: no age that int() could choke on.
        if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12):  # noqa: PLR2004
            return False
        expected = hmac.new(self._webhook_secret, times[0].encode() + b"." + body, sha256).hexdigest().encode()
        given = [value.encode(errors="replace") for name, value in fields if name == "v1"]
        recent = abs(now.timestamp() - int(times[0])) <= TOLERANCE_SECONDS
        return recent and any(hmac.compare_digest(expected, value) for value in given)

    @asynccontextmanager
    async def _translated_errors(self) -> AsyncGenerator[None, None]:
        """The body, with its deadline, in our errors."""
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except (TimeoutError, stripe.StripeError, *_MALFORMED) as error:
            ours = _translated(error)
            log.warning(
                ours.code,
                error=type(error).__name__,
                status=getattr(error, "http_status", None),
                stripe_code=getattr(getattr(error, "error", None), "code", None),
                request_id=getattr(error, "request_id", None),
            )
            raise ours from error


def _translated(error: Exception) -> PaymentsUnavailable | PaymentsRefused:
    status = getattr(error, "http_status", None) or 0
    # Both come with status 400, and both pass by themselves: an idempotency key is forgotten after a day.
    passing = isinstance(error, (stripe.RateLimitError, stripe.IdempotencyError)) or status in _TRANSIENT
    refused = 300 <= status < 500 and not passing  # noqa: PLR2004 - what HTTP lays to the client
    return PaymentsRefused() if refused else PaymentsUnavailable()


class _UnlessMissing:
    """The body, up to where Stripe knows nothing of that id. Any other 404 means a wrong address, and no lack."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: object, trace: object, /) -> bool:
        return isinstance(error, stripe.InvalidRequestError) and error.code == "resource_missing"


def _with_session_id(address: str) -> str:
    """`address` with the place that Stripe fills in, in braces that must reach Stripe as they are."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=f"{parts.query}&session_id={{CHECKOUT_SESSION_ID}}".lstrip("&")))


def _subscription_id(kind: str, thing: dict[str, Any]) -> str | None:
    match kind.split("."):
        case ["customer", "subscription", *_]:
            return _text(thing.get("id"))
        case ["checkout", "session", *_]:
            return _text(thing.get("subscription"))
        case ["invoice", *_]:
            # Before API version 2025-03-31 it stood on the invoice itself.
            details = (thing.get("parent") or {}).get("subscription_details") or {}
            return _text(details.get("subscription")) or _text(thing.get("subscription"))
        case _:
            return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
