"""Stripe beyond the contract of every payment provider: requests, closed pages, and the formats of its objects."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as sdk
from structlog.testing import capture_logs

from parley.adapters.payments.stripe import StripePayments
from parley.core.billing.errors import AlreadySubscribed, PaymentsUnavailable
from parley.core.billing.model import ReturnAddresses, SubscriptionStatus
from parley.core.billing.ports import Offer
from tests.contracts.payment_fixtures import ACCOUNT, EMAIL, MOBILE, NOW, RETURN_TO, StripeHarness, stripe
from tests.servers import stripe_objects as objects
from tests.servers.stripe_account import KEY, PRICE, SECRET
from tests.servers.stripe_server import Request

METADATA = {"account_id": str(ACCOUNT)}
PAID = "https://app.example/paid?session_id={CHECKOUT_SESSION_ID}"


@pytest.fixture
async def harness() -> AsyncIterator[StripeHarness]:
    async with stripe() as opened:
        yield opened


def last_request(harness: StripeHarness) -> Request:
    """The latest request, after checking what all of them have in common."""
    request = harness.server.requests[-1]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["stripe-version"] == objects.VERSION
    assert "httpx" in request.headers["x-stripe-client-user-agent"]
    assert not {"telemetry_id", "platform"} & json.loads(request.headers["x-stripe-client-user-agent"]).keys()
    if request.method == "POST":
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert request.headers["idempotency-key"]
    return request


def checkout_request(harness: StripeHarness) -> Request:
    """The latest that opened a page. After it others are closed."""
    return [each for each in harness.server.requests if each.method == "POST" and each.path.endswith("/sessions")][-1]


async def test_request_for_a_customer(harness: StripeHarness) -> None:
    await harness.provider.create_customer(ACCOUNT, email=EMAIL, mobile_number=MOBILE)
    request = last_request(harness)
    assert (request.method, request.path) == ("POST", "/v1/customers")
    assert request.given == {"metadata": METADATA, "email": EMAIL, "phone": MOBILE}
    assert request.headers["idempotency-key"] == f"parley-customer-{ACCOUNT}"


async def test_request_for_a_checkout(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    await harness.open_checkout(customer, key="the-key")
    listing = last_request(harness)
    assert (listing.method, listing.path) == ("GET", "/v1/checkout/sessions")
    assert listing.given == {"customer": customer, "status": "open", "limit": "100"}
    request = checkout_request(harness)
    assert (request.method, request.path) == ("POST", "/v1/checkout/sessions")
    assert request.headers["idempotency-key"] == "the-key"
    assert request.given == {
        "mode": "subscription",
        "customer": customer,
        "line_items": {"0": {"price": PRICE, "quantity": "1"}},
        "client_reference_id": str(ACCOUNT),
        "metadata": METADATA,
        "subscription_data": {"metadata": METADATA},
        "success_url": PAID,
        "cancel_url": RETURN_TO.cancelled,
    }


async def test_other_requests(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    await harness.provider.open_portal(customer, return_to=RETURN_TO)
    request = last_request(harness)
    assert (request.method, request.path) == ("POST", "/v1/billing_portal/sessions")
    assert request.given == {"customer": customer, "return_url": RETURN_TO.portal}
    await harness.provider.subscription("sub_1")
    assert (last_request(harness).method, last_request(harness).path, last_request(harness).given) == (
        "GET",
        "/v1/subscriptions/sub_1",
        {},
    )
    await harness.provider.subscriptions(customer)
    assert (last_request(harness).method, last_request(harness).path) == ("GET", "/v1/subscriptions")
    assert last_request(harness).given == {"customer": customer, "status": "all", "limit": "100"}
    await harness.provider.erase_customer(customer)
    assert (last_request(harness).method, last_request(harness).path, last_request(harness).given) == (
        "DELETE",
        f"/v1/customers/{customer}",
        {},
    )


@pytest.mark.parametrize(
    ("paid", "expected"),
    [
        ("https://app.example/paid", PAID),
        ("https://app.example/paid?", PAID),
        ("https://app.example", "https://app.example?session_id={CHECKOUT_SESSION_ID}"),
        (
            "https://app.example/?a=b%20c&d=%C3%A9",
            "https://app.example/?a=b%20c&d=%C3%A9&session_id={CHECKOUT_SESSION_ID}",
        ),
        ("http://localhost:3000/#/paid", "http://localhost:3000/?session_id={CHECKOUT_SESSION_ID}#/paid"),
    ],
)
async def test_return_address_has_the_session_id(harness: StripeHarness, paid: str, expected: str) -> None:
    return_to, customer = ReturnAddresses(paid, "https://c", "https://p"), await harness.new_customer()
    await harness.provider.open_checkout(
        customer, Offer(PRICE, 0, return_to), account_id=ACCOUNT, idempotency_key="key", now=NOW
    )
    assert checkout_request(harness).given["success_url"] == expected


async def test_changed_addresses_open_another_page(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    first = await harness.open_checkout(customer)
    moved = ReturnAddresses("https://moved/paid", "https://moved/cancelled", "https://moved/me")
    pages = [
        await harness.provider.open_checkout(
            customer, Offer(PRICE, 0, moved), account_id=ACCOUNT, idempotency_key="key", now=NOW
        )
        for _ in range(2)
    ]
    assert pages[0] == pages[1] != first
    # The first one was closed by the others.
    assert await harness.open_checkout(customer) not in (first, pages[0])


async def test_page_that_was_paid_while_another_opened_leaves_none_to_pay(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    page = await harness.open_checkout(customer)
    harness.account.after_list_of_checkouts = lambda: harness.account.complete(page.session_id)
    with pytest.raises(AlreadySubscribed):
        await harness.open_checkout(customer, key="another", price="price_plus_yearly")
    sessions = [each for each in harness.account.objects.values() if each["object"] == "checkout.session"]
    assert sorted(each["status"] for each in sessions) == ["complete", "expired"]


@pytest.mark.parametrize("closed", ["complete", "expired"])
async def test_closed_page_is_followed_by_a_new_one(harness: StripeHarness, closed: str) -> None:
    customer = await harness.new_customer()
    earlier = set()
    for _ in range(3):
        page = await harness.open_checkout(customer)
        assert page.session_id not in earlier
        assert await harness.open_checkout(customer) == page
        earlier.add(page.session_id)
        harness.account.objects[page.session_id] |= {"status": closed, "url": None}


async def test_250_subscriptions_are_read_page_by_page(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    expected = harness.account.subscribe(customer, 250)
    found = await harness.provider.subscriptions(customer)
    assert [each.id for each in found] == expected[::-1]
    assert harness.server.counts()["GET /v1/subscriptions"] == 3


async def test_old_format_is_read_the_same(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    subscription_id = await harness.new_subscription(customer)
    new = await harness.provider.subscription(subscription_id)
    harness.account.old_format = True
    assert await harness.provider.subscription(subscription_id) == new
    signed_events = await harness.change(subscription_id, status="past_due")
    assert b"subscription_details" not in b"".join(body for body, _ in signed_events)
    events = [harness.provider.read_event(*signed, NOW) for signed in signed_events]
    assert [event.kind for event in events] == ["customer.subscription.updated", "invoice.payment_failed"]
    assert {(event.customer_id, event.subscription_id) for event in events} == {(customer, subscription_id)}


async def test_period_ends_with_the_latest_of_several_items(harness: StripeHarness) -> None:
    subscription_id = await harness.new_subscription(await harness.new_customer())
    items = harness.account.objects[subscription_id]["items"]["data"]
    later = NOW + timedelta(days=365)
    items[:] = [items[0], items[0] | {"current_period_end": int(later.timestamp())}, items[0]]
    found = await harness.provider.subscription(subscription_id)
    assert found is not None
    assert found.current_period_end == later


@pytest.mark.parametrize(
    ("state", "field", "expected"),
    [
        ({"metadata": {}}, "account_id", None),
        ({"metadata": None}, "account_id", None),
        ({"metadata": {"account_id": "me"}}, "account_id", None),
        ({"items": {"object": "list", "data": []}}, "current_period_end", None),
        ({"items": None}, "current_period_end", None),
        (
            {"items": None, "current_period_end": 1_800_000_000},
            "current_period_end",
            datetime(2027, 1, 15, 8, tzinfo=UTC),
        ),
    ],
)
async def test_subscription_created_outside_parley(
    harness: StripeHarness, state: dict, field: str, expected: Any
) -> None:
    subscription_id = await harness.new_subscription(await harness.new_customer())
    harness.account.objects[subscription_id] |= state
    assert getattr(await harness.provider.subscription(subscription_id), field) == expected


async def test_replacement_of_a_forgotten_customer_is_another_one(harness: StripeHarness) -> None:
    first = await harness.new_customer()
    await harness.provider.erase_customer(first)
    assert await harness.new_customer() == first
    new = {
        await harness.provider.create_customer(ACCOUNT, email=EMAIL, mobile_number=None, replaces=first)
        for _ in range(3)
    }
    assert new & harness.account.objects.keys() == new != {first}


@pytest.mark.parametrize(
    ("seconds", "ends_with_period", "end"),
    [(0, True, 0), (-86_400, True, -86_400), (86_400, False, 0), (400 * 86_400, False, 0)],
)
async def test_cancel_at_ends_a_subscription(
    harness: StripeHarness, seconds: int, ends_with_period: bool, end: int
) -> None:
    """Relative to the period's end, where flexible billing mode sets it."""
    subscription_id = await harness.new_subscription(await harness.new_customer())
    before = await harness.provider.subscription(subscription_id)
    assert before is not None
    assert before.current_period_end is not None
    cancel_at = before.current_period_end + timedelta(seconds=seconds)
    await harness.change(subscription_id, cancel_at=int(cancel_at.timestamp()))
    found = await harness.provider.subscription(subscription_id)
    assert found is not None
    assert (found.cancel_at, found.ends_at) == (cancel_at, cancel_at)
    assert found.cancel_at_period_end is ends_with_period
    assert found.current_period_end == before.current_period_end + timedelta(seconds=end)


