"""Stripe's errors, timeouts and invalid webhooks, and what is logged about them."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from parley.core.billing.errors import CustomerUnknown, EventInvalid, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import ProviderEvent
from parley.core.billing.ports import Offer
from tests.contracts.payment_fixtures import ACCOUNT, ANOTHER, EMAIL, MOBILE, NOW, RETURN_TO, StripeHarness, stripe
from tests.servers.stripe_account import KEY, PRICE, SECRET, STRIPE_MESSAGE, sign

CALLS: dict[str, Callable[[StripeHarness], Awaitable[object]]] = {
    "create_customer": lambda harness: harness.provider.create_customer(ACCOUNT, email=EMAIL, mobile_number=MOBILE),
    "open_checkout": lambda harness: harness.open_checkout("cus_1"),
    "open_portal": lambda harness: harness.provider.open_portal("cus_1", return_to=RETURN_TO),
    "subscription": lambda harness: harness.provider.subscription("sub_1"),
    "subscriptions": lambda harness: harness.provider.subscriptions("cus_1"),
    "erase_customer": lambda harness: harness.provider.erase_customer("cus_1"),
    "price": lambda harness: harness.provider.price("price_1"),
}
STATUSES = {
    PaymentsRefused: (302, 400, 401, 402, 403, 404, 405, 422),
    PaymentsUnavailable: (408, 409, 429, 500, 502, 503, 504, 529),
}


@pytest.mark.parametrize("name", CALLS)
async def test_error_for_each_status(name: str) -> None:
    async with stripe() as harness:
        harness.server.final = True
        for expected, statuses in STATUSES.items():
            for status in statuses:
                harness.server.faults.append(status)
                with capture_logs() as lines, pytest.raises(expected) as caught:
                    await CALLS[name](harness)
                assert STRIPE_MESSAGE not in str(caught.value)
                assert caught.value.__cause__ is not None
                [line] = lines
                assert (line["event"], line["status"]) == (expected.code, status)
        assert len(harness.server.requests) == sum(map(len, STATUSES.values()))


async def test_wrong_key_is_refused() -> None:
    async with stripe(key="sk_test_another") as harness:
        with pytest.raises(PaymentsRefused) as refused:
            await harness.new_customer()
        assert not isinstance(refused.value, CustomerUnknown)
        with pytest.raises(PaymentsRefused):
            await harness.provider.price(PRICE)


async def test_unknown_price_opens_no_page_and_is_not_found() -> None:
    async with stripe() as harness:
        customer, offer = await harness.new_customer(), Offer("price_none", 0, RETURN_TO)
        with pytest.raises(PaymentsRefused):
            await harness.provider.open_checkout(
                customer, offer, account_id=ACCOUNT, idempotency_key="key", now=harness.now
            )
        assert await harness.provider.price("price_none") is None


async def test_no_page_opens_for_an_unknown_customer() -> None:
    async with stripe() as harness:
        for name in ("open_checkout", "open_portal"):
            with pytest.raises(CustomerUnknown):
                await CALLS[name](harness)


async def test_customer_creation_with_a_changed_address_fails_until_the_key_expires() -> None:
    async with stripe() as harness:
        await harness.new_customer()
        with pytest.raises(PaymentsUnavailable):
            await CALLS["create_customer"](harness)
        assert len(harness.account.objects) == 1


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"erase_customer"}))
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"word"', b"{}", b"\xff", b"<html>", b'{"error": []}'])
async def test_malformed_answer_is_unavailable(name: str, raw: bytes) -> None:
    async with stripe() as harness:
        harness.server.raw = raw
        with pytest.raises(PaymentsUnavailable):
            await CALLS[name](harness)


async def test_refused_connection_is_unavailable() -> None:
    async with stripe() as harness:
        await harness.server.stop()
        with capture_logs() as lines, pytest.raises(PaymentsUnavailable):
            await harness.new_customer()
    assert [line["error"] for line in lines] == ["APIConnectionError"]


@pytest.mark.parametrize("name", CALLS)
async def test_call_without_answer_ends_at_the_deadline_and_closes_its_connection(name: str) -> None:
    async with stripe(seconds=0.2) as harness:
        harness.server.hanging = True
        with pytest.raises(PaymentsUnavailable):
            async with asyncio.timeout(5):
                await CALLS[name](harness)
        await harness.server.until(lambda: not harness.server.serving)
        harness.server.hanging = False
        assert await harness.new_customer(ANOTHER) in harness.account.objects


async def test_deadline_covers_all_pages_of_a_list() -> None:
    async with stripe(seconds=0.5) as harness:
        customer = await harness.new_customer()
        harness.account.subscribe(customer, 250)
        harness.server.delay = 0.3
        with pytest.raises(PaymentsUnavailable):
            await harness.provider.subscriptions(customer)


async def test_close_closes_connections() -> None:
    async with stripe() as harness:
        await harness.new_customer()
        assert len(harness.server.serving) == 1
        await harness.provider.close()
        await harness.server.until(lambda: not harness.server.serving)


async def test_logs_contain_no_secrets(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    async with stripe() as harness:
        with capture_logs() as lines:
            customer = await harness.provider.create_customer(ACCOUNT, email=EMAIL, mobile_number=MOBILE)
            signed_events = await harness.pay(await harness.open_checkout(customer))
            harness.provider.read_event(*signed_events[0], NOW)
            harness.server.final = True
            for call in CALLS.values():
                harness.server.faults.append(400)
                with pytest.raises(PaymentsRefused):
                    await call(harness)
    assert len(lines) == len(CALLS)
    fields = {"event", "error", "status", "stripe_code", "request_id", "log_level"}
    assert all(line.keys() == fields for line in lines)
    assert lines[0]["stripe_code"] == "some_code"
    assert lines[0]["request_id"].startswith("req_")
    logged = caplog.text + json.dumps(lines) + "".join(capfd.readouterr())
    secrets = [KEY, SECRET, EMAIL, EMAIL.replace("@", "%40"), MOBILE, MOBILE[1:], STRIPE_MESSAGE]
    assert not [secret for secret in secrets if secret in logged]


def event(kind: str, resource: object, **fields: object) -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": resource}} | fields).encode()


@pytest.mark.parametrize(
    ("kind", "resource", "expected"),
    [
        ("customer.subscription.deleted", {"id": "sub_1", "customer": "cus_1"}, ("cus_1", "sub_1")),
        ("customer.subscription.trial_will_end", {"id": "sub_1", "customer": "cus_1"}, ("cus_1", "sub_1")),
        ("checkout.session.completed", {"customer": "cus_1", "subscription": "sub_1"}, ("cus_1", "sub_1")),
        ("checkout.session.completed", {"id": "cs_1", "customer": None, "subscription": None}, (None, None)),
        ("invoice.paid", {"id": "in_1", "customer": "cus_1", "parent": None}, ("cus_1", None)),
        ("invoice.paid", {"customer": "cus_1", "subscription": "sub_1"}, ("cus_1", "sub_1")),
        ("customer.updated", {"id": "cus_1", "object": "customer"}, (None, None)),
        ("customer.deleted", {"id": "cus_1", "object": "customer"}, ("cus_1", None)),
        ("charge.refunded", {"id": "ch_1", "customer": "cus_1", "subscription": "sub_1"}, ("cus_1", None)),
        ("charge.refunded", {"id": "ch_1", "customer": {"id": "cus_1"}}, (None, None)),
        ("made.up.by.the.future", {}, (None, None)),
    ],
)
async def test_customer_and_subscription_of_an_event(
    kind: str, resource: object, expected: tuple[str | None, str | None]
) -> None:
    body = event(kind, resource)
    async with stripe() as harness:
        assert harness.provider.read_event(body, sign(body, SECRET, NOW), NOW) == ProviderEvent(
            "evt_1", kind, *expected
        )


async def test_signed_body_that_is_no_event_is_invalid() -> None:
    bodies = [b"", b"\xff", b"{", b"null", b"[]", b"5", b"{}", b'"word"', b"[" * 100_000, b'{"data": ' * 100_000]
    resources = [[], "word", 5, {"parent": "word"}, {"parent": {"subscription_details": [1]}}]
    wrong = [{"id": None}, {"id": ""}, {"id": 5}, {"type": None}, {"type": []}, {"data": []}]
    bodies += [event("invoice.paid", resource) for resource in resources]
    bodies += [event("invoice.paid", {}, **fields) for fields in wrong]
    async with stripe() as harness:
        for body in bodies:
            with pytest.raises(EventInvalid):
                harness.provider.read_event(body, sign(body, SECRET, NOW), NOW)


@pytest.mark.parametrize("kind", ["invoice.paid", "customer.deleted", "v2.core.account.updated"])
async def test_signed_event_without_an_object_is_read(kind: str) -> None:
    bodies = [event(kind, resource) for resource in (None, {})]
    bodies += [event(kind, {}, data=data) for data in (None, {}, {"changes": 1})]
    # A «thin» event (Stripe docs, «Event destinations»).
    related = {"id": "acct_1", "type": "account", "url": "/v1/accounts/acct_1"}
    thin = {"id": "evt_1", "object": "v2.core.event", "type": kind, "livemode": False, "related_object": related}
    async with stripe() as harness:
        for body in [*bodies, json.dumps(thin).encode()]:
            found = harness.provider.read_event(body, sign(body, SECRET, NOW), NOW)
            assert found == ProviderEvent("evt_1", kind, None, None)


async def test_valid_and_invalid_signatures() -> None:
    body = event("invoice.paid", {})
    time, _, mac = sign(body, SECRET, NOW).partition(",v1=")
    later = f"t={int((NOW + timedelta(seconds=1)).timestamp())}"
    valid = [f"{time},v1={mac}", f"{time},v1=00,v1={mac},v0=00", f"v1={mac},{time}", f"{time}, v1={mac}"]
    invalid = [f"{time},v0={mac}", f"{time},v2={mac}", f"{time},{mac}", f"v1={mac}", f"{time},v1=", time]
    invalid += [f"{later},v1={mac}", f"{time},{later},v1={mac}", f"{later},{time},v1={mac}"]
    invalid += [f"{time},v1=\ud800", f"{time},v1=é", f"{time}0000000000,v1={mac}"]
    invalid += [sign(body, "", NOW), sign(body, f"{SECRET} ", NOW), sign(body, KEY, NOW)]
    async with stripe() as harness:
        for signature in valid:
            assert harness.provider.read_event(body, signature, NOW).id == "evt_1"
        for signature in invalid:
            with pytest.raises(EventInvalid):
                harness.provider.read_event(body, signature, NOW)
