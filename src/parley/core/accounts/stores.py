"""What the accounts module stores, as a unit of work and the repositories in it. Times are aware and UTC."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.accounts.model import (
    Account,
    Challenge,
    Delivery,
    Identity,
    Purpose,
    RefreshToken,
    Revocation,
    Session,
    Signup,
)


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

    async def lock(self, account_id: UUID) -> Account | None:
        """The account; nobody signs in to it, or adds anything to it, before this unit of work ends."""

    async def set_password(self, account_id: UUID, new: str) -> bool:
        """Write the hash `new` whatever the account had; False when it is gone. It locks as `replace_password` does."""

    async def remove(self, account_id: UUID) -> bool:
        """Remove the account and its sessions; False when it is gone already."""

    async def replace_password(self, account_id: UUID, *, old: str | None, new: str) -> bool:
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

    async def forget(self, identity: Identity) -> None:
        """Remove all of the identity's."""


class Deliveries(Protocol):
    """Codes on their way, at most one for each identity and purpose. Leases are by the database's clock."""

    async def put(self, delivery: Delivery) -> None:
        """Write the delivery, to be claimed at once, in place of an earlier code's."""

    async def claim(self, delivery_id: UUID, *, lease: float, now: datetime) -> Delivery | None:
        """Keep it from others for `lease` seconds, in one conditional statement.

        None, with nothing changed, when it is gone, expired by `now`, claimed, or put off to a later time.
        """

    async def postpone(self, delivery_id: UUID, *, seconds: float) -> None:
        """Count a failure; it may be claimed again in so many seconds. A no-op when it is gone."""

    async def remove(self, delivery_id: UUID) -> None:
        """A no-op when it is gone."""

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        """Those that could have been claimed for so many seconds, the longest first."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove those that have expired by `now`; returns how many."""

    async def forget(self, identity: Identity) -> None:
        """Remove all of the identity's."""


class Signups(Protocol):
    async def add(self, signup: Signup) -> None: ...

    async def get(self, token_hash: bytes) -> Signup | None: ...

    async def remove(self, token_hash: bytes) -> None:
        """A no-op when there is none."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove those that have expired by `now`; returns how many."""

    async def forget(self, identity: Identity) -> None:
        """Remove all of the identity's."""


class Sessions(Protocol):
    """Sessions and the refresh tokens they have had."""

    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: UUID) -> Session | None: ...

    async def extend(self, session_id: UUID, *, at: datetime, until: datetime) -> Session | None:
        """Note a use and move the expiry to `until`, in one statement; returns the session as it is now.

        None, with nothing changed, when it is gone, has ended, or has expired by `at`.
        """

    async def end(self, session_id: UUID, *, at: datetime) -> bool:
        """End the session. False when it is gone or had ended already."""

    async def page(self, account_id: UUID, *, now: datetime, before: UUID | None, limit: int) -> list[Session]:
        """The account's live sessions, the newest first; with `before` those that are older than that one."""

    async def end_all(self, account_id: UUID, *, at: datetime, but: UUID | None = None) -> list[UUID]:
        """End the account's sessions, all but the one named; returns those that had not ended before."""

    async def forget_before(self, moment: datetime) -> int:
        """Remove sessions that ended or expired before `moment`, with their tokens; returns how many sessions."""

    async def forget_tokens(self, moment: datetime) -> int:
        """Remove tokens that were used before `moment`; returns how many."""

    async def add_token(self, token: RefreshToken) -> None: ...

    async def token(self, token_hash: bytes) -> RefreshToken | None: ...

    async def use_token(self, token_hash: bytes, *, at: datetime) -> UUID | None:
        """Mark an unused token as used and return its session. None when it is unknown or was used before.

        Of parallel callers exactly one gets the session; the others wait for that one's unit of work to end.
        """


class Revocations(Protocol):
    """Sessions that ended while access tokens of theirs may be about. They outlive their session and its account."""

    async def add(self, session_ids: Iterable[UUID], *, until: datetime) -> None: ...

    async def latest(self, seconds: float | None) -> list[Revocation]:
        """Those written in the last `seconds` by the database's clock, or all."""

    async def has(self, session_id: UUID) -> bool: ...

    async def forget_expired(self, now: datetime) -> int:
        """Remove those whose `until` is past; returns how many."""


class AccountErasure(Protocol):
    """What other modules keep of an account."""

    async def lock(self, account_id: UUID) -> None:
        """Lock the account's rooms, and keep new ones from being added, before `Accounts.lock` locks the account."""

    async def erase(self, account_id: UUID) -> None:
        """Remove all of it, before the account itself goes, in this unit of work.

        What must remain, such as a subscription that is still to be cancelled, holds no personal data.
        """


class AccountsUnit(Protocol):
    """One transaction. Left without `commit`, nothing of it has happened."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def challenges(self) -> Challenges: ...
    @property
    def deliveries(self) -> Deliveries: ...
    @property
    def signups(self) -> Signups: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def revocations(self) -> Revocations: ...
    @property
    def account_erasure(self) -> AccountErasure: ...

    async def commit(self) -> None: ...


class AccountsUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AccountsUnit]:
        """Open a transaction. A read-only one waits for no writer and must not write."""
