"""Who takes the money."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from uuid_utils.compat import uuid7

from parley.adapters.sql.billing import SqlBillingUnitOfWork
from parley.adapters.sql.database import Database
from parley.adapters.sql.sandbox_state import SqlSandboxState
from parley.adapters.worker.sweeper import Sweep
from parley.bootstrap.wires import PROCESS_EVENT, Queue, Wire
from parley.core.billing.events import forget_events, process_event, requeue_events
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.reconcile import close_customers, reconcile
from parley.core.billing.sandbox import SandboxTill
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.ports import Clock
from parley.settings import Settings

SWEEP_SECONDS = 1.0
CLOSE_SECONDS = 5.0
RECONCILE_SECONDS = 60.0
TIDY_SECONDS = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Paying:
    """The billing module's ports, for API and workers alike. `sandbox` is the provider where no money moves."""

    uow: BillingUnitOfWork
    provider: PaymentProvider
    sandbox: SandboxTill | None
    queue: Queue
    grace: timedelta
    now: Clock

    async def put(self, event_id: UUID, /) -> None:
        """An EventQueue that waits for nothing, for the sandbox: who has paid sees it at once."""
        await self.process(event_id)

    async def process(self, event_id: UUID) -> None:
        await process_event(uow=self.uow, provider=self.provider, event_id=event_id, grace=self.grace, now=self.now())

    def sweeps(self) -> tuple[Sweep, ...]:
        uow, provider, now = self.uow, self.provider, self.now
        # Of all workers that ask, one reconciles.
        turn = partial(reconcile, uow=uow, provider=provider, holder=uuid7(), grace=self.grace, now=now)
        return (
            Sweep("overdue_events", SWEEP_SECONDS, lambda: requeue_events(uow=uow, queue=self.queue)),
            Sweep("closed_customers", CLOSE_SECONDS, lambda: close_customers(uow=uow, provider=provider)),
            Sweep("reconciled_customers", RECONCILE_SECONDS, turn),
            Sweep("old_events", TIDY_SECONDS, lambda: forget_events(uow=uow, now=now())),
        )


def paying(settings: Settings, database: Database, wire: Wire, *, sandbox_key: bytes, now: Clock) -> Paying:
    """Stripe where it has a key, else the sandbox. A webhook secret signs the sandbox's events too."""
    uow, grace = SqlBillingUnitOfWork(database), timedelta(days=settings.subscription_grace_days)
    queue = wire.queues[PROCESS_EVENT]
    if settings.stripe_secret_key:
        return Paying(uow=uow, provider=stripe_payments(settings), sandbox=None, queue=queue, grace=grace, now=now)
    from parley.adapters.sandbox_payments import SandboxPayments  # noqa: PLC0415  only where it is chosen

    sandbox = SandboxPayments(
        SqlSandboxState(database),
        secret=settings.stripe_webhook_secret.encode() or sandbox_key,
        public_url=settings.public_url.rstrip("/"),
        now=now,
        new_token=lambda: secrets.token_urlsafe(32),
    )
    return Paying(uow=uow, provider=sandbox, sandbox=sandbox, queue=queue, grace=grace, now=now)


def stripe_payments(settings: Settings) -> PaymentProvider:
    # stripe takes a fifth of a second to import.
    from parley.adapters.stripe_payments import StripePayments  # noqa: PLC0415

    return StripePayments(
        secret_key=settings.stripe_secret_key,
        # While the endpoint is off nothing is signed with this.
        webhook_secret=settings.stripe_webhook_secret or secrets.token_hex(),
        price_id=settings.stripe_price_id,
        api_base=settings.stripe_api_base,
    )
