"""Starting, managing and reading a subscription."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.billing.checkout import read_subscription, subscribe
from parley.core.billing.errors import (
    AlreadySubscribed,
    CustomerUnknown,
    NotSubscribed,
    PaymentsRefused,
    PaymentsUnavailable,
)
from parley.core.billing.model import Customer, SubscriptionOverview, SubscriptionStatus
from parley.core.plans import BASIC, PRO, Plan, Plans
from tests.fakes.plans import BASIC_PLAN, PRO_PLAN
from tests.unit.billing.scenario import (
    ACTIVE,
    CANCELED,
    MIRA,
    MIRAS,
    PAST_DUE,
    PERIOD_END,
    RAVI,
    RETURN_TO,
    START,
    UNPAID,
)

RUNNING = [SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE]
ENDED = sorted(set(SubscriptionStatus) - set(RUNNING))
ERRORS = pytest.mark.parametrize("error", [PaymentsUnavailable, PaymentsRefused])


async def test_subscribing_creates_one_customer_and_opens_its_checkout(billing):
    page = await billing.subscribe()
    assert page.url.startswith("https://pay.test/1/")
    assert page.url.endswith(RETURN_TO.paid)
    assert await billing.subscribe() == page
    assert billing.provider.calls == [
        ("create_customer", "mira@example.com"),
        ("open_checkout", MIRAS),
        ("subscriptions", MIRAS),
        ("open_checkout", MIRAS),
    ]
    assert list(billing.tables.customers) == [MIRAS]
    assert await billing.plan() == BASIC


async def test_20_parallel_calls_get_one_customer_and_one_page(billing):
    pages = await asyncio.gather(*(billing.subscribe() for _ in range(20)))
    assert set(pages) == {pages[0]}
    assert billing.provider.customers == {MIRA: MIRAS}
    assert [customer for customer, _ in billing.tables.customers.values()] == [billing.tables.customers[MIRAS][0]]


async def test_each_account_has_its_own_customer_and_page(billing):
    first, second = await billing.subscribe(), await billing.subscribe(RAVI)
    assert first != second
    assert set(billing.tables.customers) == {MIRAS, "cus_2"}


async def test_page_stays_the_same_over_midnight_and_reads_of_the_provider(billing):
    first = await billing.subscribe()
    billing.now = START.replace(hour=23, minute=59, second=59)
    assert await billing.subscribe() == first
    billing.advance(seconds=1)
    await billing.receive_and_process(None)
    assert await billing.subscribe() == first


async def test_customer_that_the_provider_forgot_is_replaced_once(billing):
    await billing.subscribe()
    billing.provider.unknown.add(MIRAS)
    pages = await asyncio.gather(*(billing.subscribe() for _ in range(5)))
    assert set(pages) == {pages[0]}
    new = f"{MIRAS}_new"
    assert {customer.id: customer.is_gone for customer, _ in billing.tables.customers.values()} == {
        MIRAS: True,
        new: False,
    }
    calls = len(billing.provider.calls)
    await billing.subscribe()
    assert billing.provider.calls[calls:] == [("subscriptions", new), ("open_checkout", new)]
    assert await billing.manage() == f"https://pay.test/{new}?back={RETURN_TO.portal}"


async def test_payment_that_is_ahead_of_its_event_is_not_paid_again(billing):
    await billing.subscribe()
    billing.provider.set(ACTIVE)
    with pytest.raises(AlreadySubscribed):
        await billing.subscribe()
    assert await billing.plan() == PRO


async def test_customer_is_not_replaced_twice_in_one_call(billing):
    billing.provider.unknown |= {MIRAS, f"{MIRAS}_new"}
    with pytest.raises(CustomerUnknown):
        await billing.subscribe()
    assert billing.provider.count("create_customer") == 2


async def test_managing_for_a_forgotten_customer_ends_its_subscriptions(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(ACTIVE)
    billing.provider.unknown.add(MIRAS)
    billing.provider.by_id.clear()
    with pytest.raises(AlreadySubscribed):
        await billing.subscribe()
    with pytest.raises(NotSubscribed):
        await billing.manage()
    assert await billing.overview() == SubscriptionOverview(BASIC_PLAN, CANCELED)
    await billing.subscribe()


async def test_event_leads_to_a_new_page(billing):
    first = await billing.subscribe()
    await billing.change_to(CANCELED)
    assert await billing.subscribe() != first


@pytest.mark.parametrize("status", RUNNING)
async def test_running_subscription_is_not_paid_twice(billing, status):
    await billing.add_customers(MIRA)
    await billing.change_to(replace(ACTIVE, status=status))
    await billing.change_to(replace(CANCELED, id="sub_2"))
    billing.advance(days=400)
    with pytest.raises(AlreadySubscribed):
        await billing.subscribe()
    assert billing.provider.idempotency_keys == []
    await billing.subscribe(RAVI)


@pytest.mark.parametrize("status", ENDED)
async def test_ended_subscription_does_not_prevent_a_new_one(billing, status):
    await billing.add_customers(MIRA)
    await billing.change_to(replace(ACTIVE, status=status))
    await billing.subscribe()
    assert billing.provider.count("create_customer") == 0


@ERRORS
async def test_failure_to_create_a_customer_stores_nothing(billing, error):
    billing.provider.error = error
    with pytest.raises(error):
        await billing.subscribe()
    assert billing.tables.customers == {}
    billing.provider.error = None
    await billing.subscribe()


async def test_customer_is_reused_after_its_page_could_not_be_opened(billing):
    billing.provider.refused.add(MIRAS)
    with pytest.raises(PaymentsRefused):
        await billing.subscribe()
    billing.provider.refused.clear()
    await billing.subscribe()
    assert billing.provider.count("create_customer") == 1
    assert await billing.overview() == SubscriptionOverview(BASIC_PLAN, None)


async def test_managing_opens_the_providers_page(billing):
    with pytest.raises(NotSubscribed):
        await billing.manage()
    await billing.add_customers(MIRA)
    assert await billing.manage() == f"https://pay.test/{MIRAS}?back={RETURN_TO.portal}"
    with pytest.raises(NotSubscribed):
        await billing.manage(RAVI)


@ERRORS
async def test_managing_fails_with_the_provider(billing, error):
    await billing.add_customers(MIRA)
    billing.provider.error = error
    with pytest.raises(error):
        await billing.manage()


async def test_account_that_never_paid_has_the_basic_plan(billing):
    assert await billing.overview() == SubscriptionOverview(BASIC_PLAN, None)
    await billing.override(PRO)
    assert await billing.overview() == SubscriptionOverview(PRO_PLAN, None)


async def test_plan_is_pro_while_one_of_two_subscriptions_pays(billing):
    await billing.add_customers(MIRA, RAVI)
    other = replace(CANCELED, id="sub_2")
    await billing.change_to(ACTIVE)
    billing.advance(seconds=1)
    await billing.change_to(other)
    assert await billing.overview() == SubscriptionOverview(PRO_PLAN, ACTIVE)
    assert await billing.overview(RAVI) == SubscriptionOverview(BASIC_PLAN, None)
    billing.advance(seconds=1)
    await billing.change_to(replace(other, status=SubscriptionStatus.ACTIVE), CANCELED)
    assert await billing.overview() == SubscriptionOverview(PRO_PLAN, replace(other, status=SubscriptionStatus.ACTIVE))
    billing.advance(seconds=1)
    await billing.change_to(other)
    assert await billing.overview() == SubscriptionOverview(BASIC_PLAN, other)


async def test_overview_shows_the_latest_subscription_if_none_pays(billing):
    await billing.add_customers(MIRA)
    for latest in (UNPAID, replace(CANCELED, id="sub_0"), replace(UNPAID, id="sub_2"), CANCELED):
        billing.advance(seconds=1)
        await billing.change_to(latest)
        assert await billing.overview() == SubscriptionOverview(BASIC_PLAN, latest)


async def test_overview_prefers_a_paying_subscription_to_an_expired_one(billing):
    await billing.add_customers(MIRA)
    good = replace(ACTIVE, id="sub_2")
    await billing.change_to(good)
    billing.advance(seconds=1)
    past_due, ending = PAST_DUE, replace(ACTIVE, id="sub_3", cancel_at_period_end=True)
    await billing.change_to(past_due, ending)
    billing.now = PERIOD_END
    assert await billing.overview() == SubscriptionOverview(PRO_PLAN, good)


async def test_overview_shows_the_operators_plan_and_the_subscription(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(ACTIVE)
    await billing.override(BASIC)
    assert await billing.overview() == SubscriptionOverview(BASIC_PLAN, ACTIVE)
    await billing.override(PRO)
    await billing.change_to(CANCELED)
    assert await billing.overview() == SubscriptionOverview(PRO_PLAN, CANCELED)


async def test_subscription_at_another_provider_does_not_prevent_one_here(billing):
    """For example one at the sandbox, used earlier."""
    async with billing.ports.uow() as unit:
        await unit.customers.add(Customer("cus_another", MIRA), now=billing.now)
        elsewhere = replace(ACTIVE, id="sub_another", customer_id="cus_another")
        await unit.subscriptions.put(elsewhere, account_id=MIRA, read_number=1, now=billing.now)
        await unit.commit()
    await billing.subscribe()
    assert set(billing.tables.customers) == {"cus_another", MIRAS}
    assert ("open_checkout", MIRAS) in billing.provider.calls


async def test_only_the_first_subscription_has_a_trial(billing):
    plans = Plans([BASIC_PLAN, replace(PRO_PLAN, trial_days=14)])
    ports = replace(billing.ports, plans=plans)

    async def trial_days() -> int:
        await subscribe(
            ports, account_id=MIRA, email=None, mobile_number="+1", plan=PRO, price=None, return_to=RETURN_TO
        )
        return billing.provider.offers[-1].trial_days

    assert [await trial_days() for _ in range(2)] == [14, 14]
    await billing.change_to(CANCELED)
    assert await trial_days() == 0


async def test_overview_shows_the_subscription_that_pays_for_the_plan(billing):
    """Not a later one that pays for a lesser plan."""
    plus = Plan(name="plus", title="Plus", prices=("price_plus",))
    ports = replace(billing.ports, plans=Plans([BASIC_PLAN, plus, PRO_PLAN]))
    await billing.add_customers(MIRA)
    of_pro = replace(ACTIVE, prices=PRO_PLAN.prices)
    await billing.change_to(of_pro)
    billing.advance(seconds=1)
    await billing.change_to(replace(ACTIVE, id="sub_2", prices=plus.prices))
    assert await read_subscription(ports, account_id=MIRA) == SubscriptionOverview(PRO_PLAN, of_pro)
