"""Copying what the provider says of a customer, and working the plan out of it.

Several workers may look at one customer at once, and the one that looked first may write last. Each takes a ticket
before it looks, and what was seen under an earlier ticket never overwrites what was seen under a later one. Whatever
happens after the latest look sends an event of its own, which looks again.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.billing.model import Customer, Subscription, SubscriptionStatus
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.stores import BillingUnitOfWork


async def synchronize_subscription(
    *,
    uow: BillingUnitOfWork,
    provider: PaymentProvider,
    customer: Customer,
    subscription_id: str,
    grace: timedelta,
    now: datetime,
    event_id: UUID | None = None,
) -> None:
    """Look at one subscription. The event, if any, counts as handled in the transaction that writes what was seen.

    Raises PaymentsUnavailable, PaymentsRefused, with nothing written.
    """
    read_number = await _ticket(uow, customer)
    found = await provider.subscription(subscription_id)
    # One of another customer is none of theirs, whatever named the two together.
    seen = [] if found is None or found.customer_id != customer.id else [found]
    await _write(uow, customer, seen, {subscription_id}, read_number, grace, now, event_id)


async def synchronize_customer(
    *,
    uow: BillingUnitOfWork,
    provider: PaymentProvider,
    customer: Customer,
    grace: timedelta,
    now: datetime,
    event_id: UUID | None = None,
) -> None:
    """Look at everything that the customer has or had. Otherwise as `synchronize_subscription`."""
    read_number = await _ticket(uow, customer)
    seen = await provider.subscriptions(customer.id)
    async with uow(read_only=True) as unit:
        known = {
            each.id for each in await unit.subscriptions.of(customer.account_id) if each.customer_id == customer.id
        }
    await _write(uow, customer, seen, known, read_number, grace, now, event_id)


async def _ticket(uow: BillingUnitOfWork, customer: Customer) -> int:
    async with uow() as unit:
        read_number = await unit.customers.next_read_number(customer.id)
        await unit.commit()
    # None: the account was erased meanwhile. Writing will find nothing to write to.
    return read_number or 0


async def _write(
    uow: BillingUnitOfWork,
    customer: Customer,
    seen: list[Subscription],
    expected: set[str],
    read_number: int,
    grace: timedelta,
    now: datetime,
    event_id: UUID | None,
) -> None:
    """`expected` are the ids that were looked for: one that was not seen is over."""
    account_id = customer.account_id
    async with uow() as unit:
        await unit.customers.lock(account_id)
        if await unit.customers.get(customer.id) is not None:
            missing = expected - {each.id for each in seen}
            before = await unit.subscriptions.of(account_id)
            over = [
                replace(each, status=SubscriptionStatus.CANCELED)
                for each in before
                if each.id in missing and each.customer_id == customer.id
            ]
            for each in (*seen, *over):
                await unit.subscriptions.put(each, account_id=account_id, read_number=read_number, now=now)
            paid = [each.pays_until(grace) for each in await unit.subscriptions.of(account_id)]
            await unit.plans.set_paid_until(account_id, max((until for until in paid if until), default=None))
        if event_id is not None:
            await unit.events.handled(event_id, at=now)
        await unit.commit()
