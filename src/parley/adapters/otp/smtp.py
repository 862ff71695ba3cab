"""One-time codes by mail, over SMTP."""

import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from ipaddress import ip_address
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from parley.adapters.otp.deadline import delivery_deadline
from parley.adapters.otp.mail import finished_mail, finished_notice, mail_recipient
from parley.adapters.otp.texts import mail_notice, mail_text
from parley.core.accounts.model import Identity, Notice, Purpose
from parley.core.accounts.ports import SenderFailed, SenderRefused, SenderUnavailable

Security = Literal["auto", "tls", "starttls", "none"]
Protection = Literal["tls", "starttls", "starttls if offered", "none"]

TLS_PORT = 465

_LOG_IN_FIRST = 530


class SmtpOtp:
    """The `OtpSender` for e-mail addresses.

    `sender` is an ASCII address or `Name <address>`, where the name is the product's. With an empty `username` there is
    no login. Sending or checking takes at most `seconds`, plus `quit_seconds` to disconnect. Each message has its own
    connection: codes are rare, so a pooled connection would be stale by the next one. Raises ValueError for an invalid
    `sender`.
    """

    def __init__(
        self,
        server: str,
        port: int,
        username: str,
        password: str,
        sender: str,
        security: Security,
        seconds: float = 10.0,
        tls_context: ssl.SSLContext | None = None,
        quit_seconds: float = 1.0,
    ) -> None:
        self._server = server
        self._port = port
        self._username = username
        self._password = password
        self._sender = _sender(sender)
        self._protection = protection(security, server, port)
        self._seconds = seconds
        self._tls_context = tls_context or ssl.create_default_context()
        self._quit_seconds = quit_seconds

    async def send(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        recipient = mail_recipient(identity)
        await self._send(self._mail(recipient, code, purpose, minutes), recipient)

    async def rehearse(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        """As many commands as for a message, which the server forgets before it gets a recipient."""
        self._mail(mail_recipient(identity), code, purpose, minutes)
        async with self._connection() as connection:
            await connection.mail(self._sender.addr_spec)
            await connection.rset()
            await connection.noop()
            await connection.noop()

    def _mail(self, recipient: Address, code: str, purpose: Purpose, minutes: int) -> bytes:
        return finished_mail(self._sender, recipient, code, mail_text(self._sender.display_name, purpose, minutes))

    async def send_notice(self, identity: Identity, notice: Notice) -> None:
        recipient = mail_recipient(identity)
        await self._send(
            finished_notice(self._sender, recipient, *mail_notice(self._sender.display_name, notice)), recipient
        )

    async def _send(self, message: bytes, recipient: Address) -> None:
        async with self._connection() as connection:
            await connection.sendmail(self._sender.addr_spec, [recipient.addr_spec], message)

    async def check(self) -> None:
        """Connect, log in and disconnect, without a message. Raises SenderUnavailable."""
        async with self._connection():
            pass

    async def close(self) -> None:
        """A no-op: no connection outlives its message."""

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[SMTP, None]:
        """An encrypted and logged-in connection. The deadline and the translation of errors include the body."""
        connection = SMTP(
            hostname=self._server,
            port=self._port,
            # The default, this machine's name, takes a DNS lookup and means nothing to the server.
            local_hostname=self._sender.domain,
            # `seconds` is the only deadline.
            timeout=None,
            use_tls=self._protection == "tls",
            start_tls=None if self._protection == "starttls if offered" else False,
            tls_context=self._tls_context,
        )
        try:
            async with delivery_deadline(self._seconds, "mail server", SMTPException):
                with _translated_errors():
                    await connection.connect()
                    await self._prepare(connection)
                    yield connection
            # The server has accepted the message: an error while closing must not cause it to be sent again.
            with suppress(SMTPException):
                await connection.quit(timeout=self._quit_seconds)
        finally:
            connection.close()

    async def _prepare(self, connection: SMTP) -> None:
        if self._protection == "starttls":
            await connection.ehlo()
            if not connection.supports_extension("starttls"):
                raise SenderUnavailable("The mail server offers no STARTTLS, which SMTP_SECURITY asks for.")
            await connection.starttls()
        if self._username:
            await connection.ehlo()
            if not connection.supported_auth_methods:
                raise SenderUnavailable(
                    "The mail server offers no way to log in with SMTP_USERNAME and SMTP_PASSWORD; another "
                    "SMTP_SECURITY may."
                )
            await connection.login(self._username, self._password)


def protection(security: Security, server: str, port: int) -> Protection:
    """The protection that `security` means for this server.

    Opportunistic STARTTLS is only for a server on this machine: elsewhere an attacker on the network could strip the
    offer and read the mail.
    """
    if security != "auto":
        return security
    if port == TLS_PORT:
        return "tls"
    return "starttls if offered" if _is_this_machine(server) else "starttls"


def _is_this_machine(server: str) -> bool:
    try:
        return ip_address(server).is_loopback
    except ValueError:
        return server.lower() == "localhost"


def _sender(text: str) -> Address:
    try:
        [(name, address)] = getaddresses([text])
        sender = Address(name, addr_spec=address)
    except (ValueError, MessageError, IndexError) as error:
        raise ValueError("SMTP_FROM: must be one address, or a name and one: Acme <codes@acme.example>.") from error
    if not (sender.domain and address.isascii()):
        raise ValueError("SMTP_FROM: must have an ASCII address such as codes@acme.example.")
    return sender


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Translate SMTP replies and TLS errors; `delivery_deadline` translates the rest.

    Replies are translated without their cause, because its text quotes the recipient and may be logged.
    """
    try:
        yield
    except SMTPRecipientsRefused as error:
        raise _by_reply(error.recipients[0]) from None
    except SMTPResponseException as error:
        raise _by_reply(error) from None
    except (SMTPException, OSError) as error:
        if not isinstance(error, ssl.SSLError) and not isinstance(error.__cause__, ssl.SSLError):
            raise
        raise SenderUnavailable(
            "TLS with the mail server failed: its certificate must be valid for SMTP_SERVER, and SMTP_SECURITY fit "
            "its port."
        ) from error


def _by_reply(error: SMTPResponseException) -> SenderFailed:
    """A permanent reply is final only if it is about this message, and not about this client."""
    answer = f"The mail server answered {error.code}"
    if not 500 <= error.code < 600:  # noqa: PLR2004 - the final replies of SMTP
        return SenderUnavailable(f"{answer}.")
    if isinstance(error, SMTPAuthenticationError):
        return SenderUnavailable(f"{answer} to SMTP_USERNAME and SMTP_PASSWORD.")
    if error.code == _LOG_IN_FIRST:
        return SenderUnavailable(f"{answer}: it wants SMTP_USERNAME and SMTP_PASSWORD, or another SMTP_SECURITY.")
    if isinstance(error, SMTPSenderRefused | SMTPRecipientRefused | SMTPDataError):
        return SenderRefused(f"{answer}.")
    return SenderUnavailable(f"{answer}.")
