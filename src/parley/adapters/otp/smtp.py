"""One-time codes by mail, over SMTP."""

import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import getaddresses, make_msgid, parseaddr
from html import escape
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
from parley.adapters.otp.texts import MailText, mail_notice, mail_text
from parley.core.accounts.model import Identity, IdentityKind, Notice, Purpose
from parley.core.accounts.ports import SenderFailed, SenderRefused, SenderUnavailable

Security = Literal["auto", "tls", "starttls", "none"]
Protection = Literal["tls", "starttls", "starttls if offered", "none"]

TLS_PORT = 465

_LOG_IN_FIRST = 530
_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
</head>
<body style="margin:0;padding:24px;background:#ffffff;color:#1a1a1a;font:16px/1.5 sans-serif">
<p style="margin:0">{opening}</p>
<p style="margin:16px 0;font:bold 32px/1.2 monospace;letter-spacing:4px;user-select:all">{code}</p>
<p style="margin:0">{rest}</p>
</body>
</html>
"""


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
        recipient = _recipient(identity)
        message = _message(self._sender, recipient, code, mail_text(self._sender.display_name, purpose, minutes))
        await self._send(message, recipient)

    async def send_notice(self, identity: Identity, notice: Notice) -> None:
        recipient = _recipient(identity)
        subject, text = mail_notice(self._sender.display_name, notice)
        message = _headers(self._sender, recipient, subject)
        message.set_content(f"{text}\n")
        await self._send(message, recipient)

    async def _send(self, message: EmailMessage, recipient: Address) -> None:
        async with self._connection() as connection:
            await connection.send_message(message, sender=self._sender.addr_spec, recipients=[recipient.addr_spec])

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


def _recipient(identity: Identity) -> Address:
    """The identity's address, checked to be safe in headers and SMTP commands. Raises SenderRefused."""
    if identity.kind is not IdentityKind.EMAIL:
        raise SenderRefused("Mail can only be sent to e-mail addresses.")
    value = identity.value
    name, _, domain = value.rpartition("@")
    # Checked first, because Address raises various errors for unusual addresses.
    plain = value.isascii() and value.isprintable() and parseaddr(value) == ("", value)
    if not (plain and name and domain) or Address(username=name, domain=domain).addr_spec != value:
        raise SenderRefused("The address cannot be written into a mail.")
    return Address(username=name, domain=domain)


def _message(sender: Address, recipient: Address, code: str, text: MailText) -> EmailMessage:
    message = _headers(sender, recipient, text.subject)
    message.set_content(f"{text.opening} {code}. {text.rest}\n")
    html = _HTML.format(
        title=escape(text.subject), opening=escape(text.opening), code=escape(code), rest=escape(text.rest)
    )
    message.add_alternative(html, subtype="html")
    return message


def _headers(sender: Address, recipient: Address, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = recipient
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = make_msgid(domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"
    return message


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
