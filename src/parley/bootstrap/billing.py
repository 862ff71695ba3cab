"""Building the billing module."""

import secrets
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.billing.sandbox_state import SqlSandboxState
from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.adapters.sql.engine.database import Database
from parley.adapters.worker.sweeper import Sweep
from parley.bootstrap.accounts import derived_keys, signing_secrets
from parley.bootstrap.built_module import Module, Task
from parley.bootstrap.transport import PROCESS_EVENT, Transport
from parley.core.billing import BillingPorts
from parley.core.billing.events import forget_events, process_event, requeue_events
from parley.core.billing.offered_plans import OfferedPlans
from parley.core.billing.plan_changes import report_ended_plans
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.reconcile import erase_customers, reconcile
from parley.core.outgoing_events import EventKind, Webhooks
from parley.core.plans import Plans
from parley.core.ports import Clock
from parley.settings import Settings

if TYPE_CHECKING:
    from parley.adapters.payments.sandbox.provider import SandboxPayments

OVERDUE_SWEEP_SECONDS = 1.0
ERASURE_SWEEP_SECONDS = 5.0
ENDED_PLANS_SWEEP_SECONDS = 5.0
RECONCILE_SWEEP_SECONDS = 60.0
OLD_EVENTS_SWEEP_SECONDS = 3_600.0


def build_billing(
    settings: Settings, plans: Plans, database: Database, transport: Transport, *, webhooks: Webhooks, now: Clock
) -> Module[BillingPorts]:
    sandbox = None if settings.stripe_secret_key else _sandbox(settings, database, now=now)
    provider = sandbox or stripe_payments(settings, plans)
    ports = BillingPorts(
        uow=SqlBillingUnitOfWork(database, PlanLimits(plans)),
        provider=provider,
        sandbox=sandbox,
        event_queue=transport.queues[PROCESS_EVENT],
        grace=timedelta(days=settings.subscription_grace_days),
        plans=plans,
        offered_plans=OfferedPlans(plans, provider, now=now),
        worker_id=uuid7(),
        webhooks=webhooks,
        now=now,
        new_id=uuid7,
    )
    return Module(
        ports=ports,
        tasks={PROCESS_EVENT: Task(id_name="event_id", work=partial(process_event, ports))},
        worker_sweeps=(
            Sweep("overdue_events", OVERDUE_SWEEP_SECONDS, partial(requeue_events, ports)),
            Sweep("closed_customers", ERASURE_SWEEP_SECONDS, partial(erase_customers, ports)),
            Sweep("reconciled_customers", RECONCILE_SWEEP_SECONDS, partial(reconcile, ports)),
            *(
                [Sweep("ended_plans", ENDED_PLANS_SWEEP_SECONDS, partial(report_ended_plans, ports))]
                if webhooks.wants(EventKind.PLAN_CHANGED)
                else []
            ),
            Sweep("old_events", OLD_EVENTS_SWEEP_SECONDS, partial(forget_events, ports)),
        ),
        close=(ports.provider.close,),
    )


def _sandbox(settings: Settings, database: Database, *, now: Clock) -> "SandboxPayments":
    """STRIPE_WEBHOOK_SECRET, if set, signs the sandbox's events too."""
    from parley.adapters.payments.sandbox.provider import SandboxPayments  # noqa: PLC0415  only where it is chosen

    return SandboxPayments(
        SqlSandboxState(database),
        secret=settings.stripe_webhook_secret.encode() or derived_keys(signing_secrets(settings), "payment sandbox")[0],
        public_url=settings.public_url.rstrip("/"),
        now=now,
        new_token=partial(secrets.token_urlsafe, 32),
    )


def stripe_payments(settings: Settings, plans: Plans) -> PaymentProvider:
    # Importing stripe takes 0.2 seconds.
    from parley.adapters.payments.stripe import StripePayments  # noqa: PLC0415

    return StripePayments(
        secret_key=settings.stripe_secret_key,
        # Without a webhook secret the endpoint is off, and no signature may be valid.
        webhook_secret=settings.stripe_webhook_secret or secrets.token_hex(),
        price_ids=[price for plan in plans for price in plan.prices],
        api_base=settings.stripe_api_base,
        automatic_tax=settings.stripe_automatic_tax,
        promotion_codes=settings.stripe_promotion_codes,
    )
