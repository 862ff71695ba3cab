"""The billing module: plans, usage, and subscriptions as the payment provider reports them."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from parley.core.billing.offered_plans import OfferedPlans
from parley.core.billing.ports import EventQueue, PaymentProvider
from parley.core.billing.sandbox import SandboxActions
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.outgoing_events import Webhooks
from parley.core.plans import Plans
from parley.core.ports import Clock, NewId


@dataclass(frozen=True, kw_only=True, slots=True)
class BillingPorts:
    """Everything that the billing module needs from outside; the first argument of each of its use cases.

    `grace` is how long a subscription whose payment failed still counts, `plans` what accounts can be on. `sandbox` is
    the provider itself where no money moves. `worker_id` names this process as the holder of leases.
    """

    uow: BillingUnitOfWork
    provider: PaymentProvider
    sandbox: SandboxActions | None
    event_queue: EventQueue
    grace: timedelta
    plans: Plans
    offered_plans: OfferedPlans
    worker_id: UUID
    webhooks: Webhooks = field(default_factory=Webhooks)
    now: Clock
    new_id: NewId
