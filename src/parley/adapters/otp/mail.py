"""The mail with a one-time code, as bytes that any reader understands as they were meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import make_msgid, parseaddr
from html import escape

from parley.adapters.otp.texts import MailText
from parley.core.accounts.model import Identity, IdentityKind
from parley.core.accounts.ports import SenderRefused

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


def mail_recipient(identity: Identity) -> Address:
    """The identity's address, if it is safe in headers and SMTP commands. Raises SenderRefused."""
    if identity.kind is not IdentityKind.EMAIL:
        raise SenderRefused("Mail can only be sent to e-mail addresses.")
    value = identity.value
    name, _, domain = value.rpartition("@")
    plain = name and domain and value.isascii() and value.isprintable() and " " not in value
    with _refused_if_unreadable():
        # An encoded word (RFC 2047) is decoded by readers, into anything.
        if plain and "=?" not in value and parseaddr(value) == ("", value):
            address = Address(username=name, domain=domain)
            if address.addr_spec == value:
                return address
    raise SenderRefused("The address cannot be written into a mail.")


def finished_mail(sender: Address, recipient: Address, code: str, text: MailText) -> bytes:
    """The mail in 7-bit form. Raises SenderRefused if a reader would see another sender, recipient, subject or code."""
    with _refused_if_unreadable():
        mail = _message(sender, recipient, code, text)
        return _checked(mail, sender, recipient, text.subject, _plain_text(code, text))


def finished_notice(sender: Address, recipient: Address, subject: str, text: str) -> bytes:
    """As `finished_mail`, for a mail without a code."""
    with _refused_if_unreadable():
        mail = _headers(sender, recipient, subject)
        mail.set_content(f"{text}\n")
        return _checked(mail, sender, recipient, subject, f"{text}\n")


def _checked(mail: EmailMessage, sender: Address, recipient: Address, subject: str, text: str) -> bytes:
    data = mail.as_bytes(policy=SMTP.clone(cte_type="7bit"))
    if _read(data) != ([_named(sender)], [_named(recipient)], subject, mail.keys(), text):
        raise SenderRefused("The address cannot be written into a mail.")
    return data


@contextmanager
def _refused_if_unreadable() -> Iterator[None]:
    """Python's mail library raises various errors for unusual addresses. Their text may quote the address."""
    try:
        yield
    except (MessageError, ValueError, LookupError, TypeError, AttributeError):
        raise SenderRefused("The address cannot be written into a mail.") from None


def _message(sender: Address, recipient: Address, code: str, text: MailText) -> EmailMessage:
    message = _headers(sender, recipient, text.subject)
    message.set_content(_plain_text(code, text))
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


def _plain_text(code: str, text: MailText) -> str:
    return f"{text.opening} {code}. {text.rest}\n"


def _read(data: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, str]], str, list[str], str]:
    """What a reader sees: senders, recipients, subject, names of all headers, and the plain text."""
    message = message_from_bytes(data, policy=default)
    body = message.get_body(("plain",))
    return (
        [_named(address) for address in message["From"].addresses],
        [_named(address) for address in message["To"].addresses],
        str(message["Subject"]),
        message.keys(),
        "" if body is None else body.get_content().replace("\r\n", "\n"),
    )


def _named(address: Address) -> tuple[str, str]:
    return address.display_name, address.addr_spec
