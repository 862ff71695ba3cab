"""Asking other models when a reply's own does not answer."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import generate_latest

from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.circuit_breaker import FAILURES_IN_A_ROW
from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.model import Message, Status
from parley.core.chat.write_reply import MAX_LOST_WORKERS, write_reply
from tests.unit.chat.scripted_model import Gate, ScriptedModel

DOWN = ModelUnavailable("model_unavailable", "No connection.")


@pytest.fixture
def models(env) -> dict[str, ScriptedModel]:
    """Three models, the second and third of which are fallbacks; the first is the default."""
    models = {name: ScriptedModel() for name in ("first", "second", "third")}
    for name, model in models.items():
        model.will(f"By the {name}.")
        env.providers[name] = Provider(model, ("model",))
    fallbacks = ("second/model", "third/model")
    env.chat = replace(env.chat, catalogue=ModelCatalogue(env.providers, "first/model", fallbacks))
    return models


def breaks(model: ScriptedModel, failure: Exception = DOWN) -> None:
    model.scripts = [(failure,)]


async def written(env, reply: Message) -> Message:
    """The reply after a worker has taken it off the queue as often as it was put there."""
    await write_reply(env.chat, reply.id)
    for reply_id in await env.queued():
        assert reply_id == reply.id
        return await written(env, reply)
    return await env.message(reply)


async def test_fallback_is_asked_after_quick_attempts(env, models):
    reply = await env.reply()
    breaks(models["first"])

    message = await written(env, reply)
    assert (message.status, message.content, message.model) == (Status.COMPLETED, "By the second.", "second/model")
    assert len(models["first"].asked) == 3
    assert message.attempt == 4
    assert asyncio.get_running_loop().time() == pytest.approx(0.1 + 0.2)
    assert models["third"].asked == []
    sample = 'parley_model_fallbacks_total{model="first/model",to="second/model"} 1.0'
    assert sample in generate_latest(env.metrics.registry).decode()


async def test_chain_ends_with_the_last_fallback_whose_failures_are_retried_slowly(env, models):
    reply = await env.reply()
    for model in models.values():
        breaks(model)

    message = await written(env, reply)
    assert (message.status, message.model, env.due_in(reply)) == (Status.PENDING, "third/model", 1.0)
    assert [len(model.asked) for model in models.values()] == [3, 3, 1]
    for _ in range(2):
        message = await env.attempt(reply)
    assert (message.status, message.error.code, message.model) == (Status.FAILED, "model_unavailable", "third/model")
    assert (await env.usage()).used == 0


async def test_model_within_the_list_is_followed_by_those_behind_it(env, models):
    reply = await env.reply(await env.room(model="second/model"))
    breaks(models["second"])

    assert (await written(env, reply)).model == "third/model"
    assert models["first"].asked == []


@pytest.mark.parametrize(
    "refusal", ["model_rejected_key", "model_not_found", "model_setup_failed", "model_not_offered"]
)
async def test_refusal_of_the_provider_moves_on_at_once(env, models, refusal):
    reply = await env.reply()
    breaks(models["first"], ModelRefused(refusal, "It would not."))

    assert (await written(env, reply)).model == "second/model"
    assert len(models["first"].asked) == 1
    assert asyncio.get_running_loop().time() == 0


@pytest.mark.parametrize("refusal", ["content_blocked", "model_rejected_request", "model_timeout"])
async def test_refusal_of_the_conversation_is_final(env, models, refusal):
    reply = await env.reply()
    breaks(models["first"], ModelRefused(refusal, "It would not."))

    message = await written(env, reply)
    assert (message.status, message.error.code, message.model) == (Status.FAILED, refusal, "first/model")
    assert models["second"].asked == []


async def test_long_pause_that_the_provider_asks_for_moves_on_at_once(env, models):
    reply = await env.reply()
    breaks(models["first"], ModelUnavailable("model_rate_limited", "Later.", retry_after=1.0))

    assert (await written(env, reply)).model == "second/model"
    assert len(models["first"].asked) == 1


async def test_model_with_an_open_breaker_is_passed_over_within_the_claim(env, models):
    breaks(models["first"])
    await written(env, await env.reply())
    await written(env, await env.reply())
    assert len(models["first"].asked) == FAILURES_IN_A_ROW

    message = await env.write(await env.reply())
    assert (message.status, message.model, message.attempt) == (Status.COMPLETED, "second/model", 1)
    assert len(models["first"].asked) == FAILURES_IN_A_ROW
    assert 'parley_model_circuit_changes_total{model="first/model",state="open"} 1.0' in (
        generate_latest(env.metrics.registry).decode()
    )


async def test_fallback_of_a_passed_over_model_that_fails_too_is_stored(env, models):
    for _ in range(FAILURES_IN_A_ROW):
        env.chat.breakers.of("first/model").failed(None)
    breaks(models["second"])
    reply = await env.reply()

    waiting = await env.write(reply)
    assert (waiting.status, waiting.model) == (Status.PENDING, "second/model")
    assert env.database.committed.replies[reply.id].failures == 1


async def test_first_model_is_asked_again_by_one_reply_after_a_while(env, models):
    for _ in range(FAILURES_IN_A_ROW):
        env.chat.breakers.of("first/model").failed(None)
    await asyncio.sleep(10)
    trial, other, later = [await env.reply() for _ in range(3)]
    gate = Gate()
    models["first"].scripts = [(gate, "Recovered.")]
    async with env.writing(trial):
        await gate.reached()
        assert (await env.write(other)).model == "second/model"
        gate.open()

    assert (await env.message(trial)).content == "Recovered."
    assert (await env.write(later)).model == "first/model"


async def test_stopped_trial_makes_room_for_the_next(env, models):
    for _ in range(FAILURES_IN_A_ROW):
        env.chat.breakers.of("first/model").failed(None)
    await asyncio.sleep(10)
    trial, later = await env.reply(), await env.reply()
    gate = Gate()
    models["first"].scripts = [(gate,), ("Recovered.",)]
    async with env.writing(trial):
        await gate.reached()
        assert (await env.stop(trial)).status is Status.STOPPED

    assert (await env.write(later)).content == "Recovered."


async def test_last_model_is_asked_although_its_breaker_is_open(env, models):
    for name in ("first", "second", "third"):
        for _ in range(FAILURES_IN_A_ROW):
            env.chat.breakers.of(f"{name}/model").failed(None)

    assert (await env.write(await env.reply())).model == "third/model"


async def test_failures_of_earlier_models_are_not_lost_workers(env, models):
    breaks(models["first"])
    reply = await env.reply()
    env.chat = replace(env.chat, limits=replace(env.chat.limits, attempts=MAX_LOST_WORKERS + 2))
    env.database.committed.messages[reply.id] = replace(reply, attempt=MAX_LOST_WORKERS + 1, model="second/model")

    assert (await written(env, reply)).status is Status.COMPLETED


async def test_shutdown_during_a_quick_pause_leaves_the_reply_to_the_sweeper(env, models):
    breaks(models["first"])
    reply = await env.reply()
    task = asyncio.create_task(write_reply(env.chat, reply.id))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await env.message(reply)).status is Status.PENDING
    assert await env.queued() == []
