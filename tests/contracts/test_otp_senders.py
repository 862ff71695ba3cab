"""The contract of `OtpSender`, for every adapter."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from parley.adapters.otp.sms_webhook import SmsWebhookOtp
from parley.adapters.otp.smtp import SmtpOtp
from parley.core.accounts.model import Identity, IdentityKind, Purpose
from parley.core.accounts.ports import OtpSender, SenderFailed, SenderRefused, SenderUnavailable
from tests.servers.mail_server import mail_server
from tests.servers.sms_gateway import SmsGateway

CODE = "190472"
RAVI = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")
MIRA = Identity(IdentityKind.EMAIL, "mira@example.com")


@dataclass(frozen=True)
class Subject:
    """A sender and its server. `arrived` waits for a message and returns its recipient and text."""

    sender: OtpSender
    check: Callable[[], Awaitable[None]]
    identity: Identity
    arrived: Callable[[], Awaitable[tuple[str, str]]]
    stop_server: Callable[[], Awaitable[object]]


Opened = AbstractAsyncContextManager[Subject]

MAIL_COURSES = {
    "deliver": (),
    "temporary failure": ("--reply", "RCPT", "451", "<{recipient}> has too much mail"),
    "permanent failure": ("--reply", "RCPT", "550", "<{recipient}> is unknown here"),
    "hang": ("--hang", "CONNECT"),
}


@asynccontextmanager
async def smtp(course: str = "deliver", *, seconds: float = 10.0) -> AsyncGenerator[Subject, None]:
    async with mail_server(*MAIL_COURSES[course]) as server:

        async def arrived() -> tuple[str, str]:
            mail = await server.mail()
            return mail["To"], mail.get_body(("plain",)).get_content()

        sender = SmtpOtp("127.0.0.1", server.port, "", "", "Acme <codes@acme.example>", "auto", seconds)
        yield Subject(sender, sender.check, MIRA, arrived, server.rest)
        await sender.close()


@asynccontextmanager
async def sms(course: str = "deliver", *, seconds: float = 10.0) -> AsyncGenerator[Subject, None]:
    async with SmsGateway().running() as gateway:
        gateway.status = {"temporary failure": 503, "permanent failure": 422}.get(course, 200)
        gateway.hanging = course == "hang"

        async def arrived() -> tuple[str, str]:
            message = (await gateway.requests.get()).message
            return message["to"], message["text"]

        sender = SmsWebhookOtp(gateway.url, "token-of-the-tests", seconds)
        yield Subject(sender, sender.check, RAVI, arrived, gateway.stop)
        await sender.close()


@pytest.fixture(params=[pytest.param(smtp, id="smtp"), pytest.param(sms, id="sms")])
def opened(request: pytest.FixtureRequest) -> Callable[..., Opened]:
    return request.param


async def failure(subject: Subject) -> SenderFailed:
    """The error of a failed delivery. It must come in time, and its traceback must not contain the code or identity."""
    with pytest.raises(SenderFailed) as caught:
        async with asyncio.timeout(5):
            await subject.sender.send(subject.identity, CODE, Purpose.SIGN_IN, minutes=10)
    shown = "".join(traceback.format_exception(caught.value))
    assert CODE not in shown
    assert subject.identity.value not in shown
    return caught.value


@pytest.mark.parametrize(
    ("purpose", "words"), [(Purpose.SIGN_IN, "your sign-in code"), (Purpose.RESET, "your password reset code")]
)
@pytest.mark.parametrize(("minutes", "life"), [(10, "for 10 minutes."), (1, "for 1 minute.")])
async def test_a_code_arrives_with_its_purpose_and_validity(
    opened: Callable[..., Opened], purpose: Purpose, words: str, minutes: int, life: str
) -> None:
    async with opened() as subject:
        await subject.sender.send(subject.identity, CODE, purpose, minutes=minutes)
        addressee, text = await subject.arrived()
    assert addressee == subject.identity.value
    assert CODE in text.replace(".", " ").split()
    assert words in text.lower()
    assert life in text


async def test_codes_sent_at_once_reach_their_owners(opened: Callable[..., Opened]) -> None:
    codes = ["111111", "222222", "333333"]
    async with opened() as subject:
        async with asyncio.TaskGroup() as sending:
            for code in codes:
                sending.create_task(subject.sender.send(subject.identity, code, Purpose.SIGN_IN, minutes=10))
        texts = [(await subject.arrived())[1] for _ in codes]
    assert sorted(code for text in texts for code in codes if code in text) == codes


async def test_a_temporary_refusal_is_unavailable(opened: Callable[..., Opened]) -> None:
    async with opened("temporary failure") as subject:
        assert isinstance(await failure(subject), SenderUnavailable)


async def test_a_permanent_refusal_is_refused(opened: Callable[..., Opened]) -> None:
    async with opened("permanent failure") as subject:
        assert isinstance(await failure(subject), SenderRefused)


async def test_an_unreachable_server_is_unavailable(opened: Callable[..., Opened]) -> None:
    async with opened() as subject:
        await subject.stop_server()
        assert isinstance(await failure(subject), SenderUnavailable)


async def test_a_server_that_hangs_is_unavailable_in_time(opened: Callable[..., Opened]) -> None:
    async with opened("hang", seconds=0.2) as subject:
        assert isinstance(await failure(subject), SenderUnavailable)


async def test_an_identity_of_the_other_kind_is_refused(opened: Callable[..., Opened]) -> None:
    async with opened() as subject:
        other = MIRA if subject.identity is RAVI else RAVI
        with pytest.raises(SenderRefused):
            await subject.sender.send(other, CODE, Purpose.SIGN_IN, minutes=10)


async def test_a_rehearsal_sends_nothing(opened: Callable[..., Opened]) -> None:
    async with opened() as subject:
        await subject.sender.rehearse(subject.identity, "000000", Purpose.RESET, minutes=10)
        await subject.sender.send(subject.identity, CODE, Purpose.RESET, minutes=10)
        assert CODE in (await subject.arrived())[1]


async def test_a_rehearsal_fails_as_sending_does(opened: Callable[..., Opened]) -> None:
    async with opened() as subject:
        with pytest.raises(SenderRefused):
            await subject.sender.rehearse(MIRA if subject.identity is RAVI else RAVI, CODE, Purpose.RESET, minutes=10)
        await subject.stop_server()
        with pytest.raises(SenderUnavailable):
            await subject.sender.rehearse(subject.identity, CODE, Purpose.RESET, minutes=10)


async def test_a_check_sends_nothing(opened: Callable[..., Opened]) -> None:
    async with opened() as subject:
        await subject.check()
        await subject.sender.send(subject.identity, CODE, Purpose.SIGN_IN, minutes=10)
        assert CODE in (await subject.arrived())[1]


async def test_a_check_of_an_unreachable_server_fails(opened: Callable[..., Opened]) -> None:
    async with opened() as subject:
        await subject.stop_server()
        with pytest.raises(SenderUnavailable):
            await subject.check()
