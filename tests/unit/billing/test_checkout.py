"""Beginning a subscription, managing it, and where an account stands."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.billing.errors import AlreadySubscribed, NotSubscribed, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Customer, Plan, SubscriptionOverview, SubscriptionStatus
from tests.unit.billing.desk import ACTIVE, BACK, BEGIN, CANCELED, MIRA, MIRAS, PAST_DUE, PERIOD_END, RAVI, UNPAID

RUNNING = [SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE]
OVER = sorted(set(SubscriptionStatus) - set(RUNNING))
ERRORS = pytest.mark.parametrize("error", [PaymentsUnavailable, PaymentsRefused])


async def test_subscribing_makes_a_customer_once_and_opens_a_page_for_it(desk):
    page = await desk.subscribe()
    assert page.url.startswith("https://pay.test/1/")
    assert page.url.endswith(BACK.paid)
    assert await desk.subscribe() == page
    assert desk.till.asked == [
        ("create_customer", "mira@example.com"),
        ("open_checkout", MIRAS),
        ("open_checkout", MIRAS),
    ]
    assert list(desk.tables.customers) == [MIRAS]
    assert await desk.plan() is Plan.BASIC


async def test_20_parallel_calls_lead_to_one_customer_and_one_page(desk):
    pages = await asyncio.gather(*(desk.subscribe() for _ in range(20)))
    assert set(pages) == {pages[0]}
    assert desk.till.customers == {MIRA: MIRAS}
    assert [customer for customer, _ in desk.tables.customers.values()] == [desk.tables.customers[MIRAS][0]]


async def test_accounts_have_customers_and_pages_of_their_own(desk):
    mine, theirs = await desk.subscribe(), await desk.subscribe(RAVI)
    assert mine != theirs
    assert set(desk.tables.customers) == {MIRAS, "cus_2"}


async def test_page_is_the_same_all_day_and_another_after_it(desk):
    first = await desk.subscribe()
    desk.now = BEGIN.replace(hour=23, minute=59, second=59)
    assert await desk.subscribe() == first
    desk.later(seconds=1)
    assert await desk.subscribe() != first


async def test_page_is_another_after_an_event(desk):
    first = await desk.subscribe()
    await desk.becomes(CANCELED)
    assert await desk.subscribe() != first


@pytest.mark.parametrize("status", RUNNING)
async def test_running_subscription_is_not_paid_twice(desk, status):
    await desk.know(MIRA)
    await desk.becomes(replace(ACTIVE, status=status))
    await desk.becomes(replace(CANCELED, id="sub_2"))
    desk.later(days=400)
    with pytest.raises(AlreadySubscribed):
        await desk.subscribe()
    assert desk.till.onces == []
    await desk.subscribe(RAVI)


@pytest.mark.parametrize("status", OVER)
async def test_subscription_that_does_not_run_can_be_followed_by_another(desk, status):
    await desk.know(MIRA)
    await desk.becomes(replace(ACTIVE, status=status))
    await desk.subscribe()
    assert desk.till.count("create_customer") == 0


@ERRORS
async def test_nothing_is_stored_when_no_customer_can_be_made(desk, error):
    desk.till.error = error
    with pytest.raises(error):
        await desk.subscribe()
    assert desk.tables.customers == {}
    desk.till.error = None
    await desk.subscribe()


async def test_customer_stays_when_its_page_cannot_be_opened(desk):
    desk.till.refused.add(MIRAS)
    with pytest.raises(PaymentsRefused):
        await desk.subscribe()
    desk.till.refused.clear()
    await desk.subscribe()
    assert desk.till.count("create_customer") == 1
    assert await desk.standing() == SubscriptionOverview(Plan.BASIC, None)


async def test_managing_leads_to_the_providers_page(desk):
    with pytest.raises(NotSubscribed):
        await desk.manage()
    await desk.know(MIRA)
    assert await desk.manage() == f"https://pay.test/{MIRAS}?back={BACK.portal}"
    with pytest.raises(NotSubscribed):
        await desk.manage(RAVI)


@ERRORS
async def test_managing_fails_with_the_provider(desk, error):
    await desk.know(MIRA)
    desk.till.error = error
    with pytest.raises(error):
        await desk.manage()


async def test_account_that_never_paid_stands_on_basic(desk):
    assert await desk.standing() == SubscriptionOverview(Plan.BASIC, None)
    await desk.override(Plan.PRO)
    assert await desk.standing() == SubscriptionOverview(Plan.PRO, None)


async def test_standing_is_pro_while_one_of_two_subscriptions_is_good(desk):
    await desk.know(MIRA, RAVI)
    other = replace(CANCELED, id="sub_2")
    await desk.becomes(ACTIVE)
    desk.later(seconds=1)
    await desk.becomes(other)
    assert await desk.standing() == SubscriptionOverview(Plan.PRO, ACTIVE)
    assert await desk.standing(RAVI) == SubscriptionOverview(Plan.BASIC, None)
    desk.later(seconds=1)
    await desk.becomes(replace(other, status=SubscriptionStatus.ACTIVE), CANCELED)
    assert await desk.standing() == SubscriptionOverview(Plan.PRO, replace(other, status=SubscriptionStatus.ACTIVE))
    desk.later(seconds=1)
    await desk.becomes(other)
    assert await desk.standing() == SubscriptionOverview(Plan.BASIC, other)


async def test_standing_without_one_that_pays_names_the_latest(desk):
    await desk.know(MIRA)
    for latest in (UNPAID, replace(CANCELED, id="sub_0"), replace(UNPAID, id="sub_2"), CANCELED):
        desk.later(seconds=1)
        await desk.becomes(latest)
        assert await desk.standing() == SubscriptionOverview(Plan.BASIC, latest)


async def test_standing_prefers_one_that_pays_to_one_whose_time_is_over(desk):
    await desk.know(MIRA)
    good = replace(ACTIVE, id="sub_2")
    await desk.becomes(good)
    desk.later(seconds=1)
    late, ending = PAST_DUE, replace(ACTIVE, id="sub_3", cancel_at_period_end=True)
    await desk.becomes(late, ending)
    desk.now = PERIOD_END
    assert await desk.standing() == SubscriptionOverview(Plan.PRO, good)


async def test_standing_shows_the_operators_word_beside_the_subscription(desk):
    await desk.know(MIRA)
    await desk.becomes(ACTIVE)
    await desk.override(Plan.BASIC)
    assert await desk.standing() == SubscriptionOverview(Plan.BASIC, ACTIVE)
    await desk.override(Plan.PRO)
    await desk.becomes(CANCELED)
    assert await desk.standing() == SubscriptionOverview(Plan.PRO, CANCELED)


async def test_what_was_subscribed_at_another_provider_keeps_nobody_from_subscribing(desk):
    """As after a time with the sandbox."""
    async with desk.uow() as unit:
        await unit.customers.add(Customer("cus_another", MIRA), now=desk.now)
        elsewhere = replace(ACTIVE, id="sub_another", customer_id="cus_another")
        await unit.subscriptions.put(elsewhere, account_id=MIRA, read_number=1, now=desk.now)
        await unit.commit()
    await desk.subscribe()
    assert set(desk.tables.customers) == {"cus_another", MIRAS}
    assert ("open_checkout", MIRAS) in desk.till.asked
