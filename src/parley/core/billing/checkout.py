"""Starting, managing and reading a subscription."""

from datetime import datetime
from uuid import UUID

from parley.core.billing import BillingPorts
from parley.core.billing.errors import AlreadySubscribed, NotSubscribed, PlanUnknown
from parley.core.billing.model import (
    Checkout,
    Customer,
    ReturnAddresses,
    Subscription,
    SubscriptionOverview,
    SubscriptionStatus,
)
from parley.core.billing.ports import Offer
from parley.core.errors import AccountGone, InvalidInput

# A second subscription beside one of these would be paid twice.
_RUNNING = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE})


async def subscribe(
    billing: BillingPorts,
    *,
    account_id: UUID,
    email: str | None,
    mobile_number: str | None,
    plan: str,
    price: str | None,
    return_to: ReturnAddresses,
) -> Checkout:
    """Open a page on which the account can pay for the plan, by its first price unless another one is given.

    Calls on one UTC day lead to the same page until the account's subscriptions change, so a double click does not pay
    twice. Raises PlanUnknown, InvalidInput for a price that does not pay for the plan, AlreadySubscribed,
    PaymentsUnavailable, PaymentsRefused, AccountGone.
    """
    now = billing.now()
    offer = _offer(billing, plan, price, return_to)
    async with billing.uow(read_only=True) as unit:
        customer = _current_customer(billing, await unit.customers.of(account_id))
        subscriptions = await unit.subscriptions.of(account_id)
    if any(_is_running(billing, each, now) for each in subscriptions):
        raise AlreadySubscribed
    if customer is None:
        customer_id = await billing.provider.create_customer(account_id, email=email, mobile_number=mobile_number)
        customer = Customer(customer_id, account_id)
        await _store_customer(billing, customer, now)
    return await billing.provider.open_checkout(
        customer.id,
        offer,
        account_id=account_id,
        idempotency_key=f"parley-checkout-{customer.id}-{offer.price}-{customer.reads}-{now:%Y%m%d}",
        now=now,
    )


async def manage_subscription(billing: BillingPorts, *, account_id: UUID, return_to: ReturnAddresses) -> str:
    """Open the provider's page for managing the subscription; returns its address.

    Raises NotSubscribed, PaymentsUnavailable, PaymentsRefused.
    """
    async with billing.uow(read_only=True) as unit:
        customer = _current_customer(billing, await unit.customers.of(account_id))
    if customer is None:
        raise NotSubscribed
    return await billing.provider.open_portal(customer.id, return_to=return_to)


async def read_subscription(billing: BillingPorts, *, account_id: UUID) -> SubscriptionOverview:
    """The account's plan now, and the subscription behind it."""
    now = billing.now()
    async with billing.uow(read_only=True) as unit:
        plan = billing.plans.named(await unit.plans.of(account_id, now=now))
        subscriptions = await unit.subscriptions.of(account_id)
    paying = [each for each in subscriptions if each.pays_at(now, billing.grace)]
    return SubscriptionOverview(plan, next(iter(paying or subscriptions), None))


def _offer(billing: BillingPorts, plan: str, price: str | None, return_to: ReturnAddresses) -> Offer:
    wanted = billing.plans.get(plan)
    if wanted is None or not wanted.prices:
        raise PlanUnknown(plan, [each.name for each in billing.plans if each.prices])
    if price is not None and price not in wanted.prices:
        raise InvalidInput("price", f"must be one of those of the plan: {', '.join(wanted.prices)}")
    return Offer(price or wanted.prices[0], wanted.trial_days, return_to)


def _current_customer(billing: BillingPorts, customers: list[Customer]) -> Customer | None:
    """The customer at the provider in use; there may be others from an earlier provider."""
    return next((customer for customer in customers if billing.provider.recognizes(customer.id)), None)


def _is_running(billing: BillingPorts, subscription: Subscription, now: datetime) -> bool:
    """A subscription at another provider, such as the sandbox, does not prevent one here."""
    running = subscription.status in _RUNNING and not subscription.has_run_out(now)
    return running and billing.provider.recognizes(subscription.customer_id)


async def _store_customer(billing: BillingPorts, customer: Customer, now: datetime) -> None:
    """Raises AccountGone if the account was erased meanwhile, after scheduling the customer's erasure."""
    try:
        async with billing.uow() as unit:
            await unit.customers.add(customer, now=now)
            await unit.commit()
    except AccountGone:
        async with billing.uow() as unit:
            await unit.customer_erasures.add(customer.id)
            await unit.commit()
        raise
