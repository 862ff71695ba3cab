"""A worker whose model takes too long."""

import asyncio

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.model import ReplyError, Status
from tests.unit.chat.environment import LIMITS
from tests.unit.chat.scripted_model import Pause

OVERLOADED = ModelUnavailable("model_overloaded", "The vendor is busy.")


async def test_silence_before_the_first_word_fails_the_attempt(env):
    reply = await env.reply()
    env.model.will(Pause(LIMITS.first_token + 1), "Too late.")

    assert (await env.write(reply)).status is Status.PENDING
    assert asyncio.get_running_loop().time() == LIMITS.first_token
    for _ in range(2):
        failed = await env.attempt(reply)
    assert failed.error == ReplyError("model_timeout", "The model was silent for 30 s.")
    assert len(env.model.closed_by) == 3


async def test_first_word_may_take_its_time(env):
    reply = await env.reply()
    env.model.will(Pause(LIMITS.first_token - 1), "In", Pause(LIMITS.idle - 1), " time.")

    assert (await env.write(reply)).content == "In time."


async def test_silence_in_mid_answer_fails_the_attempt(env):
    reply = await env.reply()
    env.model.will("Half an", Pause(LIMITS.idle + 1), " answer.")

    assert (await env.write(reply)).status is Status.PENDING
    assert asyncio.get_running_loop().time() == LIMITS.idle
    for _ in range(2):
        failed = await env.attempt(reply)
    assert (failed.content, failed.error) == ("Half an", ReplyError("model_timeout", "The model was silent for 20 s."))


async def test_answer_that_goes_on_for_too_long_is_final(env):
    reply = await env.reply()
    env.model.will(*[step for _ in range(100) for step in ("word ", Pause(10))])

    failed = await env.write(reply)
    assert asyncio.get_running_loop().time() == LIMITS.total
    assert (failed.status, failed.attempt) == (Status.FAILED, 1)
    assert failed.error == ReplyError("model_timeout", "The model wrote for over 300 s.")
    assert failed.content == "word " * 30
    assert (await env.usage()).used == 0
    assert len(env.model.closed_by) == 1


async def test_timeout_of_the_models_own_is_a_failure_too(env):
    reply = await env.reply()
    env.model.will("Half an", TimeoutError())

    assert (await env.write(reply)).status is Status.PENDING