@pytest.mark.parametrize(
    ("behavior", "paused"), [("void", True), ("keep_as_draft", False), ("mark_uncollectible", False)]
)
async def test_only_void_pauses_what_is_provided(harness: StripeHarness, behavior: str, paused: bool) -> None:
    subscription_id = await harness.new_subscription(await harness.new_customer())
    await harness.change(subscription_id, pause_collection={"behavior": behavior, "resumes_at": None})
    found = await harness.provider.subscription(subscription_id)
    assert found is not None
    assert (found.status, found.is_paused) == (SubscriptionStatus.ACTIVE, paused)
    await harness.change(subscription_id, pause_collection=None)
    found = await harness.provider.subscription(subscription_id)
    assert found is not None
    assert not found.is_paused


async def test_price_of_something_else_is_not_ours_and_logged_once(harness: StripeHarness) -> None:
    subscription_id = await harness.new_subscription(await harness.new_customer())
    item = harness.account.objects[subscription_id]["items"]["data"][0]
    ours = await harness.provider.subscription(subscription_id)
    assert ours is not None
    assert ours.has_our_price
    harness.account.objects[subscription_id]["items"]["data"] = [item | {"price": {"id": "price_other"}}]
    with capture_logs() as lines:
        for _ in range(3):
            theirs = await harness.provider.subscription(subscription_id)
            assert theirs is not None
            assert not theirs.has_our_price
    line = {"event": "subscription_price_unknown", "price": "price_other", "log_level": "warning"}
    assert lines == [line | {"subscription_id": subscription_id}]
    harness.account.objects[subscription_id]["items"]["data"].append(item)
    both = await harness.provider.subscription(subscription_id)
    assert both is not None
    assert both.has_our_price


