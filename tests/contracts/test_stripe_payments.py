"""What Stripe has besides the contract: the very requests, pages over time, and the shapes of its objects."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as sdk
from structlog.testing import capture_logs

from parley.adapters.payments.stripe import StripePayments
from parley.core.billing.errors import PaymentsUnavailable
from parley.core.billing.model import ReturnAddresses, SubscriptionStatus
from tests.contracts.payment_fixtures import ACCOUNT, BACK, EMAIL, MOBILE, NOW, StripeTill, stripe
from tests.servers import stripe_objects as objects
from tests.servers.stripe_account import KEY, PRICE
from tests.servers.stripe_server import Request

METADATA = {"account_id": str(ACCOUNT)}
PAID = "https://app.example/paid?session_id={CHECKOUT_SESSION_ID}"


@pytest.fixture
async def till() -> AsyncIterator[StripeTill]:
    async with stripe() as opened:
        yield opened


def sent(till: StripeTill) -> Request:
    """The latest request, after a look at what all of them have in common."""
    request = till.server.requests[-1]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["stripe-version"] == objects.VERSION
    assert "httpx" in request.headers["x-stripe-client-user-agent"]
    assert not {"telemetry_id", "platform"} & json.loads(request.headers["x-stripe-client-user-agent"]).keys()
    if request.method == "POST":
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert request.headers["idempotency-key"]
    return request


async def test_the_request_for_a_customer(till: StripeTill) -> None:
    await till.provider.create_customer(ACCOUNT, email=EMAIL, mobile_number=MOBILE)
    request = sent(till)
    assert (request.method, request.path) == ("POST", "/v1/customers")
    assert request.given == {"metadata": METADATA, "email": EMAIL, "phone": MOBILE}
    assert request.headers["idempotency-key"] == f"parley-customer-{ACCOUNT}"


async def test_the_request_for_a_page(till: StripeTill) -> None:
    customer = await till.customer()
    await till.open(customer, once="the-key")
    request = sent(till)
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
        "cancel_url": BACK.cancelled,
    }


async def test_the_other_requests(till: StripeTill) -> None:
    customer = await till.customer()
    await till.provider.open_portal(customer, back=BACK)
    request = sent(till)
    assert (request.method, request.path) == ("POST", "/v1/billing_portal/sessions")
    assert request.given == {"customer": customer, "return_url": BACK.portal}
    await till.provider.subscription("sub_1")
    assert (sent(till).method, sent(till).path, sent(till).given) == ("GET", "/v1/subscriptions/sub_1", {})
    await till.provider.subscriptions(customer)
    assert (sent(till).method, sent(till).path) == ("GET", "/v1/subscriptions")
    assert sent(till).given == {"customer": customer, "status": "all", "limit": "100"}
    await till.provider.erase_customer(customer)
    assert (sent(till).method, sent(till).path, sent(till).given) == ("DELETE", f"/v1/customers/{customer}", {})


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
async def test_the_session_is_named_in_the_address_of_return(till: StripeTill, paid: str, expected: str) -> None:
    back, customer = ReturnAddresses(paid, "https://c", "https://p"), await till.customer()
    await till.provider.open_checkout(customer, account_id=ACCOUNT, back=back, once="once", now=NOW)
    assert sent(till).given["success_url"] == expected


async def test_a_page_is_asked_for_again_with_other_addresses(till: StripeTill) -> None:
    customer = await till.customer()
    first = await till.open(customer)
    moved = ReturnAddresses("https://moved/paid", "https://moved/cancelled", "https://moved/me")
    pages = [
        await till.provider.open_checkout(customer, account_id=ACCOUNT, back=moved, once="once", now=NOW)
        for _ in range(2)
    ]
    assert pages[0] == pages[1] != first
    assert await till.open(customer) == first


@pytest.mark.parametrize("closed", ["complete", "expired"])
async def test_a_page_that_is_closed_leads_to_the_next_one(till: StripeTill, closed: str) -> None:
    customer = await till.customer()
    seen = set()
    for _ in range(3):
        page = await till.open(customer)
        assert page.session_id not in seen
        assert await till.open(customer) == page
        seen.add(page.session_id)
        till.account.things[page.session_id] |= {"status": closed, "url": None}


async def test_all_of_250_subscriptions(till: StripeTill) -> None:
    customer = await till.customer()
    expected = till.account.subscribe(customer, 250)
    found = await till.provider.subscriptions(customer)
    assert [each.id for each in found] == expected[::-1]
    assert till.server.counts()["GET /v1/subscriptions"] == 3


async def test_the_old_shapes_say_the_same(till: StripeTill) -> None:
    customer = await till.customer()
    subscription_id = await till.subscribed(customer)
    new = await till.provider.subscription(subscription_id)
    till.account.old_shapes = True
    assert await till.provider.subscription(subscription_id) == new
    told = await till.change(subscription_id, status="past_due")
    assert b"subscription_details" not in b"".join(body for body, _ in told)
    events = [till.provider.read_event(*signed, NOW) for signed in told]
    assert [event.kind for event in events] == ["customer.subscription.updated", "invoice.payment_failed"]
    assert {(event.customer_id, event.subscription_id) for event in events} == {(customer, subscription_id)}


async def test_the_latest_of_several_items_ends_the_period(till: StripeTill) -> None:
    subscription_id = await till.subscribed(await till.customer())
    items = till.account.things[subscription_id]["items"]["data"]
    later = NOW + timedelta(days=365)
    items[:] = [items[0], items[0] | {"current_period_end": int(later.timestamp())}, items[0]]
    found = await till.provider.subscription(subscription_id)
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
async def test_a_subscription_made_elsewhere(till: StripeTill, state: dict, field: str, expected: Any) -> None:
    subscription_id = await till.subscribed(await till.customer())
    till.account.things[subscription_id] |= state
    assert getattr(await till.provider.subscription(subscription_id), field) == expected


async def test_a_status_of_the_future_pays_for_nothing_and_is_logged_once(till: StripeTill) -> None:
    subscription_id = await till.subscribed(await till.customer())
    await till.change(subscription_id, status="daydreaming")
    with capture_logs() as lines:
        for _ in range(3):
            found = await till.provider.subscription(subscription_id)
            assert found is not None
            assert found.status is SubscriptionStatus.UNPAID
    assert lines == [{"event": "subscription_status_unknown", "status": "daydreaming", "log_level": "warning"}]


async def test_a_try_that_fails_is_made_again_under_its_key(till: StripeTill) -> None:
    till.server.faults.extend([500, 409])
    assert await till.customer() in till.account.things
    assert len({request.headers["idempotency-key"] for request in till.server.requests}) == 1
    assert till.server.counts() == {"POST /v1/customers": 3}


async def test_no_webhook_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="STRIPE_WEBHOOK_SECRET"):
        StripePayments(KEY, "", PRICE)


def test_the_servers_objects_have_the_fields_that_the_sdk_knows() -> None:
    begun = objects.subscription("cus_1", PRICE, {}, NOW)
    made = {
        sdk.Customer: objects.customer({}, NOW),
        sdk.checkout.Session: objects.checkout_session({"mode": "subscription"}, NOW, "https://x"),
        sdk.billing_portal.Session: objects.portal_session({"customer": "cus_1"}, NOW, "https://x"),
        sdk.Subscription: begun,
        sdk.SubscriptionItem: begun["items"]["data"][0],
        sdk.Price: objects.price(PRICE, NOW),
        sdk.Invoice: objects.invoice(begun, NOW, paid=True),
        sdk.Event: objects.event("invoice.paid", {}, NOW),
    }
    for resource, thing in made.items():
        absent = objects.ABSENT.get(resource.OBJECT_NAME, "").split()
        assert thing.keys() | set(absent) | {"OBJECT_NAME"} == set(resource.__annotations__), resource


async def test_a_page_that_never_opens_ends_with_the_deadline() -> None:
    async with stripe(seconds=0.3) as till:
        till.server.raw = json.dumps({"id": "cs_1", "object": "checkout.session", "status": "expired"}).encode()
        with pytest.raises(PaymentsUnavailable):
            async with asyncio.timeout(5):
                await till.open("cus_1")
