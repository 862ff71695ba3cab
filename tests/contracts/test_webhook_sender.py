"""Sending webhooks to a real server, which verifies them with the library of the specification."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from parley.adapters.webhooks.http_sender import HttpWebhookSender
from parley.cli.check import check_everything
from parley.core.outgoing_events import EventKind, OutgoingEvent
from parley.core.webhooks.deliver import body_of
from parley.core.webhooks.ports import EndpointFailed
from parley.settings import Settings
from tests.servers.webhook_receiver import OTHER_SECRET, SECRET, WebhookReceiver

EVENT = OutgoingEvent(
    UUID(int=7),
    EventKind.REPLY_COMPLETED,
    UUID(int=8),
    datetime(2026, 3, 14, 12, 0, 0, 500_000, tzinfo=UTC),
    {"model": "a/b", "usage": None},
    {"content": "Grüße 👋"},
)
BODY = body_of(EVENT)


def now() -> datetime:
    """The library accepts five minutes around the machine's time."""
    return datetime.now(UTC)


async def send(url: str, *secrets: str, seconds: float = 5.0, body: bytes = BODY) -> None:
    sender = HttpWebhookSender(url, secrets or [SECRET], seconds=seconds)
    try:
        await sender.send(EVENT.id, body, at=now())
    finally:
        await sender.close()


async def failure(url: str, **options: float) -> EndpointFailed:
    with pytest.raises(EndpointFailed) as raised:
        await send(url, **options)
    return raised.value


async def test_the_request_is_verified_by_the_library():
    async with WebhookReceiver().running() as receiver:
        await send(receiver.url)
        [received] = receiver.received
    assert (received.method, received.path) == ("POST", "/hooks?key=a-secret-of-the-url")
    assert received.headers["content-type"] == "application/json"
    assert received.id == str(EVENT.id)
    assert abs(int(received.headers["webhook-timestamp"]) - now().timestamp()) < 60
    assert received.event == {
        "type": "reply.completed",
        "timestamp": "2026-03-14T12:00:00.500000Z",
        "data": {"account_id": str(UUID(int=8)), "model": "a/b", "usage": None, "content": "Grüße 👋"},
    }


async def test_receivers_can_change_the_secret_one_after_the_other():
    for secret in (SECRET, OTHER_SECRET):
        async with WebhookReceiver(secret).running() as receiver:
            await send(receiver.url, OTHER_SECRET, SECRET)
            assert len(receiver.received) == 1


async def test_no_part_of_a_request_can_be_changed():
    async with WebhookReceiver().running() as receiver:
        await send(receiver.url)
        [received] = receiver.received
    changes = ({"webhook-id": "x"}, {"webhook-timestamp": str(int(now().timestamp()) + 1)})
    for headers, body in (*((received.headers | change, BODY) for change in changes), (received.headers, BODY + b" ")):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, headers)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_status_of_success_is_one(status):
    async with WebhookReceiver().running() as receiver:
        receiver.status = status
        await send(receiver.url)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 408, 429, 500, 502, 503])
async def test_every_other_status_is_a_failure(status):
    async with WebhookReceiver().running() as receiver, WebhookReceiver().running() as elsewhere:
        receiver.status, receiver.headers = status, {"Location": elsewhere.url}
        error = await failure(receiver.url)
        assert elsewhere.received == []
    assert (str(error), error.is_gone) == (f"The endpoint answered with status {status}.", False)


async def test_an_endpoint_that_is_gone_says_so():
    async with WebhookReceiver().running() as receiver:
        receiver.status = 410
        assert (await failure(receiver.url)).is_gone


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("0", 0.0), ("9" * 50, 999_999_999.0), ("soon", None), ("-1", None), ("", None), ("²", None)],
)
async def test_retry_after_is_read(value, seconds):
    async with WebhookReceiver().running() as receiver:
        receiver.status, receiver.headers = 429, {"Retry-After": value}
        assert (await failure(receiver.url)).retry_after == seconds


