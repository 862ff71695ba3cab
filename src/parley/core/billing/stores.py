"""The storage of the billing module: a unit of work and its repositories. Times are aware and in UTC."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from parley.core.billing.model import Customer, DayUsage, StoredEvent, Subscription
from parley.core.outgoing_events import OutgoingEvents
from parley.core.ports import Leases


class Plans(Protocol):
    async def of(self, account_id: UUID, *, now: datetime) -> str:
        """The name of the plan that counts: the operator's override, else the last one in order that is paid for at
        `now`, else the free one. Plans that the operator no longer has do not count."""

    async def override_of(self, account_id: UUID) -> str | None:
        """The operator's plan, also one that the operator no longer has; None where payments decide."""

    async def override(self, account_id: UUID, plan: str | None) -> None:
        """Set the operator's plan, which wins over any payment; None removes it."""

    async def paid(self, account_id: UUID) -> Mapping[str, datetime]:
        """What the latest `set_paid` wrote."""

    async def set_paid(self, account_id: UUID, paid: Mapping[str, datetime]) -> None:
        """Replace the plans that are paid for, each until its moment."""


class ReportedPlans(Protocol):
    """The plan of each account that `plan.changed` reported last, and when it may change without a write."""

    async def lock(self, account_id: UUID) -> str | None:
        """The plan, None if none was reported; others wait until this unit of work ends. Raises AccountGone."""

    async def put(self, account_id: UUID, plan: str, *, changes_at: datetime | None) -> None:
        """Store what was reported, after `lock`, and the moment after which the plan may be another one."""

    async def due(self, *, now: datetime, limit: int) -> list[UUID]:
        """Accounts whose moment has come, the earliest first."""


class UsageDays(Protocol):
    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        """The days from `first` on that have any usage, in no particular order."""

    async def reserved(self, account_id: UUID, first: date) -> Mapping[date, int]:
        """The tokens that unfinished replies of the days from `first` on have reserved."""


class Customers(Protocol):
    async def of(self, account_id: UUID) -> list[Customer]:
        """The account's customers, ordered by id. There are several after a change of the payment provider."""

    async def get(self, customer_id: str) -> Customer | None: ...

    async def add(self, customer: Customer, *, now: datetime) -> None:
        """Add a customer, reconciled as of `now`; a no-op for a known id. Raises AccountGone for an unknown account."""

    async def mark_gone(self, customer_id: str) -> None:
        """Record that the provider does not know the customer any more; a no-op for an unknown one."""

    async def next_read_number(self, customer_id: str) -> int | None:
        """Count a read of the customer at the provider and return its number, from 1; None for an unknown customer."""

    async def lock(self, account_id: UUID) -> None:
        """Lock the account against erasure, then its customers, ordered by id, until the unit of work ends.

        A no-op for an unknown account. Units of work that lock the same account run one after the other.
        """

    async def due(self, *, before: datetime, limit: int) -> list[str]:
        """Ids of customers last reconciled before `before`, the oldest first."""

    async def reconciled(self, customer_id: str, *, at: datetime) -> None:
        """Record the time of the reconcile; a no-op for an unknown customer."""


class Subscriptions(Protocol):
    async def of(self, account_id: UUID) -> list[Subscription]:
        """The account's subscriptions, the latest stored first."""

    async def put(self, subscription: Subscription, *, account_id: UUID, read_number: int, now: datetime) -> bool:
        """Store the subscription as read under that number, in one conditional statement.

        False, with nothing changed, if one read under a later number is stored. `past_due_since` is set to `now` when
        the status becomes past due and stays unchanged while it remains so; the value in `subscription` is ignored.
        So is `price_ended_at`: it is set when the price becomes another than ours, to the end of the period that was
        stored before or else to `now`, and stays unchanged while the price remains so.
        """

    async def doubled(self, now: datetime) -> list[UUID]:
        """Accounts with more than one subscription that is running at `now`, at most 10, in no particular order."""


class Events(Protocol):
    """Received webhook events. Leases go by the database's clock."""

    async def add(self, stored: StoredEvent, *, handled: bool, now: datetime) -> bool:
        """False, with nothing changed, if the provider's id of the event is known."""

    async def claim(self, event_id: UUID, *, lease: float) -> StoredEvent | None:
        """Claim it for `lease` seconds; None if it is handled, claimed, postponed or unknown."""

    async def postpone(self, event_id: UUID, *, seconds: float) -> None:
        """Count a failure and end the claim; it may be claimed again after `seconds`."""

    async def handled(self, event_id: UUID, *, at: datetime) -> None:
        """Mark it as handled, so that it is never claimed again."""

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        """Events that have been claimable for `seconds`, the longest waiting first."""

    async def waiting(self) -> tuple[int, datetime | None]:
        """How many are not handled, and when the oldest of them arrived."""

    async def forget_before(self, moment: datetime) -> int:
        """Remove events handled before `moment`; returns how many."""


class CustomerErasures(Protocol):
    """Customers of erased accounts that are still to be erased at the provider. Leases go by the database's clock."""

    async def add(self, customer_id: str) -> None:
        """Add it, claimable at once; a no-op if it is there."""

    async def claim(self, *, lease: float, limit: int) -> list[tuple[str, int]]:
        """Claim up to `limit` due ones for `lease` seconds; returns each with its count of failures."""

    async def postpone(self, customer_id: str, *, seconds: float) -> None:
        """Count a failure and end the claim; it may be claimed again after `seconds`."""

    async def remove(self, customer_id: str) -> None:
        """Remove it, done; a no-op if it is not there."""


class BillingUnit(Protocol):
    """One transaction. Without `commit`, leaving it rolls everything back."""

    @property
    def plans(self) -> Plans: ...
    @property
    def reported_plans(self) -> ReportedPlans: ...
    @property
    def usage_days(self) -> UsageDays: ...
    @property
    def customers(self) -> Customers: ...
    @property
    def subscriptions(self) -> Subscriptions: ...
    @property
    def events(self) -> Events: ...
    @property
    def customer_erasures(self) -> CustomerErasures: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def outgoing_events(self) -> OutgoingEvents: ...

    async def commit(self) -> None: ...


class BillingUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[BillingUnit]:
        """Open a transaction. A read-only one does not wait for writers and must not write."""
