"""Events of plan changes for the operator's servers, for every cause of a change."""

from dataclasses import replace

import pytest

from parley.core.billing.model import SubscriptionStatus
from parley.core.billing.plan_changes import report_ended_plans
from parley.core.outgoing_events import EventKind, Webhooks
from parley.core.plans import BASIC, PRO
from tests.fakes.stored_events import ALL, stored_events
from tests.unit.billing.scenario import ACTIVE, CANCELED, MIRA, PAST_DUE, Scenario

ENDING = replace(ACTIVE, cancel_at_period_end=True)


@pytest.fixture
async def billing(billing: Scenario) -> Scenario:
    billing.ports = replace(billing.ports, webhooks=ALL)
    await billing.add_customers(MIRA)
    return billing


def changes(billing) -> list[tuple[str, str]]:
    events = stored_events(billing.database)
    assert {(event.kind, event.account_id) for event in events} <= {(EventKind.PLAN_CHANGED, MIRA)}
    return [(event.data["previous_plan"], event.data["plan"]) for event in events]


async def sweep(billing) -> None:
    await report_ended_plans(billing.ports)


async def test_each_change_is_told_once(billing):
    await billing.change_to(ACTIVE)
    await billing.receive_and_process()
    await billing.change_to(CANCELED)
    await billing.receive_and_process()
    assert changes(billing) == [(BASIC, PRO), (PRO, BASIC)]


async def test_a_subscription_that_changes_no_plan_is_not_told(billing):
    await billing.change_to(replace(ACTIVE, status=SubscriptionStatus.INCOMPLETE))
    await billing.change_to(ACTIVE)
    await billing.change_to(replace(ACTIVE, status=SubscriptionStatus.TRIALING))
    assert changes(billing) == [(BASIC, PRO)]


@pytest.mark.parametrize(("end", "days"), [(ENDING, 32), (PAST_DUE, 8)])
async def test_a_plan_that_ends_by_itself_is_told(billing, end, days):
    await billing.change_to(ACTIVE)
    await billing.change_to(end)
    await sweep(billing)
    assert changes(billing) == [(BASIC, PRO)]
    billing.advance(days=days)
    for _ in range(2):
        await sweep(billing)
    assert changes(billing) == [(BASIC, PRO), (PRO, BASIC)]


async def test_a_repeated_event_of_a_reported_end_reports_nothing_new(billing):
    await billing.change_to(ACTIVE)
    await billing.change_to(ENDING)
    billing.advance(days=32)
    await sweep(billing)
    await billing.change_to(CANCELED)
    await billing.change_to(replace(ACTIVE, id="sub_2"))
    assert changes(billing) == [(BASIC, PRO), (PRO, BASIC), (BASIC, PRO)]


async def test_an_end_that_nobody_swept_is_told_with_the_event(billing):
    await billing.change_to(ACTIVE)
    await billing.change_to(ENDING)
    billing.advance(days=32)
    await billing.change_to(CANCELED)
    await sweep(billing)
    assert changes(billing) == [(BASIC, PRO), (PRO, BASIC)]


async def test_the_operators_override_is_told(billing):
    for plan in (PRO, PRO, None, BASIC):
        await billing.override(plan)
    assert changes(billing) == [(BASIC, PRO), (PRO, BASIC)]


async def test_plans_from_before_the_first_endpoint_are_no_changes(billing):
    billing.ports = replace(billing.ports, webhooks=Webhooks())
    await billing.change_to(ACTIVE)
    billing.ports = replace(billing.ports, webhooks=ALL)
    await billing.receive_and_process()
    assert changes(billing) == []
    await billing.change_to(CANCELED)
    assert changes(billing) == [(PRO, BASIC)]


async def test_an_erased_account_has_no_change_to_come(billing):
    await billing.change_to(ENDING)
    billing.erase_account()
    billing.advance(days=32)
    await sweep(billing)
    assert changes(billing) == [(BASIC, PRO)]
