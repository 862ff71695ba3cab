"""Webhooks: a signed note that something changed. What it changed to is always asked of the provider."""

from datetime import datetime, timedelta
from uuid import UUID

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Customer, ProviderEvent, StoredEvent
from parley.core.billing.ports import EventQueue, PaymentProvider
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.billing.synchronize import synchronize_customer, synchronize_subscription
from parley.core.errors import AccountGone
from parley.core.ports import NewId

# Stripe, «Using webhooks with subscriptions»: what changes who has paid. Other kinds are stored and acknowledged.
KINDS = frozenset(
    {
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_failed",
    }
)
# Longer than the two questions to the provider that processing takes at most.
LEASE_SECONDS = 60.0
FIRST_DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 900.0
OVERDUE_SECONDS = 2.0
SWEEP_LIMIT = 1_000
# Stripe repeats an event for three days; its signature is refused after five minutes anyway.
EVENT_MEMORY = timedelta(days=30)


async def receive_event(
    *,
    uow: BillingUnitOfWork,
    provider: PaymentProvider,
    queue: EventQueue,
    body: bytes,
    signature: str,
    new_id: NewId,
    now: datetime,
) -> None:
    """Store a signed event once and leave the rest to the workers. Raises EventInvalid, with nothing stored."""
    event = provider.read_event(body, signature, now)
    stored = StoredEvent(new_id(), event)
    matters = event.kind in KINDS
    async with uow() as unit:
        added = await unit.events.add(stored, handled=not matters, now=now)
        await unit.commit()
    if added and matters:
        await queue.put(stored.id)


async def process_event(
    *, uow: BillingUnitOfWork, provider: PaymentProvider, event_id: UUID, grace: timedelta, now: datetime
) -> None:
    """Bring the plan to what the provider says now. Until that was possible, the event comes back, ever more rarely."""
    async with uow() as unit:
        stored = await unit.events.claim(event_id, lease=LEASE_SECONDS)
        await unit.commit()
    if stored is None:
        return
    try:
        await _synchronize(uow, provider, stored, grace, now)
    except (PaymentsUnavailable, PaymentsRefused):
        delay = min(FIRST_DELAY_SECONDS * 3.0 ** min(stored.failures, 10), LONGEST_DELAY_SECONDS)
        async with uow() as unit:
            await unit.events.postpone(event_id, seconds=delay)
            await unit.commit()


async def requeue_events(*, uow: BillingUnitOfWork, queue: EventQueue) -> int:
    """Put events that nobody has taken back on the queue; returns how many."""
    async with uow(read_only=True) as unit:
        overdue = await unit.events.overdue(seconds=OVERDUE_SECONDS, limit=SWEEP_LIMIT)
    for event_id in overdue:
        await queue.put(event_id)
    return len(overdue)


async def waiting_events(*, uow: BillingUnitOfWork) -> tuple[int, datetime | None]:
    """How many events wait to be processed, and since when the oldest."""
    async with uow(read_only=True) as unit:
        return await unit.events.waiting()


async def forget_events(*, uow: BillingUnitOfWork, now: datetime) -> int:
    """Remove those that were handled EVENT_MEMORY ago; returns how many."""
    async with uow() as unit:
        forgotten = await unit.events.forget_before(now - EVENT_MEMORY)
        await unit.commit()
    return forgotten


async def _synchronize(
    uow: BillingUnitOfWork, provider: PaymentProvider, stored: StoredEvent, grace: timedelta, now: datetime
) -> None:
    customer = await _customer(uow, provider, stored.event, now)
    if customer is None:
        # Not of this parley: its Stripe account serves others too, or the account was erased.
        async with uow() as unit:
            await unit.events.handled(stored.id, at=now)
            await unit.commit()
    elif stored.event.subscription_id is None:
        await synchronize_customer(
            uow=uow, provider=provider, customer=customer, grace=grace, now=now, event_id=stored.id
        )
    else:
        await synchronize_subscription(
            uow=uow,
            provider=provider,
            customer=customer,
            subscription_id=stored.event.subscription_id,
            grace=grace,
            now=now,
            event_id=stored.id,
        )


async def _customer(
    uow: BillingUnitOfWork, provider: PaymentProvider, event: ProviderEvent, now: datetime
) -> Customer | None:
    """Whom the event is about; one that is new here is known by what we wrote on the subscription."""
    if event.customer_id is not None:
        async with uow(read_only=True) as unit:
            known = await unit.customers.get(event.customer_id)
        if known is not None:
            return known
    if event.subscription_id is None:
        return None
    subscription = await provider.subscription(event.subscription_id)
    if subscription is None or subscription.account_id is None:
        return None
    customer = Customer(subscription.customer_id, subscription.account_id)
    try:
        async with uow() as unit:
            await unit.customers.add(customer, now=now)
            # Known already, it stays whose it was.
            kept = await unit.customers.get(customer.id)
            await unit.commit()
    except AccountGone:
        return None
    return kept
