"""The contract of the stores of running replies: claims, and writes that carry their attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from parley.core.chat.model import Claim, Ending, Lease, Message, Status
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tokens import Spent, TokenUsage
from parley.core.plans import BASIC
from tests.contracts.chat_fixtures import COMPLETED, LONG, NOW, TODAY, Store, every_store, new_id

store = every_store


async def stored(store: Store, reply: Message, claim: Claim) -> Message | None:
    return await store.message(reply, claim.account_id)


async def test_claim_has_everything_that_a_worker_needs(store):
    room = await store.new_room(instructions="Be brief.")
    await store.end(await store.claim(await store.new_reply(room)))
    reply = await store.new_reply(room)

    claim = await store.claim(reply)

    assert claim == Claim(
        reply_id=reply.id,
        room_id=room.id,
        account_id=room.account_id,
        position=4,
        model="a/model",
        attempt=1,
        failures=0,
        charged_on=TODAY,
        created_at=reply.created_at,
        instructions="Be brief.",
        plan=BASIC,
    )
    assert await stored(store, reply, claim) == replace(reply, status=Status.GENERATING, attempt=1)


async def test_held_replies_and_other_messages_are_not_claimed(store):
    room = await store.new_room()
    question, reply = await store.new_exchange(room)
    assert await store.claimed(question.id) is None
    assert await store.claimed(new_id()) is None
    claim = await store.claim(reply)
    assert await store.claimed(reply.id) is None
    assert await stored(store, reply, claim) == replace(reply, status=Status.GENERATING, attempt=1)


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.STOPPED, Status.FAILED])
async def test_ended_reply_is_not_claimed(store, status):
    reply = await store.new_reply()
    # The lease of 0 has expired: only the end protects the reply.
    await store.end(await store.claim(reply, lease=0), Ending(status, "text", NOW))

    assert await store.claimed(reply.id) is None


async def test_of_50_concurrent_claims_one_succeeds(store):
    reply = await store.new_reply()

    async with asyncio.timeout(20):
        claims = await asyncio.gather(*(store.claimed(reply.id) for _ in range(50)))

    assert [claim.attempt for claim in claims if claim is not None] == [1]


async def test_replies_of_a_room_are_claimed_in_order(store):
    room = await store.new_room()
    replies = [await store.new_reply(room) for _ in range(3)]
    elsewhere = await store.new_reply(await store.new_room(room.account_id))

    for first, *later in (replies, replies[1:], replies[2:]):
        for reply in later:
            assert await store.claimed(reply.id) is None
        claim = await store.claim(first)
        for reply in later:
            assert await store.claimed(reply.id) is None
        await store.end(claim)
    assert await store.claimed(elsewhere.id) is not None


async def test_postponed_reply_blocks_later_ones_of_its_room(store):
    room = await store.new_room()
    first, second = [await store.new_reply(room) for _ in range(2)]
    claim = await store.claim(first)
    await store.do(lambda unit: unit.replies.postpone(claim, seconds=LONG))

    assert await store.claimed(second.id) is None


async def test_lease_of_0_expires_at_once(store):
    reply = await store.new_reply()
    claims = [await store.claim(reply, lease=0) for _ in range(3)]

    assert [claim.attempt for claim in claims] == [1, 2, 3]
    assert [claim.failures for claim in claims] == [0, 0, 0]


async def test_renewing_starts_the_lease_anew(store):
    reply = await store.new_reply()
    claim = await store.claim(reply, lease=0)
    assert await store.do(lambda unit: unit.replies.renew([claim], lease=LONG)) == [Lease.HELD]
    assert await store.claimed(reply.id) is None

    assert await store.do(lambda unit: unit.replies.renew([claim], lease=0)) == [Lease.HELD]
    assert (await store.claim(reply)).attempt == 2


async def test_claim_with_an_expired_lease_is_valid_until_it_is_overtaken(store):
    reply = await store.new_reply()
    claim = await store.claim(reply, lease=0)

    assert await store.end(claim)
    assert (await stored(store, reply, claim)).status is Status.COMPLETED


async def test_postponed_reply_is_due_after_its_delay(store):
    reply = await store.new_reply()
    claim = await store.claim(reply)
    assert await store.do(lambda unit: unit.replies.postpone(claim, seconds=LONG))
    assert await stored(store, reply, claim) == replace(reply, status=Status.PENDING, attempt=1)
    assert await store.claimed(reply.id) is None


async def test_tokens_of_retries_and_releases_are_counted_once(store):
    reply = await store.new_reply()
    claim = await store.claim(reply)
    for _ in range(2):
        await store.do(lambda unit: unit.replies.postpone(claim, seconds=0, spent=Spent(3, 5)))
    claim = await store.claim(reply)
    for _ in range(2):
        await store.do(lambda unit: unit.replies.release(claim, spent=Spent(20, 0)))

    (usage,) = await store.usage(claim.account_id)
    assert (usage.used, usage.input_tokens, usage.output_tokens) == (1, 23, 5)


async def test_postponing_counts_a_failure_and_releasing_does_not(store):
    reply = await store.new_reply()
    for attempt, failures in ((1, 0), (2, 1), (3, 2)):
        claim = await store.claim(reply)
        assert (claim.attempt, claim.failures) == (attempt, failures)
        assert await store.do(lambda unit, claim=claim: unit.replies.postpone(claim, seconds=0))
    for attempt in (4, 5):
        claim = await store.claim(reply)
        assert (claim.attempt, claim.failures, claim.releases) == (attempt, 3, attempt - 4)
        assert await store.do(lambda unit, claim=claim: unit.replies.release(claim))
        assert await stored(store, reply, claim) == replace(reply, attempt=attempt)


async def test_the_model_that_was_asked_is_stored_with_its_failures(store):
    reply = await store.new_reply()
    claim = await store.claim(reply)
    assert await store.do(lambda unit: unit.replies.postpone(claim, seconds=0))
    claim = await store.claim(reply)
    assert await store.do(lambda unit: unit.replies.postpone(claim, seconds=0, fallback="b/second"))
    claim = await store.claim(reply)
    assert (claim.model, claim.failures, claim.attempt) == ("b/second", 0, 3)

    third = replace(claim, model="c/third", failures=0)
    assert await store.do(lambda unit: unit.replies.postpone(third, seconds=0))
    claim = await store.claim(reply)
    assert (claim.model, claim.failures) == ("c/third", 1)
    assert await store.do(lambda unit: unit.replies.end(replace(claim, model="d/last"), COMPLETED))
    assert (await stored(store, reply, claim)).model == "d/last"


Step = Callable[[ChatUnit, Claim], Awaitable[object]]
STEPS = [
    pytest.param(lambda unit, claim: unit.replies.renew([claim], lease=0), [Lease.LOST], id="renew"),
    pytest.param(lambda unit, claim: unit.replies.end(claim, COMPLETED), False, id="end"),
    pytest.param(lambda unit, claim: unit.replies.postpone(claim, seconds=0), False, id="postpone"),
    pytest.param(lambda unit, claim: unit.replies.release(claim), False, id="release"),
]


@pytest.mark.parametrize(("step", "refusal"), STEPS)
async def test_overtaken_claim_changes_nothing_and_returns_so(store, step: Step, refusal):
    reply = await store.new_reply()
    overtaken = await store.claim(reply, lease=0)
    claim = await store.claim(reply)
    before = await stored(store, reply, claim)

    assert await store.do(lambda unit: step(unit, overtaken)) == refusal

    assert await stored(store, reply, claim) == before
    assert await store.claimed(reply.id) is None
    assert await store.do(lambda unit: unit.replies.renew([claim], lease=0)) == [Lease.HELD]
    following = await store.claim(reply)
    assert (following.attempt, following.failures) == (3, 0)


@pytest.mark.parametrize(("step", "refusal"), STEPS)
@pytest.mark.parametrize("after_step", ["end", "postpone", "release", "end_unheld", "delete"])
async def test_released_or_postponed_claim_changes_nothing_and_returns_so(store, step: Step, refusal, after_step):
    reply = await store.new_reply()
    claim = await store.claim(reply, lease=0)
    steps = {
        "end": lambda unit: unit.replies.end(claim, Ending(Status.STOPPED, "text", NOW, usage=TokenUsage(1, 2))),
        "postpone": lambda unit: unit.replies.postpone(claim, seconds=LONG),
        "release": lambda unit: unit.replies.release(claim),
        "end_unheld": lambda unit: unit.replies.end_unheld(reply.id, Ending(Status.STOPPED, "", NOW)),
        "delete": lambda unit: unit.rooms.delete(reply.room_id, claim.account_id),
    }
    assert await store.do(steps[after_step])
    before = await stored(store, reply, claim)

    assert await store.do(lambda unit: step(unit, claim)) == refusal

    assert await stored(store, reply, claim) == before
    following = await store.claimed(reply.id)
    assert (following and following.attempt) == (2 if after_step == "release" else None)


async def test_of_concurrent_ends_of_one_claim_one_succeeds(store):
    reply = await store.new_reply()
    claim = await store.claim(reply)
    endings = [Ending(Status.COMPLETED, f"text {number}", NOW) for number in range(20)]

    async with asyncio.timeout(20):
        ended = await asyncio.gather(*(store.end(claim, ending) for ending in endings))

    assert ended.count(True) == 1
    assert (await stored(store, reply, claim)).content == endings[ended.index(True)].content


async def test_steps_of_a_claim_change_no_other_reply(store):
    room = await store.new_room()
    later = [await store.new_exchange(room) for _ in range(2)][1][1]
    beside = await store.new_reply(await store.new_room(room.account_id))
    held = await store.claim(beside)
    reply = await store.new_reply()
    for _ in range(2):
        claim = await store.claim(reply)
        await store.do(lambda unit, claim=claim: unit.replies.postpone(claim, seconds=0))
    await store.do(lambda unit: unit.replies.request_stop(reply.id))
    await store.end(await store.claim(reply))

    assert await store.message(later, room.account_id) == later
    assert await stored(store, beside, held) == replace(beside, status=Status.GENERATING, attempt=1)
    assert await store.do(lambda unit: unit.replies.renew([held], lease=LONG)) == [Lease.HELD]


async def test_stop_reaches_the_worker_that_holds_the_reply(store):
    reply = await store.new_reply()
    claim = await store.claim(reply)
    assert not claim.stop_requested

    assert await store.do(lambda unit: unit.replies.request_stop(reply.id))

    assert await store.do(lambda unit: unit.replies.renew([claim], lease=LONG)) == [Lease.STOP_REQUESTED]
    assert (await stored(store, reply, claim)).status is Status.GENERATING
    assert await store.claimed(reply.id) is None
    assert await store.end(claim)


@pytest.mark.parametrize("after", ["nothing", "lost lease", "release", "postpone"])
async def test_stop_reaches_the_worker_that_claims_the_reply_next(store, after):
    reply = await store.new_reply()
    if after != "nothing":
        claim = await store.claim(reply, lease=0)
    assert await store.do(lambda unit: unit.replies.request_stop(reply.id))
    if after == "release":
        assert await store.do(lambda unit: unit.replies.release(claim))
    if after == "postpone":
        # A stop does not wait for the delay.
        assert await store.do(lambda unit: unit.replies.postpone(claim, seconds=LONG))

    assert (await store.claim(reply)).stop_requested


async def test_stop_of_an_ended_or_unknown_reply_is_refused(store):
    room = await store.new_room()
    question, reply = await store.new_exchange(room)
    await store.end(await store.claim(reply))
    for message_id in (question.id, reply.id, new_id()):
        assert not await store.do(lambda unit, found=message_id: unit.replies.request_stop(found))


async def test_attempt_that_was_overtaken_is_counted_as_released_when_it_is_excused(store):
    reply = await store.new_reply()
    first = await store.claim(reply, lease=0)
    # Nobody has overtaken it yet.
    await store.do(lambda unit: unit.replies.excuse(first))
    second = await store.claim(reply, lease=0)
    await store.do(lambda unit: unit.replies.excuse(first))
    third = await store.claim(reply)
    assert [claim.releases for claim in (first, second, third)] == [0, 0, 1]

    assert await store.end(third)
    await store.do(lambda unit: unit.replies.excuse(second))
    assert (await stored(store, reply, third)).status is Status.COMPLETED
