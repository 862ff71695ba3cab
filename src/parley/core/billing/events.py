"""Webhook events: signed notes that something changed. The new state is always read from the provider."""

from datetime import timedelta
from uuid import UUID

from parley.core.billing import BillingPorts
from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Customer, ProviderEvent, StoredEvent, retry_delay
from parley.core.billing.synchronize import synchronize_customer, synchronize_subscription
from parley.core.errors import AccountGone

# The kinds about a subscription that can change a plan (Stripe docs, «Using webhooks with subscriptions»).
PLAN_EVENT_KINDS = frozenset(
    {
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_failed",
    }
)
# All others are only acknowledged.
_RELEVANT_KINDS = PLAN_EVENT_KINDS | {"customer.deleted"}
# Longer than the two provider calls that processing an event makes at most, of 12 seconds each.
EVENT_LEASE_SECONDS = 60.0
FIRST_DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 900.0
OVERDUE_SECONDS = 2.0
SWEEP_LEASE = "overdue_events"
# Longer than one sweep takes; after the death of the worker that holds it another continues.
SWEEP_LEASE_SECONDS = 5.0
SWEEP_LIMIT = 1_000
# Longer than the three days for which Stripe repeats an event.
EVENT_MEMORY = timedelta(days=30)


async def receive_event(billing: BillingPorts, *, body: bytes, signature: str) -> None:
    """Store a signed event once and queue it for the workers. Raises EventInvalid, with nothing stored."""
    now = billing.now()
    event = billing.provider.read_event(body, signature, now)
    stored = StoredEvent(billing.new_id(), event)
    is_relevant = event.kind in _RELEVANT_KINDS
    async with billing.uow() as unit:
        added = await unit.events.add(stored, handled=not is_relevant, now=now)
        await unit.commit()
    if added and is_relevant:
        await billing.event_queue.put(stored.id)


async def process_event(billing: BillingPorts, event_id: UUID) -> None:
    """Update the plan to what the provider says now; if the provider fails, retry later with growing delays."""
    async with billing.uow() as unit:
        stored = await unit.events.claim(event_id, lease=EVENT_LEASE_SECONDS)
        await unit.commit()
    if stored is None:
        return
    try:
        await _synchronize(billing, stored)
    except (PaymentsUnavailable, PaymentsRefused):
        delay = retry_delay(stored.failures, first=FIRST_DELAY_SECONDS, longest=LONGEST_DELAY_SECONDS)
        async with billing.uow() as unit:
            await unit.events.postpone(event_id, seconds=delay)
            await unit.commit()


async def requeue_events(billing: BillingPorts) -> int:
    """Queue events again that no worker has claimed; returns how many.

    One worker at a time does this, and none writes anything while no event is overdue.
    """
    async with billing.uow(read_only=True) as unit:
        overdue = await unit.events.overdue(seconds=OVERDUE_SECONDS, limit=SWEEP_LIMIT)
    if not overdue:
        return 0
    async with billing.uow() as unit:
        if not await unit.leases.take(SWEEP_LEASE, billing.worker_id, seconds=SWEEP_LEASE_SECONDS):
            return 0
        await unit.commit()
    for event_id in overdue:
        await billing.event_queue.put(event_id)
    return len(overdue)


async def forget_events(billing: BillingPorts) -> int:
    """Remove events that were handled longer than EVENT_MEMORY ago; returns how many."""
    async with billing.uow() as unit:
        forgotten = await unit.events.forget_before(billing.now() - EVENT_MEMORY)
        await unit.commit()
    return forgotten


async def _synchronize(billing: BillingPorts, stored: StoredEvent) -> None:
    customer = await _customer_of(billing, stored.event)
    if customer is None:
        # Another product shares this provider account, or the account was erased.
        async with billing.uow() as unit:
            await unit.events.handled(stored.id, at=billing.now())
            await unit.commit()
    elif stored.event.subscription_id is None:
        await synchronize_customer(billing, customer=customer, event_id=stored.id)
    else:
        await synchronize_subscription(
            billing, customer=customer, subscription_id=stored.event.subscription_id, event_id=stored.id
        )


async def _customer_of(billing: BillingPorts, event: ProviderEvent) -> Customer | None:
    """The event's customer. An unknown one is added for the account that its subscription's metadata names."""
    if event.customer_id is not None:
        async with billing.uow(read_only=True) as unit:
            known = await unit.customers.get(event.customer_id)
        if known is not None:
            return known
    if event.subscription_id is None:
        return None
    subscription = await billing.provider.subscription(event.subscription_id)
    if subscription is None or subscription.account_id is None:
        return None
    customer = Customer(subscription.customer_id, subscription.account_id)
    try:
        async with billing.uow() as unit:
            await unit.customers.add(customer, now=billing.now())
            # The stored account of a known customer has precedence over the metadata.
            stored = await unit.customers.get(customer.id)
            await unit.commit()
    except AccountGone:
        return None
    return stored
