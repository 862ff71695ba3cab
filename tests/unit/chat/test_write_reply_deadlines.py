"""Models that take too long."""

import asyncio

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.model import ReplyError, Status
from tests.unit.chat.environment import LIMITS
from tests.unit.chat.scripted_model import Pause

OVERLOADED = ModelUnavailable("model_overloaded", "The vendor is busy.")


async def test_silence_before_the_first_text_fails_the_attempt(env):
    reply = await env.reply()
    env.model.will(Pause(LIMITS.first_token + 1), "Too late.")

    assert (await env.write(reply)).status is Status.PENDING
    assert asyncio.get_running_loop().time() == LIMITS.first_token
    for _ in range(2):
        failed = await env.attempt(reply)
    assert failed.error == ReplyError("model_timeout", "The model was silent for 30 s.")
    assert len(env.model.closed_by) == 3


async def test_first_text_may_come_just_before_its_deadline(env):
    reply = await env.reply()
    env.model.will(Pause(LIMITS.first_token - 1), "In", Pause(LIMITS.idle - 1), " time.")

    assert (await env.write(reply)).content == "In time."


async def test_silence_within_an_answer_fails_the_attempt(env):
    reply = await env.reply()
    env.model.will("Half an", Pause(LIMITS.idle + 1), " answer.")

    assert (await env.write(reply)).status is Status.PENDING
    assert asyncio.get_running_loop().time() == LIMITS.idle
    for _ in range(2):
        failed = await env.attempt(reply)
    assert (failed.content, failed.error) == ("Half an", ReplyError("model_timeout", "The model was silent for 20 s."))


async def test_answer_above_the_total_deadline_fails_the_reply(env):
    reply = await env.reply()
    env.model.will(*[step for _ in range(100) for step in ("word ", Pause(10))])

    failed = await env.write(reply)
    assert asyncio.get_running_loop().time() == LIMITS.total
    assert (failed.status, failed.attempt) == (Status.FAILED, 1)
    assert failed.error == ReplyError("model_timeout", "The model wrote for over 300 s.")
    assert failed.content == "word " * 30
    assert (await env.usage()).used == 0
    assert len(env.model.closed_by) == 1


async def test_timeout_raised_by_the_model_fails_the_attempt(env):
    reply = await env.reply()
    env.model.will("Half an", TimeoutError())

    assert (await env.write(reply)).status is Status.PENDING
