"""What attempts spend where no provider counts it, and what plans say to workers and readers."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from parley.core.billing.model import DayUsage
from parley.core.chat.account_plans import AccountPlans
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.errors import ModelUnavailable, PlanRoomsUsed
from parley.core.chat.model import Status
from parley.core.chat.readers import ReplyReaders
from parley.core.chat.tokens import TokenUsage
from parley.core.errors import TooManyRequests
from parley.core.plans import Plan, Plans
from tests.fakes.chat import FakeAcceptance, FakeChatUnitOfWork
from tests.unit.chat.environment import TODAY, ChatEnvironment
from tests.unit.chat.scripted_model import Gate

BROKEN = ModelUnavailable("model_interrupted", "Broken off.")


def on_plan(env: ChatEnvironment, **limits: object) -> Plans:
    """Every account is on a plan with these limits, or by an override on `pro`."""
    plans = Plans([Plan(name="free", title="Free", **limits), Plan(name="pro", title="Pro", prices=("p",))])
    env.uow = FakeChatUnitOfWork(env.database, plans)
    account_plans = AccountPlans(plans, env.uow, now=env.now)
    env.chat = replace(env.chat, uow=env.uow, plans=account_plans, acceptance=FakeAcceptance(env.database, plans))
    return plans


async def test_stopped_reply_costs_what_was_sent_and_written(env):
    reply = await env.reply(content="twelve bytes")
    gate = Gate()
    env.model.usage = None
    env.model.will("four" * 5, gate)
    async with env.writing(reply):
        await gate.reached()
        stopped = await env.stop(reply)
    assert (stopped.status, stopped.usage) == (Status.STOPPED, None)
    assert await env.usage() == DayUsage(TODAY, 1, 3, 5, estimated_tokens=8)


async def test_attempt_that_broke_off_costs_what_it_wrote_and_one_that_never_began_nothing(env):
    reply = await env.reply(content="twelve bytes")
    env.model.usage = None
    env.model.scripts = [(BROKEN,), ("eight by", BROKEN), ("four",)]
    for _ in range(3):
        await env.attempt(reply)
    assert (await env.message(reply)).status is Status.COMPLETED
    assert await env.usage() == DayUsage(TODAY, 1, 6, 3, estimated_tokens=9)


async def test_count_that_a_provider_leaves_out_is_estimated_alone(env):
    reply = await env.reply()
    env.model.usage = TokenUsage(70, None)
    env.model.will("eight by")
    assert (await env.write(reply)).usage == TokenUsage(70, None)
    assert await env.usage() == DayUsage(TODAY, 1, 70, 2, estimated_tokens=2)


async def test_history_is_cut_to_the_characters_of_the_plan(env):
    on_plan(env, context_characters=12)
    room = await env.room()
    env.model.will("Yes.")
    for question in ("first", "second", "third"):
        await env.write(await env.reply(room, question))
    assert [turn.content for turn in env.model.asked[-1].turns] == ["third"]


async def test_fallbacks_that_the_plan_lacks_are_not_asked(env):
    on_plan(env, models=("vendor/*", "other/*"))
    env.providers["spare"] = Provider(env.model, ("dear",))
    catalogue = ModelCatalogue(env.providers, "vendor/fast", ("spare/dear", "other/only"))
    env.chat = replace(env.chat, catalogue=catalogue)
    reply = await env.reply()
    env.model.scripts = [(BROKEN,), (BROKEN,), (BROKEN,), ("Yes.",)]
    while not (await env.message(reply)).status.ended:
        await env.attempt(reply)
    assert (await env.message(reply)).model == "other/only"


async def test_plan_limits_streams_of_an_account(env):
    on_plan(env, max_open_streams=1)
    env.chat = replace(env.chat, readers=ReplyReaders(env.chat.plans, of_an_account=3))
    reply = await env.reply()
    async with aclosing(env.follow(reply)) as one:
        await anext(one)
        with pytest.raises(TooManyRequests):
            await anext(env.follow(reply))
        await env.set_plan("pro")
        async with aclosing(env.follow(reply)) as another, aclosing(env.follow(reply)) as third:
            await asyncio.gather(anext(another), anext(third))
            with pytest.raises(TooManyRequests):
                await anext(env.follow(reply))


async def test_plan_limits_rooms_and_says_what_to_do(env):
    on_plan(env, max_rooms=1)
    await env.room()
    with pytest.raises(PlanRoomsUsed, match="Delete one"):
        await env.room()
    await env.set_plan("pro")
    await env.room()