async def test_subscription_has_its_prices(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    offer = Offer("price_plus_yearly", 7, RETURN_TO)
    page = await harness.provider.open_checkout(customer, offer, account_id=ACCOUNT, idempotency_key="key", now=NOW)
    assert checkout_request(harness).given["subscription_data"]["trial_period_days"] == "7"
    await harness.pay(page)
    [found] = await harness.provider.subscriptions(customer)
    assert (found.prices, found.has_our_price) == (("price_plus_yearly",), True)
    assert found.status is SubscriptionStatus.TRIALING


async def test_taxes_and_promotion_codes_are_for_the_checkout_page(harness: StripeHarness) -> None:
    customer = await harness.new_customer()
    provider = StripePayments(
        KEY, SECRET, [PRICE], api_base=f"{harness.server.url}/", automatic_tax=True, promotion_codes=True
    )
    try:
        await provider.open_checkout(
            customer, Offer(PRICE, 0, RETURN_TO), account_id=ACCOUNT, idempotency_key="key", now=NOW
        )
    finally:
        await provider.close()
    given = checkout_request(harness).given
    assert (given["allow_promotion_codes"], given["automatic_tax"]) == ("true", {"enabled": "true"})
    assert given["customer_update"] == {"address": "auto"}


async def test_unknown_status_counts_as_unpaid_and_is_logged_once(harness: StripeHarness) -> None:
    subscription_id = await harness.new_subscription(await harness.new_customer())
    await harness.change(subscription_id, status="unheard_of")
    with capture_logs() as lines:
        for _ in range(3):
            found = await harness.provider.subscription(subscription_id)
            assert found is not None
            assert found.status is SubscriptionStatus.UNPAID
    assert lines == [{"event": "subscription_status_unknown", "status": "unheard_of", "log_level": "warning"}]


async def test_retry_uses_the_same_idempotency_key(harness: StripeHarness) -> None:
    harness.server.faults.extend([500, 409])
    assert await harness.new_customer() in harness.account.objects
    assert len({request.headers["idempotency-key"] for request in harness.server.requests}) == 1
    assert harness.server.counts() == {"POST /v1/customers": 3}


async def test_empty_webhook_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="STRIPE_WEBHOOK_SECRET"):
        StripePayments(KEY, "", [PRICE])


