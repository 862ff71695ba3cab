"""The payment sandbox on both databases, beyond the contract of every payment provider."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from parley.adapters.payments.sandbox.provider import SandboxPayments
from parley.core.billing.errors import CheckoutNotFound, EventInvalid, PaymentsRefused
from parley.core.billing.model import ProviderEvent, SubscriptionStatus
from parley.core.billing.sandbox import PageState
from tests.contracts.payment_fixtures import ANOTHER, NOW, RETURN_TO
from tests.contracts.sandbox_fixtures import SECRET, SandboxHarness, sandbox_on_postgresql, sandbox_on_sqlite

ACTIVE, CANCELED = SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED
PERIOD = timedelta(days=30)
EVENT = {"id": "evt_1", "type": "invoice.paid", "data": {"object": {"customer": "cus_1", "subscription": "sub_1"}}}


@pytest.fixture(
    params=[pytest.param(sandbox_on_sqlite, id="sqlite"), pytest.param(sandbox_on_postgresql, id="postgresql")]
)
async def harness(request) -> AsyncIterator[SandboxHarness]:
    async with request.param() as opened:
        yield opened


def signed(body: bytes, seconds: str = str(int(NOW.timestamp())), secret: bytes = SECRET) -> str:
    return f"t={seconds},v1={hmac.new(secret, seconds.encode() + b'.' + body, 'sha256').hexdigest()}"


def kinds(harness: SandboxHarness, signed_events: list) -> list[str]:
    return [harness.sandbox.read_event(*each, harness.clock()).kind for each in signed_events]


async def test_adding_a_known_id_changes_nothing(harness):
    assert await harness.state.add("one", "cus_a", "a text")
    assert not await harness.state.add("one", "cus_b", "another")
    assert await harness.state.get("one") == "a text"
    assert await harness.state.get("two") is None
    assert await harness.state.of_customer("cus_b") == []


async def test_text_is_replaced_only_if_it_is_the_old_one(harness):
    await harness.state.add("one", "cus_a", "a text")
    assert not await harness.state.replace("one", old="another", new="mine")
    assert not await harness.state.replace("none", old="a text", new="mine")
    assert await harness.state.get("one") == "a text"
    assert await harness.state.replace("one", old="a text", new="mine é 日本")
    assert await harness.state.get("one") == "mine é 日本"


async def test_one_of_parallel_additions_and_replacements_succeeds(harness):
    added = await asyncio.gather(*(harness.state.add("one", "cus_a", f"text {number}") for number in range(20)))
    assert added.count(True) == 1
    stored = await harness.state.get("one")
    assert stored == f"text {added.index(True)}"
    replacing = (harness.state.replace("one", old=stored, new=f"new {number}") for number in range(20))
    replaced = await asyncio.gather(*replacing)
    assert replaced.count(True) == 1
    assert await harness.state.get("one") == f"new {replaced.index(True)}"


async def test_removing_a_customer_removes_its_texts(harness):
    for object_id, customer in [("one", "cus_a"), ("two", "cus_a"), ("three", "cus_b")]:
        await harness.state.add(object_id, customer, object_id)
    assert sorted(await harness.state.of_customer("cus_a")) == [("one", "one"), ("two", "two")]
    await harness.state.remove_customer("cus_a")
    assert await harness.state.of_customer("cus_a") == []
    assert await harness.state.get("three") == "three"


async def test_50_parallel_payments_make_one_subscription_with_one_set_of_events(harness):
    customer = await harness.new_customer()
    page = await harness.open_checkout(customer)
    signed_events = await asyncio.gather(*(harness.sandbox.pay(page.session_id) for _ in range(50)))
    assert len(await harness.sandbox.subscriptions(customer)) == 1
    assert all(each == signed_events[0] for each in signed_events)
    assert kinds(harness, signed_events[0]) == [
        "checkout.session.completed",
        "customer.subscription.created",
        "invoice.paid",
    ]


async def test_parallel_changes_are_all_applied(harness):
    customer = await harness.new_customer()
    subscription_id = await harness.new_subscription(customer)
    tokens = [await harness.open_portal(customer) for _ in range(2)]
    await asyncio.gather(harness.sandbox.fail_payment(tokens[0]), harness.sandbox.cancel(tokens[1], at_once=False))
    found = await harness.sandbox.subscription(subscription_id)
    assert (found.status, found.cancel_at_period_end) == (SubscriptionStatus.PAST_DUE, True)


async def test_page_is_open_for_a_day(harness):
    page = await harness.open_checkout(await harness.new_customer())
    shown = await harness.sandbox.read_checkout(page.session_id)
    assert page.url == f"http://parley.test/sandbox/checkout/{page.session_id}"
    assert (shown.state, shown.expires_at) == (PageState.OPEN, NOW + timedelta(days=1))
    assert shown.return_to.paid == f"{RETURN_TO.paid}?session_id={page.session_id}"
    assert await harness.sandbox.cancel_checkout(page.session_id) == RETURN_TO.cancelled
    harness.clock.forward(seconds=86_399)
    assert (await harness.sandbox.read_checkout(page.session_id)).state is PageState.OPEN
    harness.clock.forward(seconds=1)
    assert (await harness.sandbox.read_checkout(page.session_id)).state is PageState.EXPIRED
    for action in (harness.sandbox.pay, harness.sandbox.cancel_checkout):
        with pytest.raises(CheckoutNotFound):
            await action(page.session_id)


async def test_paid_page_stays_paid_and_cannot_be_cancelled(harness):
    page = await harness.open_checkout(await harness.new_customer())
    signed_events = await harness.sandbox.pay(page.session_id)
    harness.clock.forward(days=2)
    assert (await harness.sandbox.read_checkout(page.session_id)).state is PageState.PAID
    again = await harness.sandbox.pay(page.session_id)
    assert [harness.sandbox.read_event(*each, harness.clock()) for each in again] == [
        harness.sandbox.read_event(*each, NOW) for each in signed_events
    ]
    with pytest.raises(CheckoutNotFound):
        await harness.sandbox.cancel_checkout(page.session_id)


async def test_same_idempotency_key_opens_one_new_page_after_payment_or_expiry(harness):
    customer = await harness.new_customer()
    paid = await harness.open_checkout(customer)
    await harness.sandbox.pay(paid.session_id)
    opened = await asyncio.gather(*(harness.open_checkout(customer) for _ in range(10)))
    assert len(set(opened)) == 1
    assert opened[0] != paid
    harness.now += timedelta(days=1)
    assert await harness.open_checkout(customer) not in {paid, opened[0]}


@pytest.mark.parametrize("unknown", ["", "cs_sandbox_", "cs_sandbox_" + "0" * 32, "a\x00b", "\ud800", "x" * 5_000])
async def test_unknown_page_is_not_found(harness, unknown):
    sandbox = harness.sandbox
    for action in (sandbox.read_checkout, sandbox.pay, sandbox.cancel_checkout, sandbox.read_portal, sandbox.resume):
        with pytest.raises(CheckoutNotFound):
            await action(unknown)


async def test_no_page_opens_for_an_erased_customer(harness):
    customer = await harness.new_customer()
    await harness.sandbox.erase_customer(customer)
    for opening in (harness.open_checkout(customer), harness.open_portal(customer)):
        with pytest.raises(PaymentsRefused):
            await opening
    assert await harness.state.of_customer(customer) == []


async def test_erased_customer_has_no_pages(harness):
    customer, other = await harness.new_customer(), await harness.new_customer(ANOTHER)
    page, token = await harness.open_checkout(customer), await harness.open_portal(customer)
    others = await harness.open_checkout(other, account_id=ANOTHER)
    await harness.sandbox.erase_customer(customer)
    for reading in (harness.sandbox.pay(page.session_id), harness.sandbox.read_portal(token)):
        with pytest.raises(CheckoutNotFound):
            await reading
    assert await harness.sandbox.cancel_checkout(others.session_id) == RETURN_TO.cancelled


async def test_portal_is_valid_for_an_hour_and_shows_the_subscription(harness):
    customer = await harness.new_customer()
    token = await harness.open_portal(customer)
    assert (await harness.sandbox.read_portal(token)).subscription is None
    assert await harness.sandbox.cancel(token, at_once=True) == []
    subscription_id = await harness.new_subscription(customer)
    harness.clock.forward(seconds=3_599)
    page = await harness.sandbox.read_portal(token)
    assert page.return_address == RETURN_TO.portal
    assert page.subscription == await harness.sandbox.subscription(subscription_id)
    harness.clock.forward(seconds=1)
    with pytest.raises(CheckoutNotFound):
        await harness.sandbox.read_portal(token)
    # Reading the database does not reveal portal addresses.
    assert not [object_id for object_id, text in await harness.state.of_customer(customer) if token in object_id + text]


async def test_portal_shows_the_running_subscription(harness):
    customer = await harness.new_customer()
    first = await harness.new_subscription(customer, key="one")
    harness.clock.forward(seconds=1)
    second = await harness.new_subscription(customer, key="two")
    token = await harness.open_portal(customer)
    for shown in (second, first, second):
        assert (await harness.sandbox.read_portal(token)).subscription.id == shown
        await harness.sandbox.cancel(token, at_once=True)


async def test_subscription_renews_every_period(harness):
    subscription_id = await harness.new_subscription(await harness.new_customer())
    for passed, end in [(29.9, 30), (0.1, 60), (70, 120)]:
        harness.clock.forward(days=passed)
        found = await harness.sandbox.subscription(subscription_id)
        assert (found.status, found.current_period_end) == (ACTIVE, NOW + timedelta(days=end))


async def test_cancelled_subscription_ends_with_the_current_period(harness):
    customer = await harness.new_customer()
    subscription_id = await harness.new_subscription(customer)
    harness.clock.forward(days=45)
    await harness.change(subscription_id, cancel_at_period_end=True)
    for passed, status in [(14.9, ACTIVE), (0.1, CANCELED), (100, CANCELED)]:
        harness.clock.forward(days=passed)
        found = await harness.sandbox.subscription(subscription_id)
        assert (found.status, found.current_period_end) == (status, NOW + 2 * PERIOD)
    await harness.change(subscription_id, cancel_at_period_end=False)
    assert [each.status for each in await harness.sandbox.subscriptions(customer)] == [CANCELED]


async def test_every_change_sends_its_events_once(harness):
    subscription_id = await harness.new_subscription(await harness.new_customer())
    signed_events = [
        await harness.change(subscription_id, status=status)
        for status in ("past_due", "past_due", "active", "past_due")
    ]
    assert kinds(harness, signed_events[0]) == ["customer.subscription.updated", "invoice.payment_failed"]
    assert kinds(harness, signed_events[2]) == ["customer.subscription.updated", "invoice.paid"]
    assert signed_events[0] == signed_events[1]
    assert len({body for each in signed_events for body, _ in each}) == 6


def without_state(secret: bytes = SECRET) -> SandboxPayments:
    return SandboxPayments(None, secret=secret, public_url="", now=lambda: NOW, new_token=lambda: "")


def test_empty_secret_is_refused():
    with pytest.raises(ValueError, match="secret"):
        without_state(b"")


def test_any_signed_event_is_accepted():
    sandbox = without_state()
    body = json.dumps(EVENT).encode()
    assert sandbox.read_event(body, signed(body), NOW) == ProviderEvent("evt_1", "invoice.paid", "cus_1", "sub_1")
    assert sandbox.read_event(body, f"v1=0, {signed(body)}, v0=1", NOW).id == "evt_1"
    for invalid in (
        signed(body, secret=b"another"),
        f"{signed(body)},t=1",
        signed(body, "9" * 5_000),
        signed(body, "-1"),
    ):
        with pytest.raises(EventInvalid):
            sandbox.read_event(body, invalid, NOW)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"\x00", b"null", b"[]", b"7", b'{"id": "\xff"}', b"[" * 200_000, b'{"a":' * 200_000),
        *(json.dumps(EVENT | {"id": invalid}).encode() for invalid in ("", 1, None, "a\x00b", "x" * 256, "é", "a\n")),
        *(json.dumps(EVENT | {"data": invalid}).encode() for invalid in ([], {"object": []}, {"object": "sub_1"})),
        *(
            json.dumps({name: EVENT[name] for name in EVENT if name != left_out}).encode()
            for left_out in ("id", "type")
        ),
    ],
)
def test_signed_body_that_is_no_event_is_invalid(body):
    with pytest.raises(EventInvalid):
        without_state().read_event(body, signed(body), NOW)
