"""Answers without text, conversations that are too long, and the tokens of attempts that did not complete."""

import asyncio

import pytest

from parley.core.chat.errors import ContextTooLong, ModelRefused, ModelUnavailable
from parley.core.chat.language_model import Finished, Reasoning, SignOfLife
from parley.core.chat.model import ReplyError, Status
from parley.core.chat.tokens import TokenUsage
from parley.core.chat.write_reply import write_reply
from tests.unit.chat.environment import LIMITS
from tests.unit.chat.scripted_model import USAGE, Gate, Pause

TOO_LONG = ContextTooLong("The conversation is longer than this model can read.")
COUNTED = TokenUsage(5, 3)


async def tokens(env) -> tuple[int, int]:
    usage = await env.usage()
    return usage.input_tokens, usage.output_tokens


@pytest.mark.parametrize("answer", [(), (" \n",), ("\u200b\u3164\u2800",), (Reasoning("Hm."),)])
async def test_answer_without_anything_readable_is_asked_for_again_then_failed(env, answer):
    reply = await env.reply()
    env.model.will(*answer)

    assert (await env.write(reply)).status is Status.PENDING
    for _ in range(2):
        failed = await env.attempt(reply)
    assert (failed.status, failed.attempt) == (Status.FAILED, 3)
    assert failed.error == ReplyError("empty_answer", "The model answered nothing that can be read.")
    assert (await env.usage()).used == 0
    assert await tokens(env) == (3 * USAGE.input_tokens, 3 * USAGE.output_tokens)


@pytest.mark.parametrize("answer", ["?", "…", "👍", "٣", "한", "\u3164x"])
async def test_a_single_readable_character_is_an_answer(env, answer):
    env.model.will(answer)
    assert (await env.write(await env.reply())).status is Status.COMPLETED


async def test_tokens_of_a_retried_attempt_are_counted(env):
    reply = await env.reply()
    env.model.will("Half", ModelUnavailable("model_interrupted", "Broken off.", usage=COUNTED))
    env.model.will("Whole.")

    await env.write(reply)
    assert await tokens(env) == (5, 3)
    assert (await env.attempt(reply)).usage == USAGE
    assert await tokens(env) == (5 + USAGE.input_tokens, 3 + USAGE.output_tokens)


async def test_tokens_of_a_failed_reply_are_counted_although_its_quota_is_returned(env):
    env.model.will("Half", ModelRefused("content_blocked", "Blocked.", usage=COUNTED))
    failed = await env.write(await env.reply())

    assert (failed.status, failed.usage) == (Status.FAILED, COUNTED)
    assert (await env.usage()).used == 0
    assert await tokens(env) == (5, 3)


@pytest.mark.parametrize("fault", [ZeroDivisionError(), TimeoutError(), ModelRefused("content_blocked", "Blocked.")])
async def test_last_count_on_the_way_counts_for_an_attempt_that_fails(env, fault):
    env.model.will(SignOfLife(TokenUsage(5, 1)), "Half", SignOfLife(COUNTED), SignOfLife(), fault)
    reply = await env.reply()
    try:
        await env.write(reply, attempts=1)
    except ZeroDivisionError:
        assert isinstance(fault, ZeroDivisionError)

    assert (await env.message(reply)).usage == COUNTED
    assert await tokens(env) == (5, 3)


async def test_last_count_on_the_way_counts_for_a_stopped_reply(env):
    reply, gate = await env.reply(), Gate()
    env.model.will(SignOfLife(COUNTED), "Half", gate)
    async with env.writing(reply):
        await gate.reached()
        stopped = await env.stop(reply)

    assert (stopped.status, stopped.usage) == (Status.STOPPED, COUNTED)
    assert await tokens(env) == (5, 3)


async def test_last_count_on_the_way_counts_for_a_released_reply(env):
    reply, gate = await env.reply(), Gate()
    env.model.will(SignOfLife(COUNTED), "Half", gate)
    worker = asyncio.create_task(write_reply(env.chat, reply.id))
    await gate.reached()
    worker.cancel()
    await asyncio.wait({worker})

    assert (await env.message(reply)).status is Status.PENDING
    assert await tokens(env) == (5, 3)


async def test_final_count_replaces_those_on_the_way(env):
    env.model.usage = None
    env.model.will(SignOfLife(TokenUsage(5, 1)), "Whole.", Finished(COUNTED))
    assert (await env.write(await env.reply())).usage == COUNTED
    assert await tokens(env) == (5, 3)


async def test_conversation_that_is_too_long_is_halved_within_the_attempt(env):
    room = await env.room()
    env.model.will("An answer.")
    for number in range(4):
        await env.write(await env.reply(room, f"Question {number}"))
    env.model.scripts = [(TOO_LONG,), (SignOfLife(), TOO_LONG), ("Short enough.",)]

    written = await env.write(await env.reply(room, "The last question"))
    assert (written.content, written.attempt) == ("Short enough.", 1)
    asked = [[turn.content for turn in each.turns[::2]] for each in env.model.asked[-3:]]
    assert asked == [
        ["Question 0", "Question 1", "Question 2", "Question 3", "The last question"],
        ["Question 2", "Question 3", "The last question"],
        ["Question 3", "The last question"],
    ]


async def test_message_that_is_too_long_by_itself_fails_and_the_room_stays_usable(env):
    room = await env.room()
    env.model.will("An answer.")
    await env.write(await env.reply(room, "Before"))
    env.model.scripts = [(TOO_LONG,)]
    failed = await env.write(await env.reply(room, "Too long"))
    assert (failed.status, failed.attempt, failed.error.code) == (Status.FAILED, 1, "context_too_long")
    assert (await env.usage()).used == 1

    env.model.scripts = [("An answer.",)]
    assert (await env.write(await env.reply(room, "After"))).status is Status.COMPLETED
    assert [turn.content for turn in env.model.asked[-1].turns] == ["Before", "An answer.", "After"]


async def test_answer_that_began_is_not_asked_for_again_with_less(env):
    room = await env.room()
    env.model.will("An answer.")
    await env.write(await env.reply(room))
    env.model.scripts = [("Half", TOO_LONG)]

    failed = await env.write(await env.reply(room))
    assert (failed.status, failed.content, failed.error.code) == (Status.FAILED, "Half", "context_too_long")


async def test_reasoning_for_three_times_the_idle_limit_then_text_is_one_attempt(env):
    thoughts = [step for _ in range(6) for step in (Reasoning("Hm. "), Pause(LIMITS.idle / 2))]
    env.model.will(*thoughts, "At last.")

    written = await env.write(await env.reply())
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "At last.", 1)
    assert asyncio.get_running_loop().time() == 3 * LIMITS.idle


async def test_signs_of_life_move_the_idle_deadline(env):
    env.model.will(*[step for _ in range(6) for step in (SignOfLife(), Pause(LIMITS.idle - 1))], "At last.")
    assert (await env.write(await env.reply())).content == "At last."


async def test_endless_reasoning_ends_at_the_total_deadline(env):
    env.model.will(*[step for _ in range(100) for step in (Reasoning("Hm. "), Pause(10))])
    failed = await env.write(await env.reply())
    assert (failed.status, failed.error.code) == (Status.FAILED, "model_timeout")
    assert asyncio.get_running_loop().time() == LIMITS.total
