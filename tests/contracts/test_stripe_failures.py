"""What Stripe's errors, silence and forged or odd webhooks come to, and what the logs say of them."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from parley.core.billing.errors import EventInvalid, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import ProviderEvent
from tests.contracts.payment_fixtures import ACCOUNT, ANOTHER, BACK, EMAIL, MOBILE, NOW, StripeTill, stripe
from tests.servers.stripe_account import KEY, SECRET, WORDS_OF_STRIPE, sign

CALLS: dict[str, Callable[[StripeTill], Awaitable[object]]] = {
    "create_customer": lambda till: till.provider.create_customer(ACCOUNT, email=EMAIL, mobile_number=MOBILE),
    "open_checkout": lambda till: till.open("cus_1"),
    "open_portal": lambda till: till.provider.open_portal("cus_1", back=BACK),
    "subscription": lambda till: till.provider.subscription("sub_1"),
    "subscriptions": lambda till: till.provider.subscriptions("cus_1"),
    "erase_customer": lambda till: till.provider.erase_customer("cus_1"),
    "check": lambda till: till.provider.check(),
}
STATUSES = {
    PaymentsRefused: (302, 400, 401, 402, 403, 404, 405, 422),
    PaymentsUnavailable: (408, 409, 429, 500, 502, 503, 504, 529),
}


@pytest.mark.parametrize("name", CALLS)
async def test_what_a_status_means(name: str) -> None:
    async with stripe() as till:
        till.server.final = True
        for expected, statuses in STATUSES.items():
            for status in statuses:
                till.server.faults.append(status)
                with capture_logs() as lines, pytest.raises(expected) as caught:
                    await CALLS[name](till)
                assert WORDS_OF_STRIPE not in str(caught.value)
                assert caught.value.__cause__ is not None
                [line] = lines
                assert (line["event"], line["status"]) == (expected.code, status)
        assert len(till.server.requests) == sum(map(len, STATUSES.values()))


@pytest.mark.parametrize("settings", [{"key": "sk_test_another"}, {"price": "price_none"}])
async def test_wrong_settings_are_refused(settings: dict[str, str]) -> None:
    async with stripe(**settings) as till:
        with pytest.raises(PaymentsRefused):
            await till.open(await till.customer())
        with pytest.raises(PaymentsRefused):
            await till.provider.check()


async def test_a_customer_that_is_gone_gets_no_page() -> None:
    async with stripe() as till:
        for name in ("open_checkout", "open_portal"):
            with pytest.raises(PaymentsRefused):
                await CALLS[name](till)


async def test_a_customer_whose_address_changed_within_the_day_must_wait() -> None:
    async with stripe() as till:
        await till.customer()
        with pytest.raises(PaymentsUnavailable):
            await CALLS["create_customer"](till)
        assert len(till.account.things) == 1


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"erase_customer"}))
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"word"', b"{}", b"\xff", b"<html>", b'{"error": []}'])
async def test_an_answer_that_is_none_is_no_answer(name: str, raw: bytes) -> None:
    async with stripe() as till:
        till.server.raw = raw
        with pytest.raises(PaymentsUnavailable):
            await CALLS[name](till)


async def test_nobody_there_is_unavailable() -> None:
    async with stripe() as till:
        await till.server.stop()
        with capture_logs() as lines, pytest.raises(PaymentsUnavailable):
            await till.customer()
    assert [line["error"] for line in lines] == ["APIConnectionError"]


@pytest.mark.parametrize("name", CALLS)
async def test_a_silent_stripe_ends_with_the_deadline_and_leaves_no_connection(name: str) -> None:
    async with stripe(seconds=0.2) as till:
        till.server.hanging = True
        with pytest.raises(PaymentsUnavailable):
            async with asyncio.timeout(5):
                await CALLS[name](till)
        await till.server.until(lambda: not till.server.serving)
        till.server.hanging = False
        assert await till.customer(ANOTHER) in till.account.things


async def test_the_deadline_is_for_all_pages_together() -> None:
    async with stripe(seconds=0.5) as till:
        customer = await till.customer()
        till.account.subscribe(customer, 250)
        till.server.delay = 0.3
        with pytest.raises(PaymentsUnavailable):
            await till.provider.subscriptions(customer)


async def test_closing_leaves_no_connection() -> None:
    async with stripe() as till:
        await till.customer()
        assert len(till.server.serving) == 1
        await till.provider.close()
        await till.server.until(lambda: not till.server.serving)


async def test_no_log_holds_what_is_secret(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    async with stripe() as till:
        with capture_logs() as lines:
            customer = await till.provider.create_customer(ACCOUNT, email=EMAIL, mobile_number=MOBILE)
            told = await till.subscribe(await till.open(customer))
            till.provider.read_event(*told[0], NOW)
            till.server.final = True
            for call in CALLS.values():
                till.server.faults.append(400)
                with pytest.raises(PaymentsRefused):
                    await call(till)
    assert len(lines) == len(CALLS)
    fields = {"event", "error", "status", "stripe_code", "request_id", "log_level"}
    assert all(line.keys() == fields for line in lines)
    assert lines[0]["stripe_code"] == "some_code"
    assert lines[0]["request_id"].startswith("req_")
    said = caplog.text + json.dumps(lines) + "".join(capfd.readouterr())
    secrets = [KEY, SECRET, EMAIL, EMAIL.replace("@", "%40"), MOBILE, MOBILE[1:], WORDS_OF_STRIPE]
    assert not [secret for secret in secrets if secret in said]


def event(kind: str, thing: object, **fields: object) -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": thing}} | fields).encode()


@pytest.mark.parametrize(
    ("kind", "thing", "expected"),
    [
        ("customer.subscription.deleted", {"id": "sub_1", "customer": "cus_1"}, ("cus_1", "sub_1")),
        ("customer.subscription.trial_will_end", {"id": "sub_1", "customer": "cus_1"}, ("cus_1", "sub_1")),
        ("checkout.session.completed", {"customer": "cus_1", "subscription": "sub_1"}, ("cus_1", "sub_1")),
        ("checkout.session.completed", {"id": "cs_1", "customer": None, "subscription": None}, (None, None)),
        ("invoice.paid", {"id": "in_1", "customer": "cus_1", "parent": None}, ("cus_1", None)),
        ("invoice.paid", {"customer": "cus_1", "subscription": "sub_1"}, ("cus_1", "sub_1")),
        ("customer.updated", {"id": "cus_1", "object": "customer"}, (None, None)),
        ("charge.refunded", {"id": "ch_1", "customer": "cus_1", "subscription": "sub_1"}, ("cus_1", None)),
        ("charge.refunded", {"id": "ch_1", "customer": {"id": "cus_1"}}, (None, None)),
        ("made.up.by.the.future", {}, (None, None)),
    ],
)
async def test_where_an_event_leads(kind: str, thing: object, expected: tuple[str | None, str | None]) -> None:
    body = event(kind, thing)
    async with stripe() as till:
        assert till.provider.read_event(body, sign(body, SECRET, NOW), NOW) == ProviderEvent("evt_1", kind, *expected)


async def test_a_signed_body_that_is_no_event_is_invalid() -> None:
    bodies = [b"", b"\xff", b"{", b"null", b"[]", b"5", b"{}", b'"word"', b"[" * 100_000, b'{"data": ' * 100_000]
    things = [None, [], "word", 5, {"parent": "word"}, {"parent": {"subscription_details": [1]}}]
    wrong = [{"id": None}, {"id": ""}, {"id": 5}, {"type": None}, {"type": []}, {"data": None}, {"data": []}]
    bodies += [event("invoice.paid", thing) for thing in things]
    bodies += [event("invoice.paid", {}, **fields) for fields in wrong]
    async with stripe() as till:
        for body in bodies:
            with pytest.raises(EventInvalid):
                till.provider.read_event(body, sign(body, SECRET, NOW), NOW)


async def test_which_signatures_hold() -> None:
    body = event("invoice.paid", {})
    moment, _, hexed = sign(body, SECRET, NOW).partition(",v1=")
    later = f"t={int((NOW + timedelta(seconds=1)).timestamp())}"
    good = [f"{moment},v1={hexed}", f"{moment},v1=00,v1={hexed},v0=00", f"v1={hexed},{moment}", f"{moment}, v1={hexed}"]
    bad = [f"{moment},v0={hexed}", f"{moment},v2={hexed}", f"{moment},{hexed}", f"v1={hexed}", f"{moment},v1=", moment]
    bad += [f"{later},v1={hexed}", f"{moment},{later},v1={hexed}", f"{later},{moment},v1={hexed}"]
    bad += [f"{moment},v1=\ud800", f"{moment},v1=é", f"{moment}0000000000,v1={hexed}"]
    bad += [sign(body, "", NOW), sign(body, f"{SECRET} ", NOW), sign(body, KEY, NOW)]
    async with stripe() as till:
        for signature in good:
            assert till.provider.read_event(body, signature, NOW).id == "evt_1"
        for signature in bad:
            with pytest.raises(EventInvalid):
                till.provider.read_event(body, signature, NOW)
