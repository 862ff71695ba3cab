"""What the accounts module needs from outside, named by role. Times are aware and UTC."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.accounts.model import (
    Account,
    Caller,
    Challenge,
    Identity,
    Purpose,
    RefreshToken,
    Session,
    Signup,
)


class NewToken(Protocol):
    def __call__(self) -> str:
        """An opaque token of at least 128 random bits, from a generator fit for secrets, safe in a URL."""


class NewCode(Protocol):
    def __call__(self) -> str:
        """Six decimal digits, from a generator fit for secrets."""


class MobileNumbers(Protocol):
    def e164(self, text: str) -> str:
        """The number in E.164, the same for every way of writing it down.

        Raises InvalidInput for the field mobile_number, also for a number without its country code.
        """


class OtpSender(Protocol):
    async def send(self, identity: Identity, code: str, purpose: Purpose) -> str | None:
        """Bring the code to the owner of the identity.

        Returns what the answer to the request may show: None from every sender that really delivers.
        """


class Passwords(Protocol):
    """Slow hashes of passwords, never computed on the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the hash is of this password. Without a hash: False, after the same work."""

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other costs than `hash` takes today."""


class AccessTokens(Protocol):
    """Signed proof of a session, for as long as one token lives. Whether the session has ended is not in it."""

    @property
    def expires_in(self) -> int:
        """The life of a token in seconds."""

    def issue(self, account_id: UUID, session_id: UUID, now: datetime) -> str: ...

    def read(self, token: str, now: datetime) -> Caller:
        """Raises TokenInvalid for whatever `issue` did not make, and for what has expired."""


class Accounts(Protocol):
    async def get(self, account_id: UUID) -> Account | None: ...

    async def find(self, identity: Identity, *, keep: bool = False) -> Account | None:
        """The account of the identity. With `keep` it cannot be erased before this unit of work ends."""

    async def find_or_add(self, account: Account) -> tuple[Account, bool]:
        """Add the account unless its identity has one; returns the one it has, kept, and whether it was added.

        Of parallel callers exactly one adds; the others wait for that one's unit of work to end.
        """

    async def rename(self, account_id: UUID, name: str | None) -> Account | None:
        """Write the name and return the account as it is now; None when it is gone."""

    async def replace_password(self, account_id: UUID, *, old: str, new: str) -> bool:
        """Write the hash `new` if the account still has `old`, in one statement.

        The account stays locked until the unit of work ends, so whatever else changes its password comes before or
        after this unit as a whole. `new` may equal `old`: then this only makes sure of it.
        """


class Challenges(Protocol):
    """The one live code of each identity and purpose."""

    async def put(self, challenge: Challenge) -> None:
        """Write the challenge in place of the one before it, which is void from then on."""

    async def count_try(self, identity: Identity, purpose: Purpose, *, limit: int, now: datetime) -> bytes | None:
        """Raise the tries and return the code's MAC, in one conditional statement.

        None, with nothing changed, when there is no challenge or it is spent, expired or was tried `limit` times.
        """

    async def spend(self, identity: Identity, purpose: Purpose, code_mac: bytes, *, at: datetime) -> bool:
        """Spend the challenge if it is unspent and still has that MAC. Of parallel callers exactly one gets True."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove those that have expired by `now`; returns how many."""


class Signups(Protocol):
    async def add(self, signup: Signup) -> None: ...

    async def get(self, token_hash: bytes) -> Signup | None: ...

    async def remove(self, token_hash: bytes) -> None:
        """A no-op when there is none."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove those that have expired by `now`; returns how many."""


class Sessions(Protocol):
    """Sessions and every refresh token they have had."""

    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: UUID) -> Session | None: ...

    async def extend(self, session_id: UUID, *, at: datetime, until: datetime) -> Session | None:
        """Note a use and move the expiry to `until`, in one statement; returns the session as it is now.

        None, with nothing changed, when it is gone, has ended, or has expired by `at`.
        """

    async def end(self, session_id: UUID, *, at: datetime) -> bool:
        """End the session. False when it is gone or had ended already."""

    async def forget_before(self, moment: datetime) -> int:
        """Remove sessions that ended or expired before `moment`, with their tokens; returns how many sessions."""

    async def add_token(self, token: RefreshToken) -> None: ...

    async def token(self, token_hash: bytes) -> RefreshToken | None: ...

    async def use_token(self, token_hash: bytes, *, at: datetime) -> UUID | None:
        """Mark an unused token as used and return its session. None when it is unknown or was used before.

        Of parallel callers exactly one gets the session; the others wait for that one's unit of work to end.
        """


class AccountsUnit(Protocol):
    """One transaction. Left without `commit`, nothing of it has happened."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def challenges(self) -> Challenges: ...
    @property
    def signups(self) -> Signups: ...
    @property
    def sessions(self) -> Sessions: ...

    async def commit(self) -> None: ...


class AccountsUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AccountsUnit]:
        """Open a transaction. A read-only one waits for no writer and must not write."""
