"""A mail reader sees in every mail what was meant, whatever the address."""

from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parley.adapters.otp.mail import finished_mail, mail_recipient
from parley.adapters.otp.texts import mail_text
from parley.core.accounts.model import Identity, IdentityKind, Purpose
from parley.core.accounts.ports import SenderRefused
from parley.core.accounts.profile import read_identity
from parley.core.errors import InvalidInput

SENDER = Address("Acme Chat", "codes", "acme.example")
CODE = "190472"
PARTS = [
    "=?",
    "?=",
    "utf-8",
    "?q?",
    "?b?",
    "_",
    "a",
    ".",
    "=20",
    "=0a",
    "=0d=0abcc:",
    "=3e",
    "=2c",
    "=40",
    "?",
    "=",
    "+",
    "b",
]
ODD = [
    *PARTS,
    "@",
    " ",
    "<",
    ">",
    '"',
    "\\",
    "(",
    ")",
    ",",
    ";",
    ":",
    "\r\n",
    "\x00",
    "\u2028",
    "\u00e9",
    "[",
    "]",
    "xn--",
]


def local_parts(parts: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(parts), min_size=1, max_size=12).map("".join)


@given(
    local_parts(ODD),
    st.sampled_from(["example.com", "a.b", "[192.0.2.1]", "1.2", "x.com>", "-", ""]) | local_parts(ODD),
)
@example("=?utf-8?q?=2cbcc?=?", "xn--x.de")
@example("=?x?q?=2c?=x.=", "example.com")
@example("=??b?=2c", "example.com")
@example("=?bcc?q??=bcc.a", "example.com")
def test_a_mail_names_its_recipient_or_is_refused(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        mail = finished_mail(SENDER, mail_recipient(Identity(IdentityKind.EMAIL, address)), CODE, text())
    except SenderRefused:
        return
    check(mail, address)


@given(local_parts(PARTS))
def test_every_address_that_is_accepted_as_an_identity_can_be_written(local: str) -> None:
    try:
        identity = read_identity(None, f"{local}@example.com", NoNumbers())
    except InvalidInput:
        return
    check(finished_mail(SENDER, mail_recipient(identity), CODE, text()), identity.value)


@pytest.mark.parametrize("name", ["Acme", "Ácme, Chat", "Acme =?utf-8?q?x?=", "A" * 200, ""])
def test_a_product_may_have_any_name(name: str) -> None:
    sender = Address(name, "codes", "acme.example")
    recipient = mail_recipient(Identity(IdentityKind.EMAIL, "mira@example.com"))
    if "=?" in name:
        with pytest.raises(SenderRefused):
            finished_mail(sender, recipient, CODE, mail_text(name, Purpose.RESET, 10))
    else:
        assert finished_mail(sender, recipient, CODE, mail_text(name, Purpose.RESET, 10))


def check(mail: bytes, address: str) -> None:
    assert mail.isascii()
    read = message_from_bytes(mail, policy=default)
    assert [each.addr_spec for each in read["To"].addresses] == [address]
    assert [str(each) for each in read["From"].addresses] == ["Acme Chat <codes@acme.example>"]
    assert read["Subject"] == text().subject
    assert not {"Cc", "Bcc", "Reply-To", "Sender"} & set(read.keys())
    assert sorted(read.keys()) == sorted(set(read.keys()))
    assert CODE in read.get_body(("plain",)).get_content()
    assert CODE in read.get_body(("html",)).get_content()


def text():
    return mail_text("Acme Chat", Purpose.SIGN_IN, 10)


class NoNumbers:
    def e164(self, text: str) -> str:
        raise AssertionError(text)
