"""The contract of `PaymentProvider`, for every adapter."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from parley.core.billing.errors import CheckoutNotFound, EventInvalid
from parley.core.billing.model import Checkout, SubscriptionStatus
from tests.contracts.payment_fixtures import ACCOUNT, ANOTHER, EMAIL, MOBILE, RETURN_TO, Harness, stripe
from tests.contracts.sandbox_fixtures import sandbox_on_postgresql, sandbox_on_sqlite
from tests.servers.stripe_account import PRICE, Refusal

# What paying on a page that is not open any more raises.
CLOSED = (Refusal, CheckoutNotFound)
UNKNOWN_IDS = ["sub_none", "cus_none", "a/b", "../customers", "a?b=c#d", "%2e%2e", "é 日本", "x" * 500]


@pytest.fixture(
    params=[
        pytest.param(stripe, id="stripe"),
        pytest.param(sandbox_on_sqlite, id="sandbox-sqlite"),
        pytest.param(sandbox_on_postgresql, id="sandbox-postgresql"),
    ]
)
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    async with request.param() as opened:
        yield opened


@pytest.mark.parametrize("address", [{"email": EMAIL}, {"mobile_number": MOBILE}, {}])
async def test_repeated_creation_returns_the_accounts_customer(harness: Harness, address: dict[str, str]) -> None:
    contact = {"email": None, "mobile_number": None} | address
    first, *rest = await asyncio.gather(*(harness.provider.create_customer(ACCOUNT, **contact) for _ in range(5)))
    assert first
    assert set(rest) == {first}
    assert await harness.provider.create_customer(ANOTHER, **contact) != first
    assert await harness.provider.create_customer(ACCOUNT, **contact) == first


async def test_same_idempotency_key_returns_the_same_page(harness: Harness) -> None:
    customer = await harness.new_customer()
    page = await harness.open_checkout(customer, key="one")
    address = urlsplit(page.url)
    assert address.scheme in {"http", "https"}
    assert address.netloc
    assert await harness.open_checkout(customer, key="one") == page
    other = await harness.open_checkout(customer, key="two")
    assert other.session_id != page.session_id
    assert other.url != page.url


async def test_of_two_open_pages_only_the_latest_asked_for_can_be_paid(harness: Harness) -> None:
    customer, other = await harness.new_customer(), await harness.new_customer(ANOTHER)
    others = await harness.open_checkout(other, key="other", account_id=ANOTHER)
    plus = await harness.open_checkout(customer, key="plus", price="price_plus_monthly")
    pro = await harness.open_checkout(customer, key="pro")
    with pytest.raises(CLOSED):
        await harness.pay(plus)
    again = await harness.open_checkout(customer, key="plus", price="price_plus_monthly")
    assert again.session_id not in {plus.session_id, pro.session_id}
    with pytest.raises(CLOSED):
        await harness.pay(pro)
    await harness.pay(again)
    await harness.pay(others)
    [subscription] = await harness.provider.subscriptions(customer)
    assert subscription.prices == ("price_plus_monthly",)


async def test_pages_that_are_asked_for_in_parallel_cannot_all_be_paid(harness: Harness) -> None:
    customer = await harness.new_customer()
    pages = await asyncio.gather(
        *(harness.open_checkout(customer, key=price, price=price) for price in (PRICE, "price_plus_monthly") * 3)
    )
    paid = [page for page in {each.session_id: each for each in pages}.values() if await pays(harness, page)]
    assert len(paid) <= 1
    assert len(await harness.provider.subscriptions(customer)) == len(paid)


async def pays(harness: Harness, page: Checkout) -> bool:
    try:
        await harness.pay(page)
    except CLOSED:
        return False
    return True


async def test_open_page_is_no_subscription(harness: Harness) -> None:
    customer = await harness.new_customer()
    await harness.open_checkout(customer)
    assert await harness.provider.subscriptions(customer) == []


async def test_paying_starts_a_subscription_with_the_account_in_its_metadata(harness: Harness) -> None:
    customer = await harness.new_customer()
    subscription_id = await harness.new_subscription(customer)
    found = await harness.provider.subscription(subscription_id)
    assert found is not None
    assert (found.id, found.customer_id, found.account_id) == (subscription_id, customer, ACCOUNT)
    assert (found.status, found.cancel_at_period_end) == (SubscriptionStatus.ACTIVE, False)
    assert found.past_due_since is None
    assert found.current_period_end is not None
    assert harness.now < found.current_period_end <= harness.now + timedelta(days=366)
    assert await harness.provider.subscriptions(customer) == [found]


async def test_each_customer_has_its_own_subscriptions(harness: Harness) -> None:
    first_customer, second_customer = await harness.new_customer(), await harness.new_customer(ANOTHER)
    first = await harness.new_subscription(first_customer)
    second = await harness.new_subscription(second_customer, key="another", account_id=ANOTHER)
    assert [each.id for each in await harness.provider.subscriptions(first_customer)] == [first]
    [found] = await harness.provider.subscriptions(second_customer)
    assert (found.id, found.account_id) == (second, ANOTHER)


async def test_subscription_has_its_current_status(harness: Harness) -> None:
    customer = await harness.new_customer()
    subscription_id = await harness.new_subscription(customer)
    # Cancel last, because not every provider can undo it.
    assert SubscriptionStatus.CANCELED in harness.statuses
    for status in [*(harness.statuses - {SubscriptionStatus.CANCELED}), SubscriptionStatus.CANCELED]:
        await harness.change(subscription_id, status=status.value)
        found = await harness.provider.subscription(subscription_id)
        assert found is not None
        assert (found.status, found.past_due_since) == (status, None)
        assert await harness.provider.subscriptions(customer) == [found]


async def test_subscription_can_be_cancelled_at_its_periods_end(harness: Harness) -> None:
    subscription_id = await harness.new_subscription(await harness.new_customer())
    before = await harness.provider.subscription(subscription_id)
    assert before is not None
    for cancelled in (True, False):
        await harness.change(subscription_id, cancel_at_period_end=cancelled)
        found = await harness.provider.subscription(subscription_id)
        assert found is not None
        assert (found.status, found.cancel_at_period_end) == (SubscriptionStatus.ACTIVE, cancelled)
        assert found.current_period_end == before.current_period_end


async def test_ended_subscriptions_are_listed(harness: Harness) -> None:
    customer = await harness.new_customer()
    first = await harness.new_subscription(customer, key="one")
    await harness.change(first, status="canceled")
    second = await harness.new_subscription(customer, key="two")
    statuses = {each.id: each.status for each in await harness.provider.subscriptions(customer)}
    assert statuses == {first: SubscriptionStatus.CANCELED, second: SubscriptionStatus.ACTIVE}


@pytest.mark.parametrize("unknown", UNKNOWN_IDS)
async def test_unknown_ids_find_nothing(harness: Harness, unknown: str) -> None:
    assert await harness.provider.subscription(unknown) is None
    assert await harness.provider.subscriptions(unknown) == []
    await harness.provider.erase_customer(unknown)


async def test_erased_customer_has_no_running_subscription(harness: Harness) -> None:
    customer, other = await harness.new_customer(), await harness.new_customer(ANOTHER)
    subscription_id = await harness.new_subscription(customer)
    others = await harness.new_subscription(other, key="another", account_id=ANOTHER)
    for _ in range(2):
        await harness.provider.erase_customer(customer)
        assert await harness.provider.subscriptions(customer) == []
        found = await harness.provider.subscription(subscription_id)
        assert found is None or found.status is SubscriptionStatus.CANCELED
    untouched = await harness.provider.subscription(others)
    assert untouched is not None
    assert untouched.status is SubscriptionStatus.ACTIVE


async def test_price_is_found(harness: Harness) -> None:
    price = await harness.provider.price(PRICE)
    assert price is not None
    assert (price.id, price.currency, price.interval, price.interval_count) == (PRICE, "usd", "month", 1)


async def test_portal_is_a_page(harness: Harness) -> None:
    address = urlsplit(await harness.provider.open_portal(await harness.new_customer(), return_to=RETURN_TO))
    assert address.scheme in {"http", "https"}
    assert address.netloc


async def test_events_of_paying_name_customer_and_subscription(harness: Harness) -> None:
    customer = await harness.new_customer()
    signed_events = await harness.pay(await harness.open_checkout(customer))
    events = [harness.provider.read_event(*signed, harness.now) for signed in signed_events]
    [subscription] = await harness.provider.subscriptions(customer)
    assert {"checkout.session.completed", "customer.subscription.created"} <= {event.kind for event in events}
    assert {(event.customer_id, event.subscription_id) for event in events} == {(customer, subscription.id)}
    assert len({event.id for event in events}) == len(events)
    # A repeated event is equal.
    assert [harness.provider.read_event(*signed, harness.now) for signed in signed_events] == events


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ({"cancel_at_period_end": True}, "customer.subscription.updated"),
        ({"status": "past_due"}, "customer.subscription.updated"),
        ({"status": "canceled"}, "customer.subscription.deleted"),
    ],
)
async def test_changes_send_events(harness: Harness, state: dict[str, object], kind: str) -> None:
    customer = await harness.new_customer()
    subscription_id = await harness.new_subscription(customer)
    events = [
        harness.provider.read_event(*signed, harness.now) for signed in await harness.change(subscription_id, **state)
    ]
    assert kind in {event.kind for event in events}
    assert {(event.customer_id, event.subscription_id) for event in events} == {(customer, subscription_id)}


async def test_signature_is_valid_for_300_seconds_before_and_after(harness: Harness) -> None:
    signed, *_ = await harness.pay(await harness.open_checkout(await harness.new_customer()))
    for seconds in (-300, 300):
        harness.provider.read_event(*signed, harness.now + timedelta(seconds=seconds))
    for seconds in (-302, 302, -86_400, 86_400):
        with pytest.raises(EventInvalid):
            harness.provider.read_event(*signed, harness.now + timedelta(seconds=seconds))


async def test_unsigned_body_is_invalid(harness: Harness) -> None:
    first, second, *_ = await harness.pay(await harness.open_checkout(await harness.new_customer()))
    body, signature = first
    altered = [b"", b" " + body, body + b"\n", body[:-1], body.replace(b'"id"', b'"ID"', 1), second[0], b"{}", b"null"]
    for other in [*altered, b"\xff\xfe", b"\x00", b"[" * 100_000, b"x" * 5_000_000]:
        with pytest.raises(EventInvalid):
            harness.provider.read_event(other, signature, harness.now)


async def test_malformed_signature_is_invalid(harness: Harness) -> None:
    (body, signature), other, *_ = await harness.pay(await harness.open_checkout(await harness.new_customer()))
    broken = [
        signature[:-1],
        signature + "0",
        signature.upper(),
        signature[::-1],
        other[1],
        "",
        " ",
        ",",
        "=",
        "t=,v1=",
    ]
    malformed = ["t=1", "v1=0", "t=é,v1=日本", "\ud800", "\x00", "t=" + "9" * 10_000, "t=-1,v1=0", "a=b," * 50_000]
    for each in broken + malformed:
        with pytest.raises(EventInvalid):
            harness.provider.read_event(body, each, harness.now)
