"""The metrics of replies."""

import asyncio

import pytest
from prometheus_client import generate_latest

from parley.core.chat.errors import ModelRefused, ModelUnavailable
from tests.unit.chat.scripted_model import Pause


def value(env, name, **labels):
    found = env.metrics.registry.get_sample_value(f"parley_reply_{name}", labels)
    return 0.0 if found is None else found


async def test_durations_are_measured_from_the_message(env):
    env.model.will(Pause(2), "An", Pause(3), " answer")
    reply = await env.reply()
    await asyncio.sleep(7)
    await env.write(reply)
    assert value(env, "first_text_seconds_sum", model="vendor/fast") == pytest.approx(9)
    assert value(env, "seconds_sum", model="vendor/fast", end="completed") == pytest.approx(12)
    assert value(env, "first_text_seconds_count", model="vendor/fast") == 1
    assert value(env, "seconds_count", model="vendor/fast", end="completed") == 1


async def test_stop_of_an_unclaimed_reply_is_counted_once(env):
    reply = await env.reply()
    await env.stop(reply)
    await env.stop(reply)
    await env.write(reply)
    assert value(env, "seconds_count", model="vendor/fast", end="stopped") == 1
    assert b'end="completed"' not in generate_latest(env.metrics.registry)


async def test_failed_attempts_are_counted_by_code_and_the_end_is_counted_once(env):
    env.model.will(ModelUnavailable("model_unavailable", "Down."))
    env.model.will(ModelRefused("prompt_blocked", "No."))
    reply = await env.reply()
    await env.write(reply)
    await env.attempt(reply)
    assert value(env, "failed_attempts_total", model="vendor/fast", code="model_unavailable") == 1
    assert value(env, "failed_attempts_total", model="vendor/fast", code="prompt_blocked") == 1
    assert value(env, "seconds_count", model="vendor/fast", end="failed") == 1
    assert value(env, "first_text_seconds_count", model="vendor/fast") == 0
