"""A worker whose model fails: what is tried again, when, and what is final."""

import asyncio

import pytest

from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.model import ReplyError, Status, TokenUsage
from parley.core.chat.write_reply import MOST_LOST_WORKERS
from tests.unit.chat.desk import LIMITS
from tests.unit.chat.scripted_model import BreakOff, Gate

OVERLOADED = ModelUnavailable("model_overloaded", "The vendor is busy.")


def asking_for(seconds: float) -> ModelUnavailable:
    return ModelUnavailable("model_rate_limited", "The vendor is busy.", retry_after=seconds)


async def test_failed_attempt_is_followed_by_another(desk):
    reply = await desk.reply()
    desk.model.will("Half an", OVERLOADED)
    desk.model.will("A whole answer.")

    waiting = await desk.write(reply)
    assert (waiting.status, waiting.content, waiting.attempt, waiting.error) == (Status.PENDING, "", 1, None)
    assert desk.due_in(reply) == 1.0
    assert await desk.queued() == []
    assert (await desk.write(reply)).attempt == 1

    written = await desk.attempt(reply)
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "A whole answer.", 2)
    assert (await desk.usage()).used == 1


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
async def test_delays_grow_up_to_the_longest_and_are_spread(desk, chance, share):
    reply = await desk.reply()
    desk.chance = chance
    desk.model.will(OVERLOADED)
    delays = []
    for _ in range(8):
        await desk.attempt(reply, attempts=20)
        delays.append(desk.due_in(reply))

    assert delays == [pytest.approx(grown * share) for grown in (1, 2, 4, 8, 16, 30, 30, 30)]


@pytest.mark.parametrize("seconds", [0.0, 0.25, 100.0, LIMITS.total])
async def test_vendor_says_when_to_come_back(desk, seconds):
    reply = await desk.reply()
    desk.model.will(asking_for(seconds))

    assert (await desk.write(reply)).status is Status.PENDING
    assert desk.due_in(reply) == seconds


async def test_vendor_that_wants_too_long_a_wait_fails_the_reply(desk):
    reply = await desk.reply()
    desk.model.will("Half an", asking_for(LIMITS.total + 1))

    failed = await desk.write(reply)
    assert (failed.status, failed.content) == (Status.FAILED, "Half an")
    assert failed.error == ReplyError("model_rate_limited", "The vendor is busy.")
    assert (await desk.usage()).used == 0


async def test_reply_fails_after_the_last_attempt_and_returns_its_quota_once(desk):
    room = await desk.room()
    other = await desk.reply()
    reply, following = await desk.reply(room), await desk.reply(room)
    desk.model.will("Half an", OVERLOADED)

    assert [(await desk.attempt(reply)).status for _ in range(3)] == [Status.PENDING, Status.PENDING, Status.FAILED]
    assert (await desk.usage()).used == 2
    failed = await desk.write(reply)
    assert (failed.status, failed.attempt, failed.content, failed.usage) == (Status.FAILED, 3, "Half an", None)
    assert failed.error == ReplyError("model_overloaded", "The vendor is busy.")
    assert failed.completed_at == desk.now()
    assert (await desk.usage()).used == 2
    assert len(desk.model.asked) == 3
    assert await desk.queued() == [following.id]
    assert (await desk.message(other)).status is Status.PENDING


async def test_single_attempt_fails_at_once(desk):
    reply = await desk.reply()
    desk.model.will(OVERLOADED)

    assert (await desk.write(reply, attempts=1)).status is Status.FAILED


async def test_refusal_is_final(desk):
    reply = await desk.reply()
    desk.model.will("Half an", ModelRefused("content_blocked", "The vendor blocked this."))

    failed = await desk.write(reply)
    assert (failed.status, failed.attempt, failed.content) == (Status.FAILED, 1, "Half an")
    assert failed.error == ReplyError("content_blocked", "The vendor blocked this.")
    assert (await desk.usage()).used == 0


