"""Background work at the payment provider: the daily reconcile, and erasing customers of erased accounts."""

from datetime import timedelta

from parley.core.billing import BillingPorts
from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Customer, retry_delay
from parley.core.billing.synchronize import synchronize_customer

RECONCILE_EVERY = timedelta(days=1)
RECONCILE_LEASE = "reconcile"
# Longer than one provider call, which takes 12 seconds at most.
LEASE_SECONDS = 60.0
FIRST_DELAY_SECONDS = 10.0
LONGEST_DELAY_SECONDS = 3_600.0
BATCH = 20


async def reconcile(billing: BillingPorts) -> int:
    """Synchronize every customer whose last reconcile is more than a day ago; returns how many.

    Repairs plans whose webhook was lost. One worker at a time does this, one customer after the other; if it dies,
    another continues when its lease has expired. PaymentsUnavailable ends the round; PaymentsRefused skips the
    customer, since the adapter has logged it and other customers may work.
    """
    count = 0
    while await _take_lease(billing):
        customer = await _next_due(billing)
        if customer is None:
            break
        try:
            await synchronize_customer(billing, customer=customer)
        except PaymentsUnavailable:
            break
        except PaymentsRefused:
            pass
        async with billing.uow() as unit:
            await unit.customers.reconciled(customer.id, at=billing.now())
            await unit.commit()
        count += 1
    async with billing.uow() as unit:
        await unit.leases.give_back(RECONCILE_LEASE, billing.worker_id)
        await unit.commit()
    return count


async def erase_customers(billing: BillingPorts) -> int:
    """Erase customers of erased accounts at the provider, which cancels their subscriptions; returns how many.

    A customer whose erasure fails is tried again later, with growing delays.
    """
    async with billing.uow() as unit:
        due = await unit.customer_erasures.claim(lease=LEASE_SECONDS * BATCH, limit=BATCH)
        await unit.commit()
    return sum([await _erase_customer(billing, customer_id, failures) for customer_id, failures in due])


async def _erase_customer(billing: BillingPorts, customer_id: str, failures: int) -> bool:
    try:
        await billing.provider.erase_customer(customer_id)
    except (PaymentsUnavailable, PaymentsRefused):
        delay = retry_delay(failures, first=FIRST_DELAY_SECONDS, longest=LONGEST_DELAY_SECONDS)
        async with billing.uow() as unit:
            await unit.customer_erasures.postpone(customer_id, seconds=delay)
            await unit.commit()
        return False
    async with billing.uow() as unit:
        await unit.customer_erasures.remove(customer_id)
        await unit.commit()
    return True


async def _take_lease(billing: BillingPorts) -> bool:
    async with billing.uow() as unit:
        taken = await unit.leases.take(RECONCILE_LEASE, billing.worker_id, seconds=LEASE_SECONDS)
        await unit.commit()
    return taken


async def _next_due(billing: BillingPorts) -> Customer | None:
    async with billing.uow(read_only=True) as unit:
        due = await unit.customers.due(before=billing.now() - RECONCILE_EVERY, limit=1)
        return await unit.customers.get(due[0]) if due else None
