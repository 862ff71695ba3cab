"""Plans, what they allow, and the subscriptions that pay for them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from uuid import UUID

HISTORY_DAYS = 30
# Later than anything: a subscription that is good now is good until its provider says otherwise.
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


class Plan(str, Enum):
    BASIC = "basic"
    PRO = "pro"


def daily_limit(plan: Plan, *, basic: int) -> int | None:
    """The messages that the plan allows in a UTC day; None is without limit."""
    return basic if plan is Plan.BASIC else None


class SubscriptionStatus(str, Enum):
    """As Stripe names them (API reference, «The Subscription object», status)."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    UNPAID = "unpaid"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its provider has it.

    `account_id` is what we wrote on it when it began. `past_due_since` is when we learned that it is past due.
    """

    id: str
    customer_id: str
    account_id: UUID | None
    status: SubscriptionStatus
    current_period_end: datetime | None
    cancel_at_period_end: bool
    past_due_since: datetime | None = None

    def has_run_out(self, now: datetime) -> bool:
        """It was to end with its period, and that is over, whether or not anybody has said so."""
        end = self.current_period_end
        return self.cancel_at_period_end and end is not None and end <= now

    def pays_until(self, grace: timedelta) -> datetime | None:
        """Up to when it makes the plan pro; None when it does not."""
        match self.status:
            case SubscriptionStatus.ACTIVE | SubscriptionStatus.TRIALING:
                ends = self.current_period_end if self.cancel_at_period_end else None
                return ends or FOREVER
            case SubscriptionStatus.PAST_DUE:
                return None if self.past_due_since is None else self.past_due_since + grace
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Customer:
    """The account as the payment provider knows it. `id` is the provider's.

    `reads` counts the looks at what it has subscribed: it grows with everything that happens there.
    """

    id: str
    account_id: UUID
    reads: int = 0


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What a verified webhook said has changed: a hint where to look, never the state itself.

    `id` and `kind` are the provider's words; the other two are None where the event has no such thing.
    """

    id: str
    kind: str
    customer_id: str | None
    subscription_id: str | None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event under our own id. `failures` counts the times that it could not be processed."""

    id: UUID
    event: ProviderEvent
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the customer pays; `session_id` is the provider's."""

    url: str
    session_id: str


@dataclass(frozen=True, slots=True)
class ReturnAddresses:
    """Where the provider sends the customer back to: absolute addresses."""

    paid: str
    cancelled: str
    portal: str


@dataclass(frozen=True, slots=True)
class SubscriptionOverview:
    """The plan that counts now, and the subscription behind it or, without one that pays, the latest there was."""

    plan: Plan
    subscription: Subscription | None


@dataclass(frozen=True, slots=True)
class DayUsage:
    day: date
    used: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The day's quota, and the last HISTORY_DAYS days with this one first. `limit` is None on a plan without one."""

    plan: Plan
    limit: int | None
    resets_at: datetime
    history: tuple[DayUsage, ...]

    @property
    def today(self) -> DayUsage:
        return self.history[0]

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.today.used)
