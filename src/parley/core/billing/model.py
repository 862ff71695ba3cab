"""Subscriptions, which pay for plans, webhook events, and usage."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from uuid import UUID

from parley.core.plans import Plan
from parley.core.token_limits import TokenAllowance

HISTORY_DAYS = 30
# Paid until further notice: the provider reports when that changes.
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


# How many messages a day are returned whose replies failed because of what was written: their attempts are paid for.
MOST_RETURNED_REFUSALS = 3


class SubscriptionStatus(str, Enum):
    """Stripe's names (API reference, «The Subscription object», `status`)."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    UNPAID = "unpaid"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    PAUSED = "paused"


# A second subscription beside one of these would be paid twice.
RUNNING = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its provider reports it.

    `account_id` is from the metadata that we set at checkout. `past_due_since` is when we learned that it is past due.
    `prices` are the provider's ids of what it pays for; a row that an older version stored has none. `cancel_at` is a
    fixed time of its end, which may be in a later period than the current one. `is_paused` says that the operator
    provides nothing meanwhile, `has_our_price` that a plan has one of its prices. `price_ended_at` is when what was
    paid at such a price ended, None while it has one; `prices` are the earlier ones then.
    """

    id: str
    customer_id: str
    account_id: UUID | None
    status: SubscriptionStatus
    current_period_end: datetime | None
    cancel_at_period_end: bool
    past_due_since: datetime | None = None
    cancel_at: datetime | None = None
    is_paused: bool = False
    has_our_price: bool = True
    price_ended_at: datetime | None = None
    prices: tuple[str, ...] = ()

    @property
    def ends_at(self) -> datetime:
        """When it ends if no event comes; FOREVER if it is renewed."""
        period_end = self.current_period_end if self.cancel_at_period_end else None
        return min(moment or FOREVER for moment in (period_end, self.cancel_at, self.price_ended_at))

    @property
    def shown_status(self) -> SubscriptionStatus:
        """Paused also if only the operator paused it, which does not change its status at the provider."""
        return SubscriptionStatus.PAUSED if self.is_paused and self.status in RUNNING else self.status

    def is_running(self, now: datetime) -> bool:
        return self.status in RUNNING and now < self.ends_at

    def pays_until(self, grace: timedelta) -> datetime | None:
        """Until when it pays for its plan; None if it does not."""
        if self.is_paused:
            return None
        match self.status:
            case SubscriptionStatus.ACTIVE | SubscriptionStatus.TRIALING:
                return self.ends_at
            case SubscriptionStatus.PAST_DUE:
                return None if self.past_due_since is None else min(self.past_due_since + grace, self.ends_at)
            case _:
                return None

    def pays_at(self, now: datetime, grace: timedelta) -> bool:
        until = self.pays_until(grace)
        return until is not None and now < until


@dataclass(frozen=True, slots=True)
class Customer:
    """An account at the payment provider. `id` is the provider's.

    `reads` is the number of the latest read of its subscriptions. `is_gone` says that the provider does not know it any
    more: it was deleted there, or is of another account of the operator.
    """

    id: str
    account_id: UUID
    reads: int = 0
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """What a verified webhook says has changed: a hint what to read, never the state itself.

    `id` and `kind` are the provider's; the other two are None if the event names none.
    """

    id: str
    kind: str
    customer_id: str | None
    subscription_id: str | None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event under an id of ours. `failures` counts failed attempts to process it."""

    id: UUID
    event: ProviderEvent
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What a subscription costs. `amount` is in the smallest unit of `currency`, None where it depends on use.

    A price that is not `is_active` is no longer sold, but subscriptions may still pay it. `currency` is an ISO 4217
    code in small letters; a price is due every `interval_count` intervals of day, week, month or year.
    """

    id: str
    amount: int | None
    currency: str
    interval: str
    interval_count: int = 1
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page on which the customer pays; `session_id` is the provider's."""

    url: str
    session_id: str


@dataclass(frozen=True, slots=True)
class ReturnAddresses:
    """Absolute addresses to which the provider sends the customer back."""

    paid: str
    cancelled: str
    portal: str


@dataclass(frozen=True, slots=True)
class SubscriptionOverview:
    """The current plan, and the subscription that pays for it or, if none does, the latest one."""

    plan: Plan
    subscription: Subscription | None


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What an account used on a day.

    Of the tokens, `estimated_tokens` were counted by no provider, and the price of `priced_tokens` is known: they cost
    `cost` billionths of a US dollar.
    """

    day: date
    used: int
    input_tokens: int
    output_tokens: int
    estimated_tokens: int = 0
    priced_tokens: int = 0
    cost: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def whole_cost(self) -> int | None:
        """In billionths of a US dollar; None unless the price of all its tokens is known."""
        return self.cost if self.priced_tokens == self.tokens else None


@dataclass(frozen=True, slots=True)
class Usage:
    """Today's quota, and the last HISTORY_DAYS days, today first. `limit` is None on a plan without one.

    `tokens_of_day` and `tokens_of_month` are what the plan allows of them, whether it limits them or not.
    """

    plan: Plan
    limit: int | None
    resets_at: datetime
    history: tuple[DayUsage, ...]
    tokens_of_day: TokenAllowance
    tokens_of_month: TokenAllowance

    @property
    def today(self) -> DayUsage:
        return self.history[0]

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.today.used)


def retry_delay(failures: int, *, first: float, longest: float) -> float:
    """Seconds until the next attempt: `first`, tripled for every earlier failure, up to `longest`."""
    return min(first * 3.0 ** min(failures, 10), longest)
