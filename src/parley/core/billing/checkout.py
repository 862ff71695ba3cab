"""Beginning a subscription, managing it, and where an account stands."""

from datetime import datetime, timedelta
from uuid import UUID

from parley.core.billing.errors import AlreadySubscribed, NotSubscribed
from parley.core.billing.model import (
    Checkout,
    Customer,
    ReturnAddresses,
    Subscription,
    SubscriptionOverview,
    SubscriptionStatus,
)
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.errors import AccountGone

# One of these is paid for, or is about to be: another beside it would be paid twice.
_RUNNING = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE})


async def subscribe(
    *,
    uow: BillingUnitOfWork,
    provider: PaymentProvider,
    account_id: UUID,
    email: str | None,
    mobile_number: str | None,
    back: ReturnAddresses,
    now: datetime,
) -> Checkout:
    """A page on which the account can pay for pro.

    Calls of one UTC day lead to the same page until something happens to the account's subscriptions: a double click
    does not pay twice. Raises AlreadySubscribed, PaymentsUnavailable, PaymentsRefused.
    """
    async with uow(read_only=True) as unit:
        customer = _known(provider, await unit.customers.of(account_id))
        subscriptions = await unit.subscriptions.of(account_id)
    if any(_runs(provider, each, now) for each in subscriptions):
        raise AlreadySubscribed
    if customer is None:
        customer_id = await provider.create_customer(account_id, email=email, mobile_number=mobile_number)
        customer = Customer(customer_id, account_id)
        await _keep(uow, customer, now)
    once = f"parley-checkout-{customer.id}-{customer.reads}-{now:%Y%m%d}"
    return await provider.open_checkout(customer.id, account_id=account_id, back=back, once=once, now=now)


async def manage_subscription(
    *, uow: BillingUnitOfWork, provider: PaymentProvider, account_id: UUID, back: ReturnAddresses
) -> str:
    """The address of the provider's page for that. Raises NotSubscribed, PaymentsUnavailable, PaymentsRefused."""
    async with uow(read_only=True) as unit:
        customer = _known(provider, await unit.customers.of(account_id))
    if customer is None:
        raise NotSubscribed
    return await provider.open_portal(customer.id, back=back)


async def read_subscription(
    *, uow: BillingUnitOfWork, account_id: UUID, grace: timedelta, now: datetime
) -> SubscriptionOverview:
    """`grace` is for how long a subscription that is past due still counts."""
    async with uow(read_only=True) as unit:
        plan = await unit.plans.of(account_id, now=now)
        subscriptions = await unit.subscriptions.of(account_id)
    paying = [each for each in subscriptions if _pays(each, grace, now)]
    return SubscriptionOverview(plan, next(iter(paying or subscriptions), None))


def _known(provider: PaymentProvider, customers: list[Customer]) -> Customer | None:
    return next((customer for customer in customers if provider.owns(customer.id)), None)


def _runs(provider: PaymentProvider, subscription: Subscription, now: datetime) -> bool:
    """What was subscribed at another provider, such as the sandbox, does not keep anybody from subscribing here."""
    running = subscription.status in _RUNNING and not subscription.has_run_out(now)
    return running and provider.owns(subscription.customer_id)


async def _keep(uow: BillingUnitOfWork, customer: Customer, now: datetime) -> None:
    """Raises AccountGone for an account that was erased meanwhile; the provider is then to forget the customer."""
    try:
        async with uow() as unit:
            await unit.customers.add(customer, now=now)
            await unit.commit()
    except AccountGone:
        async with uow() as unit:
            await unit.customer_erasures.add(customer.id)
            await unit.commit()
        raise


def _pays(subscription: Subscription, grace: timedelta, now: datetime) -> bool:
    until = subscription.pays_until(grace)
    return until is not None and now < until
