"""Reporting changes of an account's plan to the operator's servers, for every cause of a change.

A plan that is paid until a moment ends without any write, so the moment is stored with the plan that was reported last.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from parley.core.billing import BillingPorts
from parley.core.billing.model import FOREVER
from parley.core.billing.stores import BillingUnit
from parley.core.errors import AccountGone
from parley.core.outgoing_events import EventKind, OutgoingEvent

SWEEP_LIMIT = 100


@asynccontextmanager
async def reporting_plan_change(
    billing: BillingPorts, unit: BillingUnit, account_id: UUID, now: datetime
) -> AsyncGenerator[None, None]:
    """Store an event if the plan after the body is not the one reported last or, without one, that before the body.

    For use after `customers.lock`, since an erasure locks the account before the plan. Raises AccountGone.
    """
    if not billing.webhooks.wants(EventKind.PLAN_CHANGED):
        yield
        return
    before = await unit.reported_plans.lock(account_id) or await unit.plans.of(account_id, now=now)
    yield
    after = await unit.plans.of(account_id, now=now)
    ends = [until for until in (await unit.plans.paid(account_id)).values() if now < until < FOREVER]
    await unit.reported_plans.put(account_id, after, changes_at=min(ends, default=None))
    if after != before:
        data = {"plan": after, "previous_plan": before}
        event = OutgoingEvent(billing.new_id(), EventKind.PLAN_CHANGED, account_id, now, data)
        await unit.outgoing_events.add(billing.webhooks.deliveries(event, billing.new_id))


async def report_ended_plans(billing: BillingPorts) -> int:
    """Store the events of plans that have ended with what was paid; returns how many accounts were looked at."""
    now = billing.now()
    async with billing.uow(read_only=True) as unit:
        due = await unit.reported_plans.due(now=now, limit=SWEEP_LIMIT)
    for account_id in due:
        try:
            async with billing.uow() as unit:
                await unit.customers.lock(account_id)
                async with reporting_plan_change(billing, unit, account_id, now):
                    pass
                await unit.commit()
        except AccountGone:
            # Erased meanwhile, and with it what is due.
            continue
    return len(due)
