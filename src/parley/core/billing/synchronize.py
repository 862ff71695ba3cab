"""Copying a customer's subscriptions from the provider and deriving the plan from them.

Several workers may read one customer at once, and the first to read may be the last to write. So each takes a read
number before it reads, and a subscription read under an earlier number never overwrites one read under a later
number. A change after the latest read sends another event, which reads again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from parley.core.billing import BillingPorts
from parley.core.billing.model import Customer, Subscription, SubscriptionStatus
from parley.core.billing.plan_changes import reporting_plan_change


async def synchronize_subscription(
    billing: BillingPorts, *, customer: Customer, subscription_id: str, event_id: UUID | None = None
) -> None:
    """Read one subscription at the provider, then store it and the resulting plan.

    The event, if any, is marked as handled in the same transaction. Raises PaymentsUnavailable, PaymentsRefused, with
    nothing stored.
    """
    read_number = await _next_read_number(billing, customer)
    found = await billing.provider.subscription(subscription_id)
    # An event may name a customer and another customer's subscription.
    found_here = [] if found is None or found.customer_id != customer.id else [found]
    await _store(billing, customer, found_here, {subscription_id}, read_number, event_id)


async def synchronize_customer(billing: BillingPorts, *, customer: Customer, event_id: UUID | None = None) -> None:
    """The same for all subscriptions of the customer, those already stored and those at the provider."""
    read_number = await _next_read_number(billing, customer)
    found = await billing.provider.subscriptions(customer.id)
    async with billing.uow(read_only=True) as unit:
        stored = await unit.subscriptions.of(customer.account_id)
    expected = {each.id for each in stored if each.customer_id == customer.id}
    await _store(billing, customer, found, expected, read_number, event_id)


async def _next_read_number(billing: BillingPorts, customer: Customer) -> int:
    async with billing.uow() as unit:
        read_number = await unit.customers.next_read_number(customer.id)
        await unit.commit()
    # None: the account was erased meanwhile. `_store` will find no customer either.
    return read_number or 0


async def _store(
    billing: BillingPorts,
    customer: Customer,
    found: list[Subscription],
    expected: set[str],
    read_number: int,
    event_id: UUID | None,
) -> None:
    """Store what was found. Of the ids in `expected`, those not found count as cancelled."""
    account_id, now = customer.account_id, billing.now()
    async with billing.uow() as unit:
        await unit.customers.lock(account_id)
        if await unit.customers.get(customer.id) is not None:
            missing = expected - {each.id for each in found}
            stored = await unit.subscriptions.of(account_id)
            for each in (*found, *_cancelled(stored, customer, missing)):
                await unit.subscriptions.put(each, account_id=account_id, read_number=read_number, now=now)
            subscriptions, before = await unit.subscriptions.of(account_id), await unit.plans.paid(account_id)
            async with reporting_plan_change(billing, unit, account_id, now):
                await unit.plans.set_paid(account_id, _paid(billing, subscriptions, before))
        if event_id is not None:
            await unit.events.handled(event_id, at=now)
        await unit.commit()


def _cancelled(stored: list[Subscription], customer: Customer, missing: set[str]) -> Iterable[Subscription]:
    gone = (each for each in stored if each.id in missing and each.customer_id == customer.id)
    return (replace(each, status=SubscriptionStatus.CANCELED, is_paused=False) for each in gone)


def _paid(
    billing: BillingPorts, subscriptions: Iterable[Subscription], before: Mapping[str, datetime]
) -> dict[str, datetime]:
    """Each plan that is paid for, and until when.

    A subscription whose price the operator took out of every plan does not say which plan that was: what was paid for
    `before` lasts until the end of its period.
    """
    paid: dict[str, datetime] = {}
    for subscription in subscriptions:
        plan, until = billing.plans.paid_by(subscription.prices), subscription.pays_until(billing.grace)
        if until is None:
            continue
        lasting: dict[str, datetime] = {}
        if plan is not None:
            lasting = {plan.name: until}
        elif subscription.price_ended_at is not None:
            lasting = {name: min(until, earlier) for name, earlier in before.items()}
        for name, moment in lasting.items():
            paid[name] = max(moment, paid.get(name, moment))
    return paid
