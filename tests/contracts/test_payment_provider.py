"""The contract of `PaymentProvider`, for every adapter."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from parley.core.billing.errors import EventInvalid
from parley.core.billing.model import SubscriptionStatus
from tests.contracts.payment_fixtures import ACCOUNT, ANOTHER, BACK, EMAIL, MOBILE, Till, stripe
from tests.contracts.sandbox_fixtures import sandbox_on_postgresql, sandbox_on_sqlite

ODD_IDS = ["sub_none", "cus_none", "a/b", "../customers", "a?b=c#d", "%2e%2e", "é 日本", "x" * 500]


@pytest.fixture(
    params=[
        pytest.param(stripe, id="stripe"),
        pytest.param(sandbox_on_sqlite, id="sandbox-sqlite"),
        pytest.param(sandbox_on_postgresql, id="sandbox-postgresql"),
    ]
)
async def till(request: pytest.FixtureRequest) -> AsyncIterator[Till]:
    async with request.param() as opened:
        yield opened


@pytest.mark.parametrize("address", [{"email": EMAIL}, {"mobile_number": MOBILE}, {}])
async def test_an_account_is_one_customer_however_often_it_is_made_one(till: Till, address: dict[str, str]) -> None:
    given = {"email": None, "mobile_number": None} | address
    first, *rest = await asyncio.gather(*(till.provider.create_customer(ACCOUNT, **given) for _ in range(5)))
    assert first
    assert set(rest) == {first}
    assert await till.provider.create_customer(ANOTHER, **given) != first
    assert await till.provider.create_customer(ACCOUNT, **given) == first


async def test_the_same_once_leads_to_the_same_page(till: Till) -> None:
    customer = await till.customer()
    page = await till.open(customer, once="one")
    address = urlsplit(page.url)
    assert address.scheme in {"http", "https"}
    assert address.netloc
    assert await till.open(customer, once="one") == page
    other = await till.open(customer, once="two")
    assert other.session_id != page.session_id
    assert other.url != page.url


async def test_a_page_alone_is_no_subscription(till: Till) -> None:
    customer = await till.customer()
    await till.open(customer)
    assert await till.provider.subscriptions(customer) == []


async def test_who_pays_has_a_subscription_that_says_whose_it_is(till: Till) -> None:
    customer = await till.customer()
    subscription_id = await till.subscribed(customer)
    found = await till.provider.subscription(subscription_id)
    assert found is not None
    assert (found.id, found.customer_id, found.account_id) == (subscription_id, customer, ACCOUNT)
    assert (found.status, found.cancel_at_period_end) == (SubscriptionStatus.ACTIVE, False)
    assert found.past_due_since is None
    assert found.current_period_end is not None
    assert till.now < found.current_period_end <= till.now + timedelta(days=366)
    assert await till.provider.subscriptions(customer) == [found]


async def test_each_customer_has_its_own_subscriptions(till: Till) -> None:
    mine, other = await till.customer(), await till.customer(ANOTHER)
    first = await till.subscribed(mine)
    theirs = await till.subscribed(other, once="another", account_id=ANOTHER)
    assert [each.id for each in await till.provider.subscriptions(mine)] == [first]
    [found] = await till.provider.subscriptions(other)
    assert (found.id, found.account_id) == (theirs, ANOTHER)


async def test_every_status_is_told_as_it_is_now(till: Till) -> None:
    customer = await till.customer()
    subscription_id = await till.subscribed(customer)
    # The last of these, since it cannot be taken back everywhere.
    assert SubscriptionStatus.CANCELED in till.statuses
    for status in [*(till.statuses - {SubscriptionStatus.CANCELED}), SubscriptionStatus.CANCELED]:
        await till.change(subscription_id, status=status.value)
        found = await till.provider.subscription(subscription_id)
        assert found is not None
        assert (found.status, found.past_due_since) == (status, None)
        assert await till.provider.subscriptions(customer) == [found]


async def test_a_subscription_can_be_cancelled_to_its_periods_end(till: Till) -> None:
    subscription_id = await till.subscribed(await till.customer())
    before = await till.provider.subscription(subscription_id)
    assert before is not None
    for cancelled in (True, False):
        await till.change(subscription_id, cancel_at_period_end=cancelled)
        found = await till.provider.subscription(subscription_id)
        assert found is not None
        assert (found.status, found.cancel_at_period_end) == (SubscriptionStatus.ACTIVE, cancelled)
        assert found.current_period_end == before.current_period_end


async def test_ended_subscriptions_stay_in_the_list(till: Till) -> None:
    customer = await till.customer()
    first = await till.subscribed(customer, once="one")
    await till.change(first, status="canceled")
    second = await till.subscribed(customer, once="two")
    statuses = {each.id: each.status for each in await till.provider.subscriptions(customer)}
    assert statuses == {first: SubscriptionStatus.CANCELED, second: SubscriptionStatus.ACTIVE}


@pytest.mark.parametrize("odd", ODD_IDS)
async def test_what_is_not_there_is_nothing(till: Till, odd: str) -> None:
    assert await till.provider.subscription(odd) is None
    assert await till.provider.subscriptions(odd) == []
    await till.provider.erase_customer(odd)


async def test_an_erased_customer_is_gone_and_pays_no_more(till: Till) -> None:
    customer, other = await till.customer(), await till.customer(ANOTHER)
    subscription_id = await till.subscribed(customer)
    theirs = await till.subscribed(other, once="another", account_id=ANOTHER)
    for _ in range(2):
        await till.provider.erase_customer(customer)
        assert await till.provider.subscriptions(customer) == []
        found = await till.provider.subscription(subscription_id)
        assert found is None or found.status is SubscriptionStatus.CANCELED
    untouched = await till.provider.subscription(theirs)
    assert untouched is not None
    assert untouched.status is SubscriptionStatus.ACTIVE


async def test_a_provider_that_answers_passes_the_check(till: Till) -> None:
    await till.provider.check()


async def test_the_portal_is_a_page(till: Till) -> None:
    address = urlsplit(await till.provider.open_portal(await till.customer(), back=BACK))
    assert address.scheme in {"http", "https"}
    assert address.netloc


async def test_paying_is_told_by_events_that_name_customer_and_subscription(till: Till) -> None:
    customer = await till.customer()
    told = await till.subscribe(await till.open(customer))
    events = [till.provider.read_event(*signed, till.now) for signed in told]
    [subscription] = await till.provider.subscriptions(customer)
    assert {"checkout.session.completed", "customer.subscription.created"} <= {event.kind for event in events}
    assert {(event.customer_id, event.subscription_id) for event in events} == {(customer, subscription.id)}
    assert len({event.id for event in events}) == len(events)
    # Sent again, an event is the same.
    assert [till.provider.read_event(*signed, till.now) for signed in told] == events


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ({"cancel_at_period_end": True}, "customer.subscription.updated"),
        ({"status": "past_due"}, "customer.subscription.updated"),
        ({"status": "canceled"}, "customer.subscription.deleted"),
    ],
)
async def test_changes_are_told_by_events(till: Till, state: dict[str, object], kind: str) -> None:
    customer = await till.customer()
    subscription_id = await till.subscribed(customer)
    events = [till.provider.read_event(*signed, till.now) for signed in await till.change(subscription_id, **state)]
    assert kind in {event.kind for event in events}
    assert {(event.customer_id, event.subscription_id) for event in events} == {(customer, subscription_id)}


async def test_an_event_holds_for_300_seconds_to_either_side(till: Till) -> None:
    signed, *_ = await till.subscribe(await till.open(await till.customer()))
    for seconds in (-300, 300):
        till.provider.read_event(*signed, till.now + timedelta(seconds=seconds))
    for seconds in (-302, 302, -86_400, 86_400):
        with pytest.raises(EventInvalid):
            till.provider.read_event(*signed, till.now + timedelta(seconds=seconds))


async def test_a_body_that_was_not_signed_is_invalid(till: Till) -> None:
    first, second, *_ = await till.subscribe(await till.open(await till.customer()))
    body, signature = first
    forged = [b"", b" " + body, body + b"\n", body[:-1], body.replace(b'"id"', b'"ID"', 1), second[0], b"{}", b"null"]
    for other in [*forged, b"\xff\xfe", b"\x00", b"[" * 100_000, b"x" * 5_000_000]:
        with pytest.raises(EventInvalid):
            till.provider.read_event(other, signature, till.now)


async def test_a_signature_that_is_none_is_invalid(till: Till) -> None:
    (body, signature), other, *_ = await till.subscribe(await till.open(await till.customer()))
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
    odd = ["t=1", "v1=0", "t=é,v1=日本", "\ud800", "\x00", "t=" + "9" * 10_000, "t=-1,v1=0", "a=b," * 50_000]
    for each in broken + odd:
        with pytest.raises(EventInvalid):
            till.provider.read_event(body, each, till.now)
