"""All accounts, as an operator lists and searches them."""

import re
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from parley.core.accounts.model import EMAIL_CHARACTERS, Account, Identity, IdentityKind
from parley.core.text import check_text, typed

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# With what people write between the digits.
_NUMBER = re.compile(r"\+?[0-9 ()./-]*[0-9][0-9 ()./-]*")


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account and the name of the plan that counts."""

    account: Account
    plan: str


class AccountDirectory(Protocol):
    """Reads accounts with their plans. With `plan` only accounts on that plan."""

    async def with_id(self, account_id: UUID, *, plan: str | None) -> ListedAccount | None:
        """None if there is no such account, or it is on another plan."""

    async def newest(self, *, plan: str | None, before: UUID | None, limit: int) -> list[ListedAccount]:
        """The newest first; with `before` only those older than that account."""

    async def starting_with(
        self, start: Identity, *, plan: str | None, after: str | None, limit: int
    ) -> list[ListedAccount]:
        """Accounts whose identity is of that kind and begins with `start.value`, ordered by it; with `after` only
        those behind that identity."""


def read_search(search: str) -> UUID | Identity:
    """What an operator searches for: the id of an account, or the beginning of a number or of an e-mail address.

    A number may lack its plus sign, but not its country code. Raises InvalidInput.
    """
    check_text("q", search, longest=EMAIL_CHARACTERS)
    text = typed(search).lower()
    if _ID.fullmatch(text):
        return UUID(text)
    if _NUMBER.fullmatch(text):
        return Identity(IdentityKind.MOBILE_NUMBER, "+" + "".join(filter(str.isdecimal, text)))
    return Identity(IdentityKind.EMAIL, text)
