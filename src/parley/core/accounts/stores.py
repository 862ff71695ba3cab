"""Storage of the accounts module: a unit of work and its repositories. Times are aware and UTC."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from parley.core.accounts.api_key_store import ApiKeys
from parley.core.accounts.model import (
    Account,
    Challenge,
    Delivery,
    Failures,
    Identity,
    Purpose,
    RefreshToken,
    Revocation,
    Session,
    Signup,
)
from parley.core.accounts.suspension_store import Suspensions
from parley.core.outgoing_events import OutgoingEvents


class Accounts(Protocol):
    async def get(self, account_id: UUID) -> Account | None: ...

    async def find(self, identity: Identity, *, prevent_erasure: bool = False) -> Account | None:
        """The account of the identity. With `prevent_erasure` an erasure waits until this unit of work ends."""

    async def find_or_add(self, account: Account) -> tuple[Account, bool]:
        """Add the account unless its identity has one; returns the identity's account and whether it was added.

        An account that is added counts as a sign-up of its day. Erasure of the account waits until this unit of work
        ends. Of parallel callers exactly one adds; the others wait for that unit of work to end.
        """

    async def rename(self, account_id: UUID, name: str | None) -> Account | None:
        """Write the name; returns the changed account, or None when it is gone."""

    async def lock(self, account_id: UUID) -> Account | None:
        """The account, or None. Sign-ins and inserts of rows that refer to it wait until this unit of work ends."""

    async def set_password(self, account_id: UUID, new: str) -> bool:
        """Write the hash `new` unconditionally; False when the account is gone. Locks as `replace_password` does."""

    async def remove(self, account_id: UUID) -> bool:
        """Remove the account and its sessions; False when it is gone already."""

    async def replace_password(self, account_id: UUID, *, old: str | None, new: str) -> bool:
        """Write the hash `new` if the account still has `old`, in one statement.

        The account stays locked until the unit of work ends, so other changes of the password come before or after
        this unit as a whole. With `new` equal to `old` it only checks and locks.
        """


class Challenges(Protocol):
    """Requests for codes. Any number of one identity and purpose may exist; `get` finds spent and expired ones too."""

    async def add(self, challenge: Challenge) -> None: ...

    async def get(self, id_hash: bytes) -> Challenge | None: ...

    async def latest(self, identity: Identity, purpose: Purpose, source: str) -> Challenge | None:
        """The newest challenge that this source asked for, or None."""

    async def count_try(self, id_hash: bytes, *, limit: int, now: datetime) -> bytes | None:
        """Count a try and return the code's MAC, in one conditional statement.

        None, with nothing changed, if there is no challenge or it is spent, expired or was tried `limit` times.
        """

    async def undo_try(self, id_hash: bytes) -> None:
        """Remove a try that `count_try` counted. A no-op when there is no challenge."""

    async def spend(self, id_hash: bytes, *, at: datetime) -> bool:
        """Spend the challenge if it is unspent. Of parallel callers exactly one gets True."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove expired rows; returns how many."""

    async def forget(self, identity: Identity) -> None:
        """Remove all rows of the identity."""


class GuessFailures(Protocol):
    """Consecutive failed guesses at an identity by source, and their total over the sources that are not known.

    In a unit of work these calls come before those of every other repository, which is the order of the locks.
    """

    async def read(self, identity: Identity, source: str, *, now: datetime) -> Failures:
        """The failures so far; without any, `last_failed_at` is `now`."""

    async def lock(self, identity: Identity, source: str, *, now: datetime) -> Failures:
        """As `read`. Other callers of `lock` and `clear` for the identity wait until this unit of work ends."""

    async def add(self, identity: Identity, source: str, *, at: datetime, in_total: bool) -> None:
        """Count one failure, also in the total if `in_total`. Called after `lock`."""

    async def undo(self, identity: Identity, source: str, *, in_total: bool, at: datetime, earlier: datetime) -> None:
        """Remove one failure that `add` counted at `at`.

        `earlier` is the source's last failure again, unless there was one after `at`.
        """

    async def mark_notified(self, identity: Identity, *, at: datetime) -> None:
        """Record that the owner was notified. Called after `lock`."""

    async def clear(self, identity: Identity, source: str, *, in_total: bool) -> None:
        """Remove the source's failures, also from the total if they are counted there."""

    async def forget(self, identity: Identity) -> None:
        """Remove all rows of the identity."""

    async def forget_before(self, moment: datetime) -> int:
        """Remove the rows, totals included, whose last failure was before `moment`; returns how many."""


class Devices(Protocol):
    """Hashes of the tokens of known devices, by identity."""

    async def add(self, identity: Identity, token_hash: bytes, *, until: datetime) -> None: ...

    async def has(self, identity: Identity, token_hash: bytes, *, now: datetime) -> bool:
        """Whether the token is one of the identity's and has not expired."""

    async def renew(self, identity: Identity, token_hash: bytes, *, now: datetime, until: datetime) -> bool:
        """Let the token expire at `until`, in one statement. False, with nothing changed, unless `has` is true."""

    async def forget(self, identity: Identity) -> None:
        """Remove all rows of the identity."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove expired rows; returns how many."""


