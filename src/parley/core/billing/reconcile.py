"""What keeps plans right when webhooks do not come, and lets go of erased accounts' customers."""

from datetime import timedelta
from uuid import UUID

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.billing.synchronize import synchronize_customer
from parley.core.ports import Clock

RECONCILE_EVERY = timedelta(days=1)
LEASE = "reconcile"
# Longer than one question to the provider.
LEASE_SECONDS = 60.0
FIRST_DELAY_SECONDS = 10.0
LONGEST_DELAY_SECONDS = 3_600.0
BATCH = 20


async def reconcile(
    *, uow: BillingUnitOfWork, provider: PaymentProvider, holder: UUID, grace: timedelta, now: Clock
) -> int:
    """Ask the provider about every customer that nobody asked about for a day; returns how many.

    One worker at a time does this, `holder`, one question after the other. Another goes on where it died.
    """
    asked = 0
    while await _take_turn(uow, holder):
        async with uow(read_only=True) as unit:
            due = await unit.customers.due(before=now() - RECONCILE_EVERY, limit=1)
            customer = await unit.customers.get(due[0]) if due else None
        if customer is None:
            break
        try:
            await synchronize_customer(uow=uow, provider=provider, customer=customer, grace=grace, now=now())
        except PaymentsUnavailable:
            break
        except PaymentsRefused:
            # The adapter has told the operator; the others may be answered.
            pass
        async with uow() as unit:
            await unit.customers.reconciled(customer.id, at=now())
            await unit.commit()
        asked += 1
    async with uow() as unit:
        await unit.leases.give_back(LEASE, holder)
        await unit.commit()
    return asked


async def close_customers(*, uow: BillingUnitOfWork, provider: PaymentProvider) -> int:
    """Erase customers of erased accounts at the provider, which cancels what they subscribed; returns how many."""
    async with uow() as unit:
        due = await unit.customer_erasures.claim(lease=LEASE_SECONDS * BATCH, limit=BATCH)
        await unit.commit()
    closed = 0
    for customer_id, failures in due:
        try:
            await provider.erase_customer(customer_id)
        except (PaymentsUnavailable, PaymentsRefused):
            delay = min(FIRST_DELAY_SECONDS * 3.0 ** min(failures, 10), LONGEST_DELAY_SECONDS)
            async with uow() as unit:
                await unit.customer_erasures.postpone(customer_id, seconds=delay)
                await unit.commit()
        else:
            async with uow() as unit:
                await unit.customer_erasures.remove(customer_id)
                await unit.commit()
            closed += 1
    return closed


async def _take_turn(uow: BillingUnitOfWork, holder: UUID) -> bool:
    async with uow() as unit:
        taken = await unit.leases.take(LEASE, holder, seconds=LEASE_SECONDS)
        await unit.commit()
    return taken
