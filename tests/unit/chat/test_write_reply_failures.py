"""Failures of a model: which are retried, when, and which are final."""

import asyncio
from contextlib import suppress

import pytest

from parley.core.billing.model import MOST_RETURNED_REFUSALS
from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.model import ReplyError, Status
from parley.core.chat.tokens import TokenUsage
from parley.core.chat.write_reply import MAX_LOST_WORKERS
from tests.fakes.streams import text_so_far
from tests.unit.chat.environment import LIMITS
from tests.unit.chat.scripted_model import BreakOff, Gate

OVERLOADED = ModelUnavailable("model_overloaded", "The vendor is busy.")


def asking_for(seconds: float) -> ModelUnavailable:
    return ModelUnavailable("model_rate_limited", "The vendor is busy.", retry_after=seconds)


async def test_failed_attempt_is_followed_by_another(env):
    reply = await env.reply()
    env.model.will("Half an", OVERLOADED)
    env.model.will("A whole answer.")

    waiting = await env.write(reply)
    assert (waiting.status, waiting.content, waiting.attempt, waiting.error) == (Status.PENDING, "", 1, None)
    assert env.due_in(reply) == 1.0
    assert await env.queued() == []
    assert (await env.write(reply)).attempt == 1

    written = await env.attempt(reply)
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "A whole answer.", 2)
    assert (await env.usage()).used == 1


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
async def test_delays_grow_up_to_a_maximum_and_are_spread(env, jitter, share):
    reply = await env.reply()
    env.jitter = jitter
    env.model.will(OVERLOADED)
    delays = []
    for _ in range(8):
        await env.attempt(reply, attempts=20)
        delays.append(env.due_in(reply))

    assert delays == [pytest.approx(grown * share) for grown in (1, 2, 4, 8, 16, 30, 30, 30)]


@pytest.mark.parametrize("seconds", [0.0, 0.25, 100.0, LIMITS.total])
async def test_delay_that_the_vendor_asks_for_is_used(env, seconds):
    reply = await env.reply()
    env.model.will(asking_for(seconds))

    assert (await env.write(reply)).status is Status.PENDING
    assert env.due_in(reply) == seconds


async def test_too_long_a_delay_of_the_vendor_fails_the_reply(env):
    reply = await env.reply()
    env.model.will("Half an", asking_for(LIMITS.total + 1))

    failed = await env.write(reply)
    assert (failed.status, failed.content) == (Status.FAILED, "Half an")
    assert failed.error == ReplyError("model_rate_limited", "The vendor is busy.")
    assert (await env.usage()).used == 0


async def test_reply_fails_after_the_last_attempt_and_returns_its_quota_once(env):
    room = await env.room()
    other = await env.reply()
    reply, following = await env.reply(room), await env.reply(room)
    env.model.will("Half an", OVERLOADED)

    assert [(await env.attempt(reply)).status for _ in range(3)] == [Status.PENDING, Status.PENDING, Status.FAILED]
    assert (await env.usage()).used == 2
    failed = await env.write(reply)
    assert (failed.status, failed.attempt, failed.content, failed.usage) == (Status.FAILED, 3, "Half an", None)
    assert failed.error == ReplyError("model_overloaded", "The vendor is busy.")
    assert failed.completed_at == env.now()
    assert (await env.usage()).used == 2
    assert len(env.model.asked) == 3
    assert await env.queued() == [following.id]
    assert (await env.message(other)).status is Status.PENDING


async def test_single_attempt_fails_at_once(env):
    reply = await env.reply()
    env.model.will(OVERLOADED)

    assert (await env.write(reply, attempts=1)).status is Status.FAILED


async def test_refusal_is_final(env):
    reply = await env.reply()
    env.model.will("Half an", ModelRefused("content_blocked", "The vendor blocked this."))

    failed = await env.write(reply)
    assert (failed.status, failed.attempt, failed.content) == (Status.FAILED, 1, "Half an")
    assert failed.error == ReplyError("content_blocked", "The vendor blocked this.")
    assert (await env.usage()).used == 0


OTHERS = [
    ModelRefused("content_blocked", "Blocked."),
    ModelRefused("prompt_blocked", "Blocked."),
    ModelRefused("model_timeout", "The model wrote for over 300 s."),
    ModelUnavailable("empty_answer", "Nothing."),
]
OURS = [
    ModelUnavailable("model_timeout", "The model was silent for 30 s."),
    ModelRefused("model_rejected_key", "No."),
    ModelRefused("model_rejected_request", "No."),
    ZeroDivisionError(),
    OVERLOADED,
]