class Deliveries(Protocol):
    """Codes and notices that are still to be sent. Leases use the database's clock."""

    async def put(self, delivery: Delivery) -> None:
        """Store the delivery, claimable at once."""

    async def claim(self, delivery_id: UUID, *, lease: float, now: datetime) -> Delivery | None:
        """Reserve the delivery for `lease` seconds, in one conditional statement.

        None, with nothing changed, if it is gone, expired, claimed or postponed.
        """

    async def postpone(self, delivery_id: UUID, *, seconds: float) -> None:
        """Count a failure and make it claimable again in `seconds`. A no-op when it is gone."""

    async def remove(self, delivery_id: UUID) -> None:
        """A no-op when it is gone."""

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        """Ids that have been claimable for at least `seconds`, the longest first."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove expired rows; returns how many."""

    async def forget(self, identity: Identity) -> None:
        """Remove all rows of the identity."""


class Signups(Protocol):
    async def add(self, signup: Signup) -> None: ...

    async def get(self, token_hash: bytes) -> Signup | None: ...

    async def remove(self, token_hash: bytes) -> None:
        """A no-op when there is none."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove expired rows; returns how many."""

    async def forget(self, identity: Identity) -> None:
        """Remove all rows of the identity."""


class Sessions(Protocol):
    """Sessions and their refresh tokens; `get` and `token` find ended, expired and used ones too."""

    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: UUID) -> Session | None: ...

    async def extend(self, session_id: UUID, *, at: datetime, until: datetime) -> Session | None:
        """Record a use and set the expiry to `until`, in one statement; returns the changed session.

        None, with nothing changed, if it is gone, has ended, or has expired by `at`.
        """

    async def end(self, session_id: UUID, *, at: datetime) -> bool:
        """End the session; False if it is gone or has ended already."""

    async def page(self, account_id: UUID, *, now: datetime, before: UUID | None, limit: int) -> list[Session]:
        """The account's live sessions, newest first; with `before` only those older than that session."""

    async def end_all(self, account_id: UUID, *, at: datetime, but: UUID | None = None) -> list[UUID]:
        """End all sessions of the account except `but`; returns the ids of those that had not ended before."""

    async def forget_before(self, moment: datetime) -> int:
        """Remove sessions that ended or expired before `moment`, with their tokens; returns how many sessions."""

    async def forget_used_tokens(self, session_id: UUID, *, before: datetime) -> None:
        """Remove those of the session's refresh tokens that were used before that moment."""

    async def add_token(self, token: RefreshToken) -> None: ...

    async def token(self, token_hash: bytes) -> RefreshToken | None: ...

    async def use_token(self, token_hash: bytes, *, at: datetime) -> UUID | None:
        """Mark an unused token as used; returns its session's id, or None if it is unknown or was used before.

        Of parallel callers exactly one gets the id; the others wait for that unit of work to end.
        """


class Revocations(Protocol):
    """Ended sessions that may still have unexpired access tokens. The rows outlive the session and its account."""

    async def add(self, session_ids: Iterable[UUID], *, until: datetime) -> None: ...

    async def latest(self, seconds: float | None) -> list[Revocation]:
        """Revocations written in the last `seconds` by the database's clock; with None all of them."""

    async def has(self, session_id: UUID) -> bool: ...

    async def forget_expired(self, now: datetime) -> int:
        """Remove rows whose `until` is past; returns how many."""


class AccountErasure(Protocol):
    """Erases what the other modules store for an account, in the same transaction."""

    async def lock(self, account_id: UUID) -> None:
        """Lock the account's rooms, and keep new ones from being added, before `Accounts.lock` locks the account."""

    async def erase(self, account_id: UUID) -> None:
        """Remove those rows. Called before the account itself is removed.

        What must remain, such as a subscription that is still to be cancelled, contains no personal data.
        """


class ErasedUsage(Protocol):
    """What erased accounts had used, by day and by owner, a hash of whom a later account can have the same."""

    async def store(self, account_id: UUID, owner: bytes, *, since: date) -> None:
        """Store the account's usage of `since` and later days for the owner, before the account is removed.

        Where the owner has some already, the larger numbers remain. Called while the account and its rooms are locked.
        """

    async def restore(self, account_id: UUID, owner: bytes, *, since: date) -> None:
        """Give a new account the owner's usage of `since` and later days."""

    async def forget_before(self, day: date) -> int:
        """Remove the rows of earlier days; returns how many."""


class AccountsUnit(Protocol):
    """One transaction. Without `commit` it is rolled back at its end."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def challenges(self) -> Challenges: ...
    @property
    def failures(self) -> GuessFailures: ...
    @property
    def devices(self) -> Devices: ...
    @property
    def deliveries(self) -> Deliveries: ...
    @property
    def signups(self) -> Signups: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def revocations(self) -> Revocations: ...
    @property
    def suspensions(self) -> Suspensions: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def account_erasure(self) -> AccountErasure: ...
    @property
    def erased_usage(self) -> ErasedUsage: ...
    @property
    def outgoing_events(self) -> OutgoingEvents: ...

    async def commit(self) -> None: ...


class AccountsUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AccountsUnit]:
        """Open a transaction. A read-only one never waits for writers and must not write."""
