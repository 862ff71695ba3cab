"""Replies to prompts: accepted as messages are, given whole to the model, and forgotten whatever ends them."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from parley.core.chat.errors import (
    ContextTooLong,
    ModelUnavailable,
    PromptTooLong,
    QuotaExceeded,
    TooManyPending,
    UnknownModel,
)
from parley.core.chat.follow_reply import PERMISSION_SECONDS
from parley.core.chat.model import Conversation, Role, Status, Turn
from parley.core.chat.model_options import ModelOptions
from parley.core.chat.prompts import FORGET_SECONDS, PATIENCE_SECONDS, AcceptedPrompt, answer_prompt, forget_old_prompts
from parley.core.chat.readers import ReplyReaders
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, Snapshot
from parley.core.chat.rooms import create_room
from parley.core.chat.search import search
from parley.core.chat.write_reply import write_reply
from parley.core.errors import InvalidInput, TooManyRequests
from parley.core.outgoing_events import EventKind
from tests.fakes.stored_events import ALL, stored_events
from tests.unit.chat.environment import BASIC_LIMIT, UnavailableUnitOfWork
from tests.unit.chat.scripted_model import USAGE, Gate

PROMPT = Conversation(
    "Be brief.",
    (Turn(Role.USER, "One?"), Turn(Role.ASSISTANT, "One."), Turn(Role.USER, "Two?")),
    ModelOptions(temperature=0.5),
)
BUSY = ModelUnavailable("model_overloaded", "The vendor is busy.")


def answering(env, prompt=PROMPT, *, chat=None, model=None, metered=True):
    return answer_prompt(
        chat or env.chat,
        account_id=env.account_id,
        prompt=prompt,
        model=model,
        keep_alive_seconds=10.0,
        may_read=env.may_read,
        metered=metered,
    )


def asked(text):
    return Conversation(None, (Turn(Role.USER, text),))


async def accepted_of(events):
    accepted = await anext(events)
    assert isinstance(accepted, AcceptedPrompt)
    return accepted


def is_forgotten(env):
    tables = env.database.committed
    return not (tables.prompts or tables.messages or tables.replies or tables.rooms)


async def test_reply_is_followed_to_its_end_and_then_forgotten(env):
    env.model.will("An ", "answer")
    async with aclosing(answering(env)) as events:
        accepted = await accepted_of(events)
        assert await env.queue.take() == accepted.reply.id
        async with env.writing(accepted.reply):
            received = [event async for event in events]

    assert [type(event) for event in received[:2]] == [Snapshot, AttemptStarted]
    assert "".join(event.text for event in received if isinstance(event, Delta)) == "An answer"
    ended = received[-1]
    assert isinstance(ended, ReplyEnded)
    assert (ended.message.status, ended.message.usage) == (Status.COMPLETED, USAGE)
    assert is_forgotten(env)
    assert (await env.usage()).used == 1


async def test_model_is_given_the_prompt_as_it_is(env):
    env.model.will("An answer")
    async with aclosing(answering(env, model="vendor/good")) as events:
        await env.write((await accepted_of(events)).reply)

    assert env.model.asked == [PROMPT]
    assert env.model.models == ["good"]


async def test_prompt_that_the_model_finds_too_long_is_not_shortened(env):
    env.model.will(ContextTooLong("Too long."))
    async with aclosing(answering(env)) as events:
        reply = await env.write((await accepted_of(events)).reply)

    assert (reply.status, reply.error.code) == (Status.FAILED, "context_too_long")
    assert len(env.model.asked) == 1
    assert (await env.usage()).used == 0


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        (asked("x" * 100_001), PromptTooLong),
        (asked("a\x00b"), InvalidInput),
        (asked("a\ud800b"), InvalidInput),
        (asked(" \n"), InvalidInput),
        (Conversation(None, ()), InvalidInput),
    ],
)
async def test_prompt_is_refused_before_anything_is_written(env, prompt, error):
    with pytest.raises(error):
        await anext(answering(env, prompt))

    assert is_forgotten(env)
    assert await env.queued() == []
    assert (await env.usage()).used == 0


async def test_unknown_model_quota_pending_replies_and_readers_are_refused(env):
    with pytest.raises(UnknownModel):
        await anext(answering(env, model="vendor/none"))
    with pytest.raises(TooManyRequests):
        await anext(answering(env, chat=replace(env.chat, readers=ReplyReaders(of_an_account=0))))
    with pytest.raises(TooManyPending):
        await anext(answering(env, chat=env.chat_with(max_pending=0)))
    assert (await env.usage()).used == 0

    outcomes = await asyncio.gather(*(anext(answering(env)) for _ in range(30)), return_exceptions=True)

    assert sum(isinstance(outcome, AcceptedPrompt) for outcome in outcomes) == BASIC_LIMIT
    assert sum(isinstance(outcome, QuotaExceeded) for outcome in outcomes) == 30 - BASIC_LIMIT


async def test_what_is_not_metered_uses_up_no_quota_whatever_ends_it(env):
    for _ in range(BASIC_LIMIT):
        await anext(answering(env))
    env.model.will("An answer")
    env.model.will(ContextTooLong("Too long."))
    for _ in range(2):
        async with aclosing(answering(env, metered=False)) as events:
            accepted = await accepted_of(events)
            assert accepted.allowance.remaining == 0
            await env.write(accepted.reply)
    await answering(env, metered=False).aclose()
    with pytest.raises(TooManyPending):
        await anext(answering(env, chat=env.chat_with(max_pending=0), metered=False))

    usage = await env.usage()
    assert (usage.used, usage.input_tokens) == (BASIC_LIMIT, 0)


async def test_reply_that_no_worker_holds_is_forgotten_when_its_client_leaves(env):
    events = answering(env)
    await accepted_of(events)

    await events.aclose()

    assert is_forgotten(env)
    assert (await env.usage()).used == 1
    assert asyncio.get_running_loop().time() == 0


async def test_running_reply_is_stopped_and_forgotten_when_its_client_leaves(env):
    gate = Gate()
    env.model.will("Half an", gate)
    events = answering(env)
    reply = (await accepted_of(events)).reply
    async with env.writing(reply):
        await gate.reached()
        await events.aclose()

    assert is_forgotten(env)
    assert env.model.closed_by
    assert asyncio.get_running_loop().time() == 0


async def test_client_that_leaves_while_its_prompt_is_accepted_leaves_nothing(env):
    asking = asyncio.create_task(anext(answering(env)))
    while not env.database.committed.prompts:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert is_forgotten(env)


async def test_reply_of_a_frozen_worker_is_forgotten_once_it_has_ended(env):
    events = answering(env)
    reply = (await accepted_of(events)).reply
    await env.claim(reply)

    await events.aclose()
    assert asyncio.get_running_loop().time() == PATIENCE_SECONDS
    assert await forget_old_prompts(env.chat) == 0

    await asyncio.sleep(60)
    await write_reply(env.chat, reply.id)
    assert await forget_old_prompts(env.chat) == 0
    await asyncio.sleep(FORGET_SECONDS)
    assert await forget_old_prompts(env.chat) == 1

    assert is_forgotten(env)
    assert env.model.asked == []


async def test_reply_is_left_to_the_sweep_while_the_database_is_away(env):
    uow = UnavailableUnitOfWork(env.uow)
    env.model.will("An answer")
    events = answering(env, chat=env.chat_with(uow=uow))
    reply = (await accepted_of(events)).reply
    await env.write(reply)
    uow.until = 1_000.0

    await events.aclose()

    assert not is_forgotten(env)
    await asyncio.sleep(FORGET_SECONDS)
    assert await forget_old_prompts(env.chat) == 1


async def test_reader_that_may_read_no_more_is_disconnected_and_its_reply_stopped(env):
    gate = Gate()
    env.model.will("Half an", gate)
    async with aclosing(answering(env)) as events:
        reply = (await accepted_of(events)).reply
        async with env.writing(reply):
            await gate.reached()
            env.session_lasts = False
            received = [event async for event in events]

    assert not any(isinstance(event, ReplyEnded) for event in received)
    assert asyncio.get_running_loop().time() <= PERMISSION_SECONDS
    assert is_forgotten(env)


async def test_silence_is_filled_with_keep_alives(env):
    async with aclosing(answering(env)) as events:
        await accepted_of(events)
        assert isinstance(await anext(events), Snapshot)
        assert isinstance(await anext(events), KeepAlive)
        assert asyncio.get_running_loop().time() == 10


async def test_failed_attempt_is_repeated_with_the_same_prompt(env):
    env.model.will("Half an ", BUSY)
    env.model.will("An answer")
    async with aclosing(answering(env)) as events:
        reply = (await accepted_of(events)).reply
        await env.write(reply)
        assert (await env.attempt(reply)).content == "An answer"

    assert env.model.asked == [PROMPT, PROMPT]
    assert is_forgotten(env)


async def test_prompts_do_not_wait_for_each_other(env):
    env.model.will("An answer")
    first, second = answering(env), answering(env)
    await accepted_of(first)
    assert (await env.write((await accepted_of(second)).reply)).status is Status.COMPLETED
    await first.aclose()
    await second.aclose()


async def test_prompt_is_neither_listed_nor_counted_nor_found(env):
    env.model.will("A remarkable answer")
    async with aclosing(answering(env)) as events:
        await env.write((await accepted_of(events)).reply)
        async with env.uow(read_only=True) as unit:
            assert await unit.rooms.ids(env.account_id) == []
        found = await search(env.chat, account_id=env.account_id, query="remarkable", after=None, limit=10)
        assert found.items == []
        limits = replace(env.chat.room_limits, rooms=1)
        await create_room(
            replace(env.chat, room_limits=limits), account_id=env.account_id, name="A", model=None, instructions=None
        )


async def test_operator_is_told_of_the_reply_without_its_text_and_room_and_of_a_used_up_day(env):
    env.chat = replace(env.chat, webhooks=replace(ALL, message_text=True))
    env.model.will("An answer")
    for _ in range(BASIC_LIMIT):
        async with aclosing(answering(env)) as events:
            await env.write((await accepted_of(events)).reply)
    with pytest.raises(QuotaExceeded):
        await anext(answering(env))

    *ended, refused = stored_events(env.database)

    assert [event.kind for event in ended] == [EventKind.REPLY_COMPLETED] * BASIC_LIMIT
    assert {(event.data["chatroom_id"], str(event.personal)) for event in ended} == {(None, "{}")}
    assert (refused.kind, refused.data) == (EventKind.QUOTA_EXCEEDED, {"policy": "daily", "limit": BASIC_LIMIT})
