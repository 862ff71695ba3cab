"""What the billing module stores, as a unit of work and the repositories in it. Times are aware and UTC."""

from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from parley.core.billing.model import Customer, DayUsage, Plan, StoredEvent, Subscription


class Plans(Protocol):
    async def of(self, account_id: UUID, *, now: datetime) -> Plan:
        """The plan that counts: the operator's word, else what is paid for; basic for an account without either."""

    async def override(self, account_id: UUID, plan: Plan | None) -> None:
        """Set the operator's word, which wins over any payment; None takes it back."""

    async def set_paid_until(self, account_id: UUID, moment: datetime | None) -> None:
        """Up to when payments make the plan pro; None is not at all."""


class UsageDays(Protocol):
    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        """The days from `first` on that have any usage, in no order."""


class Customers(Protocol):
    async def of(self, account_id: UUID) -> list[Customer]:
        """The account's customers, by their ids. There are several once the payment provider was changed."""

    async def get(self, customer_id: str) -> Customer | None: ...

    async def add(self, customer: Customer, *, now: datetime) -> None:
        """As reconciled now; a no-op when the id is known. Raises AccountGone for an account that is not there."""

    async def next_read_number(self, customer_id: str) -> int | None:
        """The next number of the customer's row of looks at the provider, from 1; None for an unknown customer."""

    async def lock(self, account_id: UUID) -> None:
        """Whatever else locks the customers of the account, or erases it, comes before or after this unit of work."""

    async def due(self, *, before: datetime, limit: int) -> list[str]:
        """Customers that were not reconciled since `before`, the longest ago first."""

    async def reconciled(self, customer_id: str, *, at: datetime) -> None: ...


class Subscriptions(Protocol):
    async def of(self, account_id: UUID) -> list[Subscription]:
        """All of the account, the latest first."""

    async def put(self, subscription: Subscription, *, account_id: UUID, read_number: int, now: datetime) -> bool:
        """Write it as it was looked at under that ticket, in one conditional statement.

        False, with nothing changed, when a look with a later ticket has been written. `past_due_since` stays as it is
        while the status stays past due, and is `now` when it becomes so.
        """


class Events(Protocol):
    """The webhook's inbox. Leases are by the database's clock."""

    async def add(self, stored: StoredEvent, *, handled: bool, now: datetime) -> bool:
        """False, with nothing changed, when the provider's id of the event is known."""

    async def claim(self, event_id: UUID, *, lease: float) -> StoredEvent | None:
        """Keep it from others for `lease` seconds; None when it is handled, claimed, put off or unknown."""

    async def postpone(self, event_id: UUID, *, seconds: float) -> None:
        """Count a failure; it may be claimed again in so many seconds."""

    async def handled(self, event_id: UUID, *, at: datetime) -> None: ...

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        """Those that could have been claimed for so many seconds, the longest first."""

    async def waiting(self) -> tuple[int, datetime | None]:
        """How many are not handled, and when the oldest of them came."""

    async def forget_before(self, moment: datetime) -> int:
        """Remove those that were handled before `moment`; returns how many."""


class CustomerErasures(Protocol):
    """Customers of erased accounts, still to be erased at the provider. Leases are by the database's clock."""

    async def add(self, customer_id: str) -> None:
        """To be claimed at once; a no-op when it is there."""

    async def claim(self, *, lease: float, limit: int) -> list[tuple[str, int]]:
        """Due ones, kept from others for `lease` seconds, each with how often it has failed."""

    async def postpone(self, customer_id: str, *, seconds: float) -> None:
        """Count a failure; it may be claimed again in so many seconds."""

    async def remove(self, customer_id: str) -> None: ...


class Leases(Protocol):
    """What one worker at a time may do."""

    async def take(self, name: str, holder: UUID, *, seconds: float) -> bool:
        """Take or renew the lease, in one conditional statement, by the database's clock. False: another has it."""

    async def give_back(self, name: str, holder: UUID) -> None:
        """A no-op when another has it."""


class BillingUnit(Protocol):
    """One transaction. Left without `commit`, nothing of it has happened."""

    @property
    def plans(self) -> Plans: ...
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

    async def commit(self) -> None: ...


class BillingUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[BillingUnit]:
        """Open a transaction. A read-only one waits for no writer and must not write."""
