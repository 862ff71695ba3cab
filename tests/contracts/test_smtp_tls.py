"""TLS and login of SmtpOtp."""

import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parley.adapters.otp.smtp import Security, protection
from parley.core.accounts.ports import SenderUnavailable
from tests.contracts.smtp_fixtures import PASSWORD, failure, send, smtp
from tests.servers.mail_server import Certificates, mail_server

LOGIN = ("--username", "parley", "--password", PASSWORD)
LOGGED_IN = {"username": "parley", "password": PASSWORD}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"), "localhost", "127.0.0.1")


@pytest.fixture
def tls(certificates: Certificates) -> Callable[[str], tuple[str | Path, ...]]:
    return lambda mode: ("--certificate", certificates.file, "--tls", mode)


@pytest.mark.parametrize(
    ("security", "server", "port", "expected"),
    [
        ("auto", "mail.example.com", 465, "tls"),
        ("auto", "localhost", 465, "tls"),
        *(("auto", server, 587, "starttls") for server in ("mail.example.com", "localhost.example.com", "10.0.0.1")),
        *(("auto", server, 25, "starttls") for server in ("127.0.0.1.example.com", "0.0.0.0", "::", "2001:db8::1")),
        *(("auto", server, 25, "starttls if offered") for server in ("localhost", "LOCALHOST", "127.0.0.9", "::1")),
        ("tls", "localhost", 25, "tls"),
        ("starttls", "localhost", 465, "starttls"),
        ("none", "mail.example.com", 465, "none"),
    ],
)
def test_plain_text_is_allowed_only_to_this_machine(security: Security, server: str, port: int, expected: str) -> None:
    assert protection(security, server, port) == expected


@pytest.mark.parametrize(
    ("offered", "security", "protected"),
    [
        ("offered", "auto", True), ("offered", "starttls", True), ("required", "auto", True), ("implicit", "tls", True),
        ("offered", "none", False),
    ],
)  # fmt: skip
async def test_tls_is_used(
    certificates: Certificates, tls: Callable[..., Any], offered: str, security: Security, protected: bool
) -> None:
    async with mail_server(*tls(offered)) as server:
        await send(smtp(server, security, tls_context=certificates.trusting()))
        [message, _] = await server.rest()
    assert (message["event"], message["tls"]) == ("message", protected)


async def test_a_server_that_asks_for_tls_and_gets_none_is_unavailable(tls: Callable[..., Any]) -> None:
    async with mail_server(*tls("required")) as server:
        error = await failure(smtp(server, "none"))
    assert isinstance(error, SenderUnavailable)
    assert "SMTP_SECURITY" in str(error)


@pytest.mark.parametrize(("options", "credentials"), [((), {}), (LOGIN, LOGGED_IN)], ids=["mail", "credentials"])
async def test_a_stripped_starttls_is_never_accepted(options: tuple[str, ...], credentials: dict[str, str]) -> None:
    async with mail_server(*options) as server:
        error = await failure(smtp(server, "starttls", **credentials))
        assert [event["event"] for event in await server.rest()] == []
    assert isinstance(error, SenderUnavailable)
    assert "SMTP_SECURITY" in str(error)


@pytest.mark.parametrize(("offered", "security"), [("offered", "auto"), ("offered", "starttls"), ("implicit", "tls")])
async def test_a_certificate_of_an_unknown_authority_is_refused(
    tls: Callable[..., Any], offered: str, security: Security
) -> None:
    async with mail_server(*tls(offered), *LOGIN) as server:
        error = await failure(smtp(server, security, **LOGGED_IN))
        assert [event["event"] for event in await server.rest()] == []
    assert isinstance(error, SenderUnavailable)
    assert "certificate" in str(error)


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    elsewhere = Certificates(tmp_path, "mail.example.com")
    async with mail_server("--certificate", elsewhere.file, "--tls", "implicit") as server:
        assert isinstance(await failure(smtp(server, "tls", tls_context=elsewhere.trusting())), SenderUnavailable)


@pytest.mark.parametrize(("offered", "security"), [("offered", "auto"), ("required", "starttls"), ("implicit", "tls")])
async def test_credentials_are_sent_under_tls(
    certificates: Certificates, tls: Callable[..., Any], offered: str, security: Security
) -> None:
    async with mail_server(*tls(offered), *LOGIN) as server:
        await send(smtp(server, security, tls_context=certificates.trusting(), **LOGGED_IN))
        events = await server.rest()
    assert [(event["event"], event["tls"]) for event in events] == [("login", True), ("message", True), ("quit", True)]


@pytest.mark.parametrize("action", ["send", "check"])
async def test_a_wrong_password_names_the_settings(action: str) -> None:
    async with mail_server(*LOGIN) as server:
        sender = smtp(server, username="parley", password="not-the-password")
        with pytest.raises(SenderUnavailable, match="SMTP_USERNAME and SMTP_PASSWORD") as caught:
            await (send(sender) if action == "send" else sender.check())
    assert "not-the-password" not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_requires_a_login_is_unavailable_without_one() -> None:
    async with mail_server(*LOGIN) as server:
        error = await failure(smtp(server))
    assert isinstance(error, SenderUnavailable)
    assert "SMTP_USERNAME" in str(error)


async def test_a_server_without_logins_is_unavailable_with_credentials(tls: Callable[..., Any]) -> None:
    async with mail_server(*tls("offered"), *LOGIN) as server:
        error = await failure(smtp(server, "none", **LOGGED_IN))
    assert isinstance(error, SenderUnavailable)
    assert "SMTP_SECURITY" in str(error)


async def test_a_check_logs_in_and_disconnects(certificates: Certificates, tls: Callable[..., Any]) -> None:
    async with mail_server(*tls("required"), *LOGIN) as server:
        await smtp(server, tls_context=certificates.trusting(), **LOGGED_IN).check()
        events = await server.rest()
    assert [event["event"] for event in events] == ["login", "quit"]


async def test_a_tls_handshake_that_hangs_is_unavailable_in_time() -> None:
    async with mail_server("--hang", "CONNECT") as server:
        context = ssl.create_default_context()
        assert isinstance(await failure(smtp(server, "tls", seconds=0.2, tls_context=context)), SenderUnavailable)