async def test_model_that_is_no_longer_offered_is_final(desk):
    room = await desk.room(model="other/only")
    reply = await desk.reply(room)
    del desk.catalogue.providers["other"]

    failed = await desk.write(reply)
    assert (failed.status, failed.error.code) == (Status.FAILED, "model_not_offered")
    assert (await desk.usage()).used == 0


async def test_answer_without_an_end_counts_as_a_failure(desk):
    reply = await desk.reply()
    desk.model.will("Half an", BreakOff())

    assert (await desk.write(reply)).status is Status.PENDING
    for _ in range(2):
        failed = await desk.attempt(reply)
    assert (failed.status, failed.content, failed.error.code) == (Status.FAILED, "Half an", "model_interrupted")


async def test_what_nobody_foresaw_counts_as_a_failure_and_reaches_the_log(desk):
    reply = await desk.reply()
    desk.model.will("Half an", ZeroDivisionError("a secret"))
    for _ in range(3):
        assert (await desk.message(reply)).status is Status.PENDING
        with pytest.raises(ZeroDivisionError):
            await desk.attempt(reply)

    failed = await desk.message(reply)
    assert (failed.status, failed.attempt) == (Status.FAILED, 3)
    assert failed.error == ReplyError("internal_error", "The reply could not be written.")
    assert (await desk.usage()).used == 0


async def test_readers_keep_the_text_that_came_before_what_nobody_foresaw(desk):
    reply = await desk.reply()
    desk.model.will("Half an", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await desk.write(reply, attempts=1)

    assert (await desk.message(reply)).content == "Half an"


@pytest.mark.parametrize(
    ("lost", "ending"), [(MOST_LOST_WORKERS - 1, Status.COMPLETED), (MOST_LOST_WORKERS, Status.FAILED)]
)
async def test_reply_whose_workers_die_too_often_is_not_tried_again(desk, lost, ending):
    reply = await desk.reply()
    desk.model.will("An answer.")
    for _ in range(lost):
        assert await desk.claim(reply, lease=0) is not None

    ended = await desk.write(reply)
    assert ended.status is ending
    assert len(desk.model.asked) == (ending is Status.COMPLETED)
    assert (await desk.usage()).used == (ending is Status.COMPLETED)
    assert (ended.error and ended.error.code) == (None if ending is Status.COMPLETED else "worker_lost")


async def test_failures_of_the_model_are_not_lost_workers(desk):
    reply = await desk.reply()
    desk.model.will(OVERLOADED)
    for _ in range(MOST_LOST_WORKERS + 2):
        waiting = await desk.attempt(reply, attempts=100)

    assert waiting.status is Status.PENDING
    assert len(desk.model.asked) == MOST_LOST_WORKERS + 2


async def test_later_attempt_takes_the_place_of_the_earlier_for_readers_too(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("Half an", OVERLOADED)
    desk.model.will("A whole", gate, " answer.")
    await desk.write(reply)
    assert await desk.stream.text_so_far(reply.id) == "Half an"
    await asyncio.sleep(desk.due_in(reply))
    async with desk.writing(reply):
        await gate.reached()
        await asyncio.sleep(0)
        assert await desk.stream.text_so_far(reply.id) == "A whole"
        gate.open()


@pytest.mark.parametrize("tokens", ["12", 3.5, -1, 2**31, True])
async def test_what_no_database_could_store_is_not_counted(desk, tokens):
    reply = await desk.reply()
    desk.model.usage = TokenUsage(tokens, 1)
    desk.model.will("A whole answer.")

    written = await desk.write(reply)
    assert (written.status, written.content) == (Status.COMPLETED, "A whole answer.")
    assert written.usage == TokenUsage(None, 1)


async def test_stop_that_crosses_a_failure_does_not_wait_for_the_next_attempt(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("Half an", gate, asking_for(200))
    async with desk.writing(reply):
        await gate.reached()
        async with desk.chat() as unit:
            assert await unit.replies.request_stop(reply.id)
            await unit.commit()
        gate.open()

    assert desk.due_in(reply) <= 0
    assert (await desk.write(reply)).status is Status.STOPPED
