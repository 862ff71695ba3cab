"""SmsWebhookOtp beyond the contract: the exact request, and the meaning of the gateway's answers."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from parley.adapters.otp.sms_webhook import SmsWebhookOtp
from parley.core.accounts.model import Identity, IdentityKind, Notice, Purpose
from parley.core.accounts.ports import SenderFailed, SenderRefused, SenderUnavailable
from tests.servers.mail_server import Certificates
from tests.servers.sms_gateway import SmsGateway

CODE = "190472"
RAVI = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")


async def send(sender: SmsWebhookOtp, purpose: Purpose = Purpose.SIGN_IN) -> None:
    """Send one code and close the sender."""
    try:
        await sender.send(RAVI, CODE, purpose, minutes=10)
    finally:
        await sender.close()


@pytest.mark.parametrize(
    ("purpose", "text"),
    [
        (Purpose.SIGN_IN, "190472 is your sign-in code. It works once, for 10 minutes. Never share it."),
        (Purpose.RESET, "190472 is your password reset code. It works once, for 10 minutes. Never share it."),
    ],
)
async def test_the_request(purpose: Purpose, text: str) -> None:
    async with SmsGateway().running() as gateway:
        await send(SmsWebhookOtp(f"{gateway.url}?channel=otp", "the-token"), purpose)
        request = gateway.requests.get_nowait()
        assert gateway.requests.empty()
    assert (request.method, request.path) == ("POST", "/messages?channel=otp")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer the-token"
    assert json.loads(request.body) == {"to": "+919876543210", "text": text}


async def test_a_notice_is_a_text_without_a_code() -> None:
    async with SmsGateway().running() as gateway:
        sender = SmsWebhookOtp(gateway.url, "the-token")
        await sender.send_notice(RAVI, Notice.GUESSING)
        await sender.close()
        request = gateway.requests.get_nowait()
        assert gateway.requests.empty()
    assert (request.method, request.headers["authorization"]) == ("POST", "Bearer the-token")
    body = json.loads(request.body)
    assert body["to"] == "+919876543210"
    assert body["text"].startswith(
        "Someone has tried several wrong codes or passwords for your account. They were refused."
    )


@pytest.mark.parametrize(("status", "expected"), [(503, SenderUnavailable), (400, SenderRefused)])
async def test_errors_of_a_notice_are_those_of_a_code(status: int, expected: type[SenderFailed]) -> None:
    async with SmsGateway().running() as gateway:
        gateway.status = status
        sender = SmsWebhookOtp(gateway.url, "")
        with pytest.raises(expected, match=f"status {status}"):
            await sender.send_notice(RAVI, Notice.GUESSING)
        await sender.close()


async def test_without_a_token_there_is_no_authorization() -> None:
    async with SmsGateway().running() as gateway:
        await send(SmsWebhookOtp(gateway.url, ""))
        assert "authorization" not in gateway.requests.get_nowait().headers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_says_that_it_was_sent(status: int) -> None:
    async with SmsGateway().running() as gateway:
        gateway.status = status
        await send(SmsWebhookOtp(gateway.url, ""))


STATUSES = {SenderUnavailable: (408, 429, 500, 502, 503, 504), SenderRefused: (300, 304, 400, 401, 403, 404, 410, 422)}


@pytest.mark.parametrize(
    ("status", "expected"), [(status, error) for error, statuses in STATUSES.items() for status in statuses]
)
async def test_other_statuses_are_errors_and_not_retried(status: int, expected: type[SenderFailed]) -> None:
    async with SmsGateway().running() as gateway:
        gateway.status = status
        with pytest.raises(expected, match=f"status {status}"):
            await send(SmsWebhookOtp(gateway.url, ""))
        assert gateway.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with SmsGateway().running() as elsewhere, SmsGateway().running() as gateway:
        gateway.status, gateway.headers = status, {"Location": elsewhere.url}
        with pytest.raises(SenderRefused, match=f"status {status}"):
            await send(SmsWebhookOtp(gateway.url, "the-token"))
        assert elsewhere.connections == 0


async def test_an_answer_that_breaks_off_after_its_status_counts() -> None:
    async with SmsGateway().running() as gateway:
        gateway.cut = True
        await send(SmsWebhookOtp(gateway.url, ""))


async def test_no_log_contains_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with SmsGateway().running() as gateway:
        address = gateway.url.replace("http://", "http://user-of-the-url:password-of-the-url@")
        await send(SmsWebhookOtp(f"{address}/path-secret?key=query secret", "the-token"))
        assert gateway.requests.get_nowait().path.startswith("/messages/path-secret?key=query")
    secrets = ["password-of-the-url", "path-secret", "query", "the-token", CODE, RAVI.value]
    assert caplog.records
    assert not [secret for secret in secrets if secret in caplog.text]


@pytest.mark.parametrize("url", ["", "sms.example.com/send", "ftp://sms.example.com", "https://", "http://[::1"])
def test_an_invalid_url_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="SMS_WEBHOOK_URL"):
        SmsWebhookOtp(url, "")


async def test_the_certificate_of_the_gateway_is_verified(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path, "127.0.0.1")
    async with SmsGateway(context=certificates.serving()).running() as gateway:
        trusting = SmsWebhookOtp(gateway.url, "the-token", tls_context=certificates.trusting())
        await trusting.check()
        await send(trusting)
        stranger = SmsWebhookOtp(gateway.url, "the-token")
        with pytest.raises(SenderUnavailable):
            await stranger.check()
        with pytest.raises(SenderUnavailable):
            await send(stranger)
        assert gateway.requests.qsize() == 1


async def test_a_check_of_a_gateway_that_hangs_in_its_handshake_ends_in_time() -> None:
    async with SmsGateway().running() as gateway:
        sender = SmsWebhookOtp(gateway.url.replace("http:", "https:"), "", seconds=0.2)
        async with asyncio.timeout(5):
            with pytest.raises(SenderUnavailable):
                await sender.check()
        await sender.close()
