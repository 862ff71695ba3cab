"""Several workers at once: who looked first does not have the last word."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.billing.model import Plan
from tests.unit.billing.desk import ACTIVE, CANCELED, MIRA, MIRAS, PAST_DUE, UNPAID

SECOND = replace(ACTIVE, id="sub_2")
PAIRS = [(ACTIVE, CANCELED), (CANCELED, ACTIVE), (PAST_DUE, ACTIVE), (ACTIVE, PAST_DUE), (PAST_DUE, UNPAID)]


async def looking(desk, about: str | None = "sub_1"):
    """A worker that has looked and has not written, and the gate behind which it stands."""
    gate, event_id = desk.till.hold(), await desk.received(about)
    worker = asyncio.create_task(desk.process(event_id))
    await gate.reached.wait()
    return worker, gate


async def finish(worker, gate) -> None:
    gate.opened.set()
    await worker


async def stands(desk):
    standing = await desk.standing()
    return standing.plan, standing.subscription and standing.subscription.status


@pytest.mark.parametrize(("older", "newer"), PAIRS)
@pytest.mark.parametrize("first", ["sub_1", None])
@pytest.mark.parametrize("then", ["sub_1", None])
async def test_older_look_that_writes_last_does_not_overwrite_a_newer_one(desk, older, newer, first, then):
    await desk.know(MIRA)
    desk.till.has(older)
    late = await looking(desk, first)
    desk.till.has(newer)
    await desk.hear(then)
    seen = await stands(desk)
    assert seen[1] is newer.status
    desk.later(seconds=1)
    await finish(*late)
    assert await stands(desk) == seen
    assert await desk.waiting() == (0, None)


@pytest.mark.parametrize(("older", "newer"), PAIRS)
async def test_looks_that_write_in_their_order_both_write(desk, older, newer):
    await desk.know(MIRA)
    desk.till.has(older)
    first = await looking(desk)
    desk.till.has(newer)
    second = await looking(desk)
    await finish(*first)
    assert (await stands(desk))[1] is older.status
    await finish(*second)
    assert (await stands(desk))[1] is newer.status


async def test_of_ten_looks_that_write_in_any_order_the_last_counts(desk):
    await desk.know(MIRA)
    late = []
    for number in range(10):
        desk.till.has(CANCELED if number % 2 else ACTIVE)
        late.append(await looking(desk, None if number % 3 else "sub_1"))
    for number in (3, 9, 0, 8, 1, 5, 2, 7, 4, 6):
        await finish(*late[number])
        if number != 3:
            assert (await stands(desk))[1] is CANCELED.status
    assert await desk.plan() is Plan.BASIC


async def test_look_from_before_a_subscription_began_does_not_end_it(desk):
    await desk.know(MIRA)
    late = await looking(desk, None)
    await desk.becomes(ACTIVE)
    await finish(*late)
    assert await stands(desk) == (Plan.PRO, ACTIVE.status)


async def test_look_from_before_a_subscription_was_there_at_all_does_not_end_it(desk):
    await desk.know(MIRA)
    late = await looking(desk, "sub_1")
    await desk.becomes(ACTIVE)
    await finish(*late)
    assert await stands(desk) == (Plan.PRO, ACTIVE.status)


async def test_plan_is_worked_out_of_what_all_workers_wrote(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE, replace(SECOND, status=CANCELED.status))
    first, second = await looking(desk, "sub_1"), await looking(desk, "sub_2")
    await finish(*first)
    assert await desk.plan() is Plan.PRO
    await finish(*second)
    assert await desk.plan() is Plan.PRO
    late = await looking(desk, "sub_2")
    await desk.becomes(CANCELED)
    await finish(*late)
    assert await desk.plan() is Plan.BASIC


async def test_late_look_at_one_subscription_still_counts_for_another(desk):
    await desk.know(MIRA)
    desk.till.has(SECOND)
    late = await looking(desk, "sub_2")
    await desk.becomes(CANCELED)
    await finish(*late)
    assert await desk.plan() is Plan.PRO
    assert {key: row[0].status for key, row in desk.tables.subscriptions.items()} == {
        "sub_1": CANCELED.status,
        "sub_2": ACTIVE.status,
    }


async def test_refused_look_leaves_the_time_since_when_it_is_past_due(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    late = await looking(desk)
    began = desk.now
    await desk.becomes(PAST_DUE)
    desk.later(days=3)
    await finish(*late)
    await desk.hear()
    assert (await desk.standing()).subscription == replace(PAST_DUE, past_due_since=began)


async def test_reconciling_does_not_overwrite_what_an_event_brought_meanwhile(desk):
    await desk.know(MIRA)
    await desk.becomes(ACTIVE)
    desk.later(days=1, seconds=1)
    gate = desk.till.hold()
    round_of_it = asyncio.create_task(desk.reconcile())
    await gate.reached.wait()
    await desk.becomes(CANCELED)
    gate.opened.set()
    assert await round_of_it == 1
    assert await stands(desk) == (Plan.BASIC, CANCELED.status)


async def test_event_does_not_overwrite_what_reconciling_brought_meanwhile(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    desk.later(days=1, seconds=1)
    late = await looking(desk)
    desk.till.has(CANCELED)
    assert await desk.reconcile() == 1
    await finish(*late)
    assert await stands(desk) == (Plan.BASIC, CANCELED.status)


async def test_every_look_takes_a_ticket_of_its_own(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    waiting = [await desk.received(about) for about in ("sub_1", None) * 10]
    await asyncio.gather(*(desk.process(event_id) for event_id in waiting))
    assert desk.tables.customers[MIRAS][0].reads == 20
    assert desk.tables.subscriptions["sub_1"][1] == 20