@pytest.mark.parametrize("failure", OTHERS, ids=str)
async def test_what_a_user_can_bring_about_is_returned_a_few_times_a_day(env, failure):
    used = []
    for _ in range(MOST_RETURNED_REFUSALS + 2):
        reply = await env.reply()
        env.model.will("Half an", failure)
        await env.attempt(reply, attempts=1)
        used.append((await env.usage()).used)

    assert used == [0] * MOST_RETURNED_REFUSALS + [1, 2]


@pytest.mark.parametrize("failure", OURS, ids=repr)
async def test_a_failure_of_ours_is_always_returned(env, failure):
    for _ in range(MOST_RETURNED_REFUSALS + 2):
        reply = await env.reply()
        env.model.will("Half an", failure)
        with suppress(ZeroDivisionError):
            await env.attempt(reply, attempts=1)
        assert (await env.usage()).used == 0


async def test_model_that_is_no_longer_offered_is_final(env):
    room = await env.room(model="other/only")
    reply = await env.reply(room)
    del env.providers["other"]

    failed = await env.write(reply)
    assert (failed.status, failed.error.code) == (Status.FAILED, "model_not_offered")
    assert (await env.usage()).used == 0


async def test_answer_without_an_end_counts_as_a_failure(env):
    reply = await env.reply()
    env.model.will("Half an", BreakOff())

    assert (await env.write(reply)).status is Status.PENDING
    for _ in range(2):
        failed = await env.attempt(reply)
    assert (failed.status, failed.content, failed.error.code) == (Status.FAILED, "Half an", "model_interrupted")


async def test_unexpected_error_counts_as_a_failure_and_is_raised(env):
    reply = await env.reply()
    env.model.will("Half an", ZeroDivisionError("a secret"))
    for _ in range(3):
        assert (await env.message(reply)).status is Status.PENDING
        with pytest.raises(ZeroDivisionError):
            await env.attempt(reply)

    failed = await env.message(reply)
    assert (failed.status, failed.attempt) == (Status.FAILED, 3)
    assert failed.error == ReplyError("internal_error", "The reply could not be written.")
    assert (await env.usage()).used == 0


async def test_text_before_an_unexpected_error_is_stored(env):
    reply = await env.reply()
    env.model.will("Half an", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await env.write(reply, attempts=1)

    assert (await env.message(reply)).content == "Half an"


@pytest.mark.parametrize(
    ("lost", "ending"), [(MAX_LOST_WORKERS - 1, Status.COMPLETED), (MAX_LOST_WORKERS, Status.FAILED)]
)
async def test_reply_whose_workers_die_too_often_fails(env, lost, ending):
    reply = await env.reply()
    env.model.will("An answer.")
    for _ in range(lost):
        assert await env.claim(reply, lease=0) is not None

    ended = await env.write(reply)
    assert ended.status is ending
    assert len(env.model.asked) == (ending is Status.COMPLETED)
    assert (await env.usage()).used == (ending is Status.COMPLETED)
    assert (ended.error and ended.error.code) == (None if ending is Status.COMPLETED else "worker_lost")


async def test_failures_of_the_model_are_not_lost_workers(env):
    reply = await env.reply()
    env.model.will(OVERLOADED)
    for _ in range(MAX_LOST_WORKERS + 2):
        waiting = await env.attempt(reply, attempts=100)

    assert waiting.status is Status.PENDING
    assert len(env.model.asked) == MAX_LOST_WORKERS + 2


async def test_later_attempt_replaces_the_earlier_in_the_stream(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", OVERLOADED)
    env.model.will("A whole", gate, " answer.")
    await env.write(reply)
    assert await text_so_far(env.stream, reply.id) == "Half an"
    await asyncio.sleep(env.due_in(reply))
    async with env.writing(reply):
        await gate.reached()
        await asyncio.sleep(0)
        assert await text_so_far(env.stream, reply.id) == "A whole"
        gate.open()


@pytest.mark.parametrize("tokens", ["12", 3.5, -1, 2**31, True])
async def test_implausible_token_counts_are_ignored(env, tokens):
    reply = await env.reply()
    env.model.usage = TokenUsage(tokens, 1)
    env.model.will("A whole answer.")

    written = await env.write(reply)
    assert (written.status, written.content) == (Status.COMPLETED, "A whole answer.")
    assert written.usage == TokenUsage(None, 1)


async def test_stopped_reply_whose_model_failed_is_due_at_once(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", gate, asking_for(200))
    async with env.writing(reply):
        await gate.reached()
        async with env.uow() as unit:
            assert await unit.replies.request_stop(reply.id)
            await unit.commit()
        gate.open()

    assert env.due_in(reply) <= 0
    assert (await env.write(reply)).status is Status.STOPPED