def test_fake_objects_have_the_fields_of_the_sdk() -> None:
    subscription = objects.subscription("cus_1", PRICE, {}, NOW)
    samples = {
        sdk.Customer: objects.customer({}, NOW),
        sdk.checkout.Session: objects.checkout_session({"mode": "subscription"}, NOW, "https://x"),
        sdk.billing_portal.Session: objects.portal_session({"customer": "cus_1"}, NOW, "https://x"),
        sdk.Subscription: subscription,
        sdk.SubscriptionItem: subscription["items"]["data"][0],
        sdk.Price: objects.price(PRICE, NOW),
        sdk.Invoice: objects.invoice(subscription, NOW, paid=True),
        sdk.Event: objects.event("invoice.paid", {}, NOW),
    }
    for kind, sample in samples.items():
        absent = objects.ABSENT.get(kind.OBJECT_NAME, "").split()
        assert sample.keys() | set(absent) | {"OBJECT_NAME"} == set(kind.__annotations__), kind


async def test_page_that_never_opens_ends_at_the_deadline() -> None:
    async with stripe(seconds=0.3) as harness:
        harness.server.raw = json.dumps({"id": "cs_1", "object": "checkout.session", "status": "expired"}).encode()
        with pytest.raises(PaymentsUnavailable):
            async with asyncio.timeout(5):
                await harness.open_checkout("cus_1")
