import pytest

from parley.core.accounts.mailboxes import mailbox_of
from parley.core.accounts.model import Identity, IdentityKind


def of(address: str) -> str:
    return mailbox_of(Identity(IdentityKind.EMAIL, address))


@pytest.mark.parametrize(
    "address",
    ["mira.k@gmail.com", "m.i.r.a.k@gmail.com", "mirak+shop@gmail.com", "mira.k+a+b@googlemail.com", "mirak@gmail.com"],
)
def test_dots_and_tags_of_gmail_are_one_mailbox(address):
    assert of(address) == "email:mirak@gmail.com"


def test_tags_are_of_one_mailbox_everywhere_and_dots_are_not():
    assert of("mira+shop@example.com") == of("mira@example.com") == "email:mira@example.com"
    assert of("mi.ra@example.com") != of("mira@example.com")
    assert of("mira@sub.gmail.com") == "email:mira@sub.gmail.com"


def test_an_address_without_a_name_before_the_sign_stays_as_it_is():
    assert of("+tag@example.com") == "email:+tag@example.com"


def test_a_number_is_itself():
    assert mailbox_of(Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")) == "mobile_number:+919876543210"