async def test_retry_after_may_be_a_date():
    async with WebhookReceiver().running() as receiver:
        moment = now() + timedelta(minutes=10)
        receiver.status, receiver.headers = 503, {"Retry-After": moment.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        retry_after = (await failure(receiver.url)).retry_after
    assert retry_after is not None
    assert 500 < retry_after <= 600


async def test_a_receiver_that_hangs_is_given_up_in_time():
    async with WebhookReceiver().running() as receiver:
        receiver.hanging = True
        assert str(await failure(receiver.url, seconds=0.2)) == "The endpoint did not answer in time."


async def test_a_receiver_that_closes_is_a_failure():
    async with WebhookReceiver().running() as receiver:
        receiver.closing = True
        assert str(await failure(receiver.url)).startswith("The connection to the endpoint failed: ")
        url = receiver.url
    assert str(await failure(url)).startswith("The connection to the endpoint failed: ")


async def test_an_answer_without_end_is_not_read():
    async with WebhookReceiver().running() as receiver:
        receiver.status, receiver.endless = 200, True
        async with asyncio.timeout(5):
            await send(receiver.url)


async def test_the_check_sends_no_event():
    async with WebhookReceiver().running() as receiver:
        receiver.status = 405
        sender = HttpWebhookSender(receiver.url, [SECRET])
        assert await sender.check() == "answers HEAD with status 405"
        await sender.close()
        assert [each.method for each in receiver.received] == ["HEAD"]
    sender = HttpWebhookSender(receiver.url, [SECRET])
    with pytest.raises(EndpointFailed):
        await sender.check()
    await sender.close()


async def test_parley_check_says_which_endpoints_answer(tmp_path):
    async with WebhookReceiver().running() as receiver, WebhookReceiver().running() as down:
        await down.stop()
        urls, database = (receiver.url, down.url), f"sqlite:///{tmp_path / 'parley.db'}"
        settings = Settings(webhook_url=urls, webhook_secret=(SECRET,), database_url=database)
        findings = [each for each in await check_everything(settings) if each.subject.startswith("webhooks to ")]
    assert [each.ok for each in findings] == [True, False]
    assert findings[0].detail == "answers HEAD with status 204; no event was sent"
    assert "a-secret-of-the-url" not in str(findings)
    [fault] = [each for each in await check_everything(replace(settings, webhook_secret=("hunter2",))) if not each.ok]
    assert (fault.subject, "hunter2" in fault.detail) == ("WEBHOOK_SECRET", False)


async def test_the_url_is_neither_logged_nor_a_part_of_the_name(caplog):
    caplog.set_level(logging.DEBUG, logger="httpx2")
    async with WebhookReceiver().running() as receiver:
        await send(receiver.url)
        name = HttpWebhookSender(receiver.url, [SECRET]).name
    assert "a-secret-of-the-url" not in caplog.text
    assert name.startswith("127.0.0.1-")
    assert "a-secret" not in name
    longest = HttpWebhookSender(f"https://{'a' * 60}.{'b' * 60}.example/", [SECRET]).name
    assert len(longest) <= 80
    assert longest != HttpWebhookSender(f"https://{'a' * 60}.{'b' * 60}.example/other", [SECRET]).name


@pytest.mark.parametrize(
    "secret", ["", "hunter2", "whsec_", "whsec_hunter2", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_"), f"{SECRET}é"]
)
def test_a_secret_of_another_form_is_refused(secret):
    with pytest.raises(ValueError, match=r"^WEBHOOK_SECRET: is not ") as raised:
        HttpWebhookSender("https://hooks.example", [secret])
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["https://", "ftp://hooks.example", "https://hooks.example:hunter2", "hunter2"])
def test_an_address_of_another_form_is_refused(url):
    with pytest.raises(ValueError, match=r"^WEBHOOK_URL: ") as raised:
        HttpWebhookSender(url, [SECRET])
    assert "hunter2" not in str(raised.value)


def test_a_body_is_one_line_of_json():
    assert json.loads(BODY)["data"]["content"] == "Grüße 👋"
    assert b"\n" not in BODY
