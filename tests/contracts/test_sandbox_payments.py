"""What the payment sandbox does beyond the contract of every payment provider, on both databases."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from parley.adapters.payments.sandbox import SandboxPayments
from parley.core.billing.errors import CheckoutNotFound, EventInvalid, PaymentsRefused
from parley.core.billing.model import ProviderEvent, SubscriptionStatus
from parley.core.billing.sandbox import PageState
from tests.contracts.payment_fixtures import ANOTHER, BACK, NOW
from tests.contracts.sandbox_fixtures import SECRET, SandboxActions, sandbox_on_postgresql, sandbox_on_sqlite

ACTIVE, CANCELED = SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED
PERIOD = timedelta(days=30)
EVENT = {"id": "evt_1", "type": "invoice.paid", "data": {"object": {"customer": "cus_1", "subscription": "sub_1"}}}


@pytest.fixture(
    params=[pytest.param(sandbox_on_sqlite, id="sqlite"), pytest.param(sandbox_on_postgresql, id="postgresql")]
)
async def till(request) -> AsyncIterator[SandboxActions]:
    async with request.param() as opened:
        yield opened


def signed(body: bytes, seconds: str = str(int(NOW.timestamp())), secret: bytes = SECRET) -> str:
    return f"t={seconds},v1={hmac.new(secret, seconds.encode() + b'.' + body, 'sha256').hexdigest()}"


def kinds(till: SandboxActions, told: list) -> list[str]:
    return [till.sandbox.read_event(*each, till.clock()).kind for each in told]


async def test_text_is_added_once_and_stays(till):
    assert await till.state.add("one", "cus_a", "a text")
    assert not await till.state.add("one", "cus_b", "another")
    assert await till.state.get("one") == "a text"
    assert await till.state.get("two") is None
    assert await till.state.of_customer("cus_b") == []


async def test_text_is_replaced_only_where_it_is_still_the_old_one(till):
    await till.state.add("one", "cus_a", "a text")
    assert not await till.state.replace("one", old="another", new="mine")
    assert not await till.state.replace("none", old="a text", new="mine")
    assert await till.state.get("one") == "a text"
    assert await till.state.replace("one", old="a text", new="mine é 日本")
    assert await till.state.get("one") == "mine é 日本"


async def test_of_parallel_additions_and_replacements_one_wins(till):
    added = await asyncio.gather(*(till.state.add("one", "cus_a", f"text {number}") for number in range(20)))
    assert added.count(True) == 1
    kept = await till.state.get("one")
    assert kept == f"text {added.index(True)}"
    replacing = (till.state.replace("one", old=kept, new=f"new {number}") for number in range(20))
    replaced = await asyncio.gather(*replacing)
    assert replaced.count(True) == 1
    assert await till.state.get("one") == f"new {replaced.index(True)}"


async def test_texts_go_with_their_customer(till):
    for object_id, customer in [("one", "cus_a"), ("two", "cus_a"), ("three", "cus_b")]:
        await till.state.add(object_id, customer, object_id)
    assert sorted(await till.state.of_customer("cus_a")) == [("one", "one"), ("two", "two")]
    await till.state.remove_customer("cus_a")
    assert await till.state.of_customer("cus_a") == []
    assert await till.state.get("three") == "three"


async def test_paying_fifty_times_at_once_is_one_subscription_with_one_set_of_events(till):
    customer = await till.customer()
    page = await till.open(customer)
    told = await asyncio.gather(*(till.sandbox.pay(page.session_id) for _ in range(50)))
    assert len(await till.sandbox.subscriptions(customer)) == 1
    assert all(each == told[0] for each in told)
    assert kinds(till, told[0]) == ["checkout.session.completed", "customer.subscription.created", "invoice.paid"]


async def test_parallel_changes_are_all_made(till):
    customer = await till.customer()
    subscription_id = await till.subscribed(customer)
    tokens = [await till.portal(customer) for _ in range(2)]
    await asyncio.gather(till.sandbox.fail_payment(tokens[0]), till.sandbox.cancel(tokens[1], at_once=False))
    found = await till.sandbox.subscription(subscription_id)
    assert (found.status, found.cancel_at_period_end) == (SubscriptionStatus.PAST_DUE, True)


async def test_page_is_open_for_a_day(till):
    page = await till.open(await till.customer())
    shown = await till.sandbox.read_checkout(page.session_id)
    assert page.url == f"http://parley.test/sandbox/checkout/{page.session_id}"
    assert (shown.state, shown.expires_at) == (PageState.OPEN, NOW + timedelta(days=1))
    assert shown.back.paid == f"{BACK.paid}?session_id={page.session_id}"
    assert await till.sandbox.leave(page.session_id) == BACK.cancelled
    till.clock.forward(seconds=86_399)
    assert (await till.sandbox.read_checkout(page.session_id)).state is PageState.OPEN
    till.clock.forward(seconds=1)
    assert (await till.sandbox.read_checkout(page.session_id)).state is PageState.EXPIRED
    for button in (till.sandbox.pay, till.sandbox.leave):
        with pytest.raises(CheckoutNotFound):
            await button(page.session_id)


async def test_paid_page_stays_paid_and_cannot_be_left(till):
    page = await till.open(await till.customer())
    told = await till.sandbox.pay(page.session_id)
    till.clock.forward(days=2)
    assert (await till.sandbox.read_checkout(page.session_id)).state is PageState.PAID
    again = await till.sandbox.pay(page.session_id)
    assert [till.sandbox.read_event(*each, till.clock()) for each in again] == [
        till.sandbox.read_event(*each, NOW) for each in told
    ]
    with pytest.raises(CheckoutNotFound):
        await till.sandbox.leave(page.session_id)


async def test_after_a_page_is_paid_or_expired_the_same_once_leads_to_one_other_page(till):
    customer = await till.customer()
    paid = await till.open(customer)
    await till.sandbox.pay(paid.session_id)
    opened = await asyncio.gather(*(till.open(customer) for _ in range(10)))
    assert len(set(opened)) == 1
    assert opened[0] != paid
    till.now += timedelta(days=1)
    assert await till.open(customer) not in {paid, opened[0]}


@pytest.mark.parametrize("odd", ["", "cs_sandbox_", "cs_sandbox_" + "0" * 32, "a\x00b", "\ud800", "x" * 5_000])
async def test_there_are_no_other_pages(till, odd):
    sandbox = till.sandbox
    for button in (sandbox.read_checkout, sandbox.pay, sandbox.leave, sandbox.read_portal, sandbox.resume):
        with pytest.raises(CheckoutNotFound):
            await button(odd)


async def test_nothing_is_opened_for_a_customer_that_is_not_there(till):
    customer = await till.customer()
    await till.sandbox.erase_customer(customer)
    for opening in (till.open(customer), till.portal(customer)):
        with pytest.raises(PaymentsRefused):
            await opening
    assert await till.state.of_customer(customer) == []


async def test_erased_customer_has_no_pages(till):
    customer, other = await till.customer(), await till.customer(ANOTHER)
    page, token = await till.open(customer), await till.portal(customer)
    theirs = await till.open(other, account_id=ANOTHER)
    await till.sandbox.erase_customer(customer)
    for reading in (till.sandbox.pay(page.session_id), till.sandbox.read_portal(token)):
        with pytest.raises(CheckoutNotFound):
            await reading
    assert await till.sandbox.leave(theirs.session_id) == BACK.cancelled


async def test_portal_is_good_for_an_hour_and_shows_what_there_is(till):
    customer = await till.customer()
    token = await till.portal(customer)
    assert (await till.sandbox.read_portal(token)).subscription is None
    assert await till.sandbox.cancel(token, at_once=True) == []
    subscription_id = await till.subscribed(customer)
    till.clock.forward(seconds=3_599)
    page = await till.sandbox.read_portal(token)
    assert page.back == BACK.portal
    assert page.subscription == await till.sandbox.subscription(subscription_id)
    till.clock.forward(seconds=1)
    with pytest.raises(CheckoutNotFound):
        await till.sandbox.read_portal(token)
    # The database alone opens no portal.
    assert not [object_id for object_id, text in await till.state.of_customer(customer) if token in object_id + text]


async def test_portal_is_about_the_subscription_that_runs(till):
    customer = await till.customer()
    first = await till.subscribed(customer, once="one")
    till.clock.forward(seconds=1)
    second = await till.subscribed(customer, once="two")
    token = await till.portal(customer)
    for shown in (second, first, second):
        assert (await till.sandbox.read_portal(token)).subscription.id == shown
        await till.sandbox.cancel(token, at_once=True)


async def test_subscription_goes_on_period_by_period(till):
    subscription_id = await till.subscribed(await till.customer())
    for passed, end in [(29.9, 30), (0.1, 60), (70, 120)]:
        till.clock.forward(days=passed)
        found = await till.sandbox.subscription(subscription_id)
        assert (found.status, found.current_period_end) == (ACTIVE, NOW + timedelta(days=end))


async def test_subscription_that_ends_with_its_period_ends_with_the_one_that_ran(till):
    customer = await till.customer()
    subscription_id = await till.subscribed(customer)
    till.clock.forward(days=45)
    await till.change(subscription_id, cancel_at_period_end=True)
    for passed, status in [(14.9, ACTIVE), (0.1, CANCELED), (100, CANCELED)]:
        till.clock.forward(days=passed)
        found = await till.sandbox.subscription(subscription_id)
        assert (found.status, found.current_period_end) == (status, NOW + 2 * PERIOD)
    await till.change(subscription_id, cancel_at_period_end=False)
    assert [each.status for each in await till.sandbox.subscriptions(customer)] == [CANCELED]


async def test_changes_tell_themselves_once_each(till):
    subscription_id = await till.subscribed(await till.customer())
    told = [await till.change(subscription_id, status=word) for word in ("past_due", "past_due", "active", "past_due")]
    assert kinds(till, told[0]) == ["customer.subscription.updated", "invoice.payment_failed"]
    assert kinds(till, told[2]) == ["customer.subscription.updated", "invoice.paid"]
    assert told[0] == told[1]
    assert len({body for each in told for body, _ in each}) == 6


def without_state(secret: bytes = SECRET) -> SandboxPayments:
    return SandboxPayments(None, secret=secret, public_url="", now=lambda: NOW, new_token=lambda: "")


def test_empty_secret_is_refused():
    with pytest.raises(ValueError, match="secret"):
        without_state(b"")


def test_any_event_that_is_signed_counts():
    sandbox = without_state()
    body = json.dumps(EVENT).encode()
    assert sandbox.read_event(body, signed(body), NOW) == ProviderEvent("evt_1", "invoice.paid", "cus_1", "sub_1")
    assert sandbox.read_event(body, f"v1=0, {signed(body)}, v0=1", NOW).id == "evt_1"
    for odd in (signed(body, secret=b"another"), f"{signed(body)},t=1", signed(body, "9" * 5_000), signed(body, "-1")):
        with pytest.raises(EventInvalid):
            sandbox.read_event(body, odd, NOW)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"\x00", b"null", b"[]", b"7", b'{"id": "\xff"}', b"[" * 200_000, b'{"a":' * 200_000),
        *(json.dumps(EVENT | {"id": odd}).encode() for odd in ("", 1, None, "a\x00b", "x" * 256, "é", "a\n")),
        *(json.dumps(EVENT | {"data": odd}).encode() for odd in (None, [], {}, {"object": []}, {"object": None})),
        *(json.dumps({name: EVENT[name] for name in EVENT if name != left_out}).encode() for left_out in EVENT),
    ],
)
def test_signed_nonsense_is_invalid(body):
    with pytest.raises(EventInvalid):
        without_state().read_event(body, signed(body), NOW)
