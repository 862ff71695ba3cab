"""Starting, managing and reading a subscription."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from parley.core.billing import BillingPorts
from parley.core.billing.errors import AlreadySubscribed, CustomerUnknown, NotSubscribed, PlanOverridden, PlanUnknown
from parley.core.billing.model import Checkout, Customer, ReturnAddresses, Subscription, SubscriptionOverview
from parley.core.billing.ports import Offer
from parley.core.billing.synchronize import synchronize_customer
from parley.core.errors import AccountGone, InvalidInput
from parley.core.plans import Plan


@dataclass(frozen=True, slots=True)
class _Buyer:
    """Who pays. `bought` are the account's subscriptions in every state."""

    account_id: UUID
    email: str | None
    mobile_number: str | None
    bought: list[Subscription]


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

    Only an account's first subscription has the plan's trial; another one after each cancellation would never be paid.
    Calls for one price lead to the same page while it is open, until the account has another subscription; a page for
    another price closes it, so nobody pays on two of them. The provider is asked first what it knows, since a payment
    may be ahead of its event. A customer that it does not know any more is replaced once. Raises PlanUnknown,
    InvalidInput for a price that does not pay for the plan, PlanOverridden, AlreadySubscribed, PaymentsUnavailable,
    PaymentsRefused, AccountGone.
    """
    now = billing.now()
    offer = _offer(require_offered(billing, plan=plan, price=price), price, return_to)
    async with billing.uow(read_only=True) as unit:
        customer = _current_customer(billing, await unit.customers.of(account_id))
        override = await unit.plans.override_of(account_id)
    if override is not None and billing.plans.get(override) is not None:
        raise PlanOverridden
    bought = await _bought_without_running(billing, account_id, now)
    if customer is not None:
        await synchronize_customer(billing, customer=customer)
        bought = await _bought_without_running(billing, account_id, now)
    if any(billing.provider.recognizes(each.customer_id) for each in bought):
        offer = replace(offer, trial_days=0)
    buyer = _Buyer(account_id, email, mobile_number, bought)
    if customer is None:
        customer = await _new_customer(billing, buyer, now)
    try:
        return await _open_checkout(billing, buyer, customer, offer, now)
    except CustomerUnknown:
        await _mark_gone(billing, customer)
        customer = await _new_customer(billing, buyer, now, replaces=customer.id)
        return await _open_checkout(billing, buyer, customer, offer, now)


async def manage_subscription(billing: BillingPorts, *, account_id: UUID, return_to: ReturnAddresses) -> str:
    """Open the provider's page for managing the subscription; returns its address.

    Raises NotSubscribed, also for a customer that the provider does not know any more, PaymentsUnavailable and
    PaymentsRefused.
    """
    async with billing.uow(read_only=True) as unit:
        customer = _current_customer(billing, await unit.customers.of(account_id))
    if customer is None:
        raise NotSubscribed
    try:
        return await billing.provider.open_portal(customer.id, return_to=return_to)
    except CustomerUnknown as error:
        # Its subscriptions have ended too, so that the account can subscribe anew.
        await synchronize_customer(billing, customer=customer)
        await _mark_gone(billing, customer)
        raise NotSubscribed from error


async def read_subscription(billing: BillingPorts, *, account_id: UUID) -> SubscriptionOverview:
    """The account's plan now, and the subscription behind it."""
    now = billing.now()
    async with billing.uow(read_only=True) as unit:
        plan = billing.plans.named(await unit.plans.of(account_id, now=now))
        subscriptions = await unit.subscriptions.of(account_id)
    paying = [each for each in subscriptions if each.pays_at(now, billing.grace)]
    of_plan = [each for each in paying if billing.plans.paid_by(each.prices) == plan]
    return SubscriptionOverview(plan, next(iter(of_plan or paying or subscriptions), None))


def require_offered(billing: BillingPorts, *, plan: str, price: str | None) -> Plan:
    """The plan that can be paid by that price, or by its first one. Raises PlanUnknown, InvalidInput."""
    wanted = billing.plans.get(plan)
    if wanted is None or not wanted.prices:
        raise PlanUnknown(plan, [each.name for each in billing.plans if each.prices])
    if price is not None and price not in wanted.prices:
        raise InvalidInput("price", f"must be one of those of the plan: {', '.join(wanted.prices)}")
    return wanted


def _offer(plan: Plan, price: str | None, return_to: ReturnAddresses) -> Offer:
    return Offer(price or plan.prices[0], plan.trial_days, return_to)


def _current_customer(billing: BillingPorts, customers: list[Customer]) -> Customer | None:
    """The customer at the provider in use; there may be others from an earlier provider."""
    known = (each for each in customers if not each.is_gone and billing.provider.recognizes(each.id))
    return next(known, None)


async def _bought_without_running(billing: BillingPorts, account_id: UUID, now: datetime) -> list[Subscription]:
    """The account's subscriptions. Raises AlreadySubscribed if one of them runs."""
    async with billing.uow(read_only=True) as unit:
        bought = await unit.subscriptions.of(account_id)
    if any(_is_running(billing, each, now) for each in bought):
        raise AlreadySubscribed
    return bought


def _is_running(billing: BillingPorts, subscription: Subscription, now: datetime) -> bool:
    """A subscription at another provider, such as the sandbox, does not prevent one here."""
    return subscription.is_running(now) and billing.provider.recognizes(subscription.customer_id)


async def _open_checkout(
    billing: BillingPorts, buyer: _Buyer, customer: Customer, offer: Offer, now: datetime
) -> Checkout:
    """The key has no time in it: pages opened on both sides of any moment could both be paid."""
    bought_here = sum(each.customer_id == customer.id for each in buyer.bought)
    return await billing.provider.open_checkout(
        customer.id,
        offer,
        account_id=buyer.account_id,
        idempotency_key=f"parley-checkout-{customer.id}-{offer.price}-after-{bought_here}",
        now=now,
    )


async def _new_customer(billing: BillingPorts, buyer: _Buyer, now: datetime, *, replaces: str = "") -> Customer:
    """Raises AccountGone if the account was erased meanwhile, after scheduling the customer's erasure."""
    customer_id = await billing.provider.create_customer(
        buyer.account_id, email=buyer.email, mobile_number=buyer.mobile_number, replaces=replaces
    )
    customer = Customer(customer_id, buyer.account_id)
    try:
        async with billing.uow() as unit:
            await unit.customers.add(customer, now=now)
            await unit.commit()
    except AccountGone:
        async with billing.uow() as unit:
            await unit.customer_erasures.add(customer.id)
            await unit.commit()
        raise
    return customer


async def _mark_gone(billing: BillingPorts, customer: Customer) -> None:
    async with billing.uow() as unit:
        await unit.customers.mark_gone(customer.id)
        await unit.commit()
