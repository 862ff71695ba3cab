"""Identities, and an account as its owner sees it."""

import re
from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import EMAIL_CHARACTERS, NAME_CHARACTERS, Account, Identity, IdentityKind
from parley.core.accounts.ports import MobileNumbers
from parley.core.errors import InvalidInput
from parley.core.text import check_text, typed

# Dot-atom @ at least two labels (RFC 5321, RFC 1035), in ASCII: an internationalised domain has its xn-- form.
# The real check is the code that is sent there.
_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Without «=?», which begins an encoded word (RFC 2047): mail readers decode it into anything.
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@)(?!.*=\?){_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})+", re.ASCII)


def read_identity(mobile_number: str | None, email: str | None, numbers: MobileNumbers) -> Identity:
    """The identity in its canonical form. Raises InvalidInput unless exactly one of the two is given and valid."""
    if mobile_number is not None and email is not None:
        raise InvalidInput("email", "must be left out where mobile_number is given: exactly one of the two")
    if mobile_number is not None:
        return Identity(IdentityKind.MOBILE_NUMBER, numbers.e164(typed(mobile_number)))
    if email is not None:
        return Identity(IdentityKind.EMAIL, _normalized_email(email))
    raise InvalidInput("mobile_number", "is missing: give either mobile_number or email")


def check_name(name: str) -> None:
    """Raises InvalidInput."""
    check_text("name", name, longest=NAME_CHARACTERS)


async def find_account(accounts: AccountsPorts, identity: Identity) -> Account | None:
    async with accounts.uow(read_only=True) as unit:
        return await unit.accounts.find(identity)


async def read_account(accounts: AccountsPorts, *, account_id: UUID) -> Account:
    """The account of a caller. Raises TokenInvalid when it is gone, because the caller's token is void then."""
    async with accounts.uow(read_only=True) as unit:
        account = await unit.accounts.get(account_id)
    if account is None:
        raise TokenInvalid
    return account


async def change_name(accounts: AccountsPorts, *, account_id: UUID, name: str | None) -> Account:
    """Change or, with None, remove the account's name. Raises InvalidInput, and TokenInvalid as `read_account` does."""
    if name is not None:
        check_name(name)
    async with accounts.uow() as unit:
        account = await unit.accounts.rename(account_id, name)
        if account is None:
            raise TokenInvalid
        await unit.commit()
    return account


def _normalized_email(email: str) -> str:
    address = typed(email)
    # ASCII is checked first: lower() turns some other letters, such as the Kelvin sign, into ASCII.
    if not address.isascii() or len(address) > EMAIL_CHARACTERS or _EMAIL.fullmatch(address.lower()) is None:
        raise InvalidInput("email", "must be an e-mail address such as name@example.com")
    return address.lower()
