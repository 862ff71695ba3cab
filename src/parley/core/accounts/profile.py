"""An account as its owner sees it: by what it is known, and its name."""

import re
from uuid import UUID

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import EMAIL_CHARACTERS, NAME_CHARACTERS, Account, Identity, IdentityKind
from parley.core.accounts.ports import MobileNumbers
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.errors import InvalidInput
from parley.core.text import check_text

# Dot-atom @ at least two labels (RFC 5321, RFC 1035), in ASCII: an internationalised domain has its xn-- form.
# The code that is sent there is the real check.
_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})+", re.ASCII)


def read_identity(mobile_number: str | None, email: str | None, numbers: MobileNumbers) -> Identity:
    """The identity that exactly one of the two names, in its one written form. Raises InvalidInput."""
    if mobile_number is not None and email is not None:
        raise InvalidInput("email", "must be left out where mobile_number is given: exactly one of the two")
    if mobile_number is not None:
        return Identity(IdentityKind.MOBILE_NUMBER, numbers.e164(mobile_number))
    if email is not None:
        return Identity(IdentityKind.EMAIL, _address(email))
    raise InvalidInput("mobile_number", "is missing: give either mobile_number or email")


def check_name(name: str) -> None:
    """Raises InvalidInput."""
    check_text("name", name, longest=NAME_CHARACTERS)


async def read_account(*, uow: AccountsUnitOfWork, account_id: UUID) -> Account:
    """The account of a caller. Raises TokenInvalid when it is gone: the token that named it is worth nothing then."""
    async with uow(read_only=True) as unit:
        account = await unit.accounts.get(account_id)
    if account is None:
        raise TokenInvalid
    return account


async def change_name(*, uow: AccountsUnitOfWork, account_id: UUID, name: str | None) -> Account:
    """Give the caller's account another name, or none. Raises InvalidInput, TokenInvalid as `read_account` does."""
    if name is not None:
        check_name(name)
    async with uow() as unit:
        account = await unit.accounts.rename(account_id, name)
        if account is None:
            raise TokenInvalid
        await unit.commit()
    return account


def _address(email: str) -> str:
    address = email.strip()
    # ASCII is checked before lower() turns letters of other scripts, such as the Kelvin sign, into it.
    if not address.isascii() or len(address) > EMAIL_CHARACTERS or _EMAIL.fullmatch(address.lower()) is None:
        raise InvalidInput("email", "must be an e-mail address such as name@example.com")
    return address.lower()
