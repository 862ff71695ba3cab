"""Events of replies and quotas for the operator's servers."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from parley.core.chat.end_reply import end_reply
from parley.core.chat.errors import ModelRefused, ModelUnavailable, QuotaExceeded
from parley.core.chat.model import Ending, Status
from parley.core.outgoing_events import EventKind
from tests.fakes.stored_events import ALL, stored_events
from tests.unit.chat.environment import BASIC_LIMIT, TODAY, ChatEnvironment
from tests.unit.chat.scripted_model import USAGE

DAY = 86_400


@pytest.fixture
async def env() -> ChatEnvironment:
    env = ChatEnvironment()
    env.chat = replace(env.chat, webhooks=ALL)
    return env


async def test_a_completed_reply_is_told_without_its_text(env):
    reply = await env.reply()
    env.model.will("An answer.")
    written = await env.write(reply)
    [event] = stored_events(env.database)
    assert (event.kind, event.account_id, event.at) == (
        EventKind.REPLY_COMPLETED,
        env.account_id,
        written.completed_at,
    )
    assert event.data == {
        "chatroom_id": str(reply.room_id),
        "message_id": str(reply.id),
        "model": "vendor/fast",
        "finish_reason": "stop",
        "usage": {
            "input_tokens": USAGE.input_tokens,
            "output_tokens": USAGE.output_tokens,
            "cached_input_tokens": None,
            "reasoning_tokens": None,
        },
        "error": None,
    }
    assert event.personal == {}


async def test_its_text_is_told_where_the_operator_wants_it(env):
    env.chat = replace(env.chat, webhooks=replace(ALL, message_text=True))
    env.model.will("An answer.")
    await env.write(await env.reply())
    [event] = stored_events(env.database)
    assert event.personal == {"content": "An answer."}


async def test_a_failed_reply_is_told_with_its_error(env):
    reply = await env.reply()
    env.model.will(ModelRefused("model_rejected_key", "The vendor refuses the key."))
    await env.write(reply)
    [event] = stored_events(env.database)
    assert event.kind is EventKind.REPLY_FAILED
    assert event.data["error"] == {"code": "model_rejected_key", "detail": "The vendor refuses the key."}


async def test_an_attempt_that_is_retried_and_a_reply_that_is_stopped_are_not_told(env):
    reply = await env.reply()
    env.model.will(ModelUnavailable("model_overloaded", "The vendor is busy."))
    assert (await env.write(reply)).status is Status.PENDING
    await env.stop(reply)
    assert (await env.message(reply)).status is Status.STOPPED
    assert stored_events(env.database) == []


async def test_an_end_that_was_overtaken_is_not_told(env):
    reply = await env.reply()
    overtaken, claim = await env.claim(reply, lease=0), await env.claim(reply)
    ending = Ending(Status.COMPLETED, "An answer.", env.now())
    assert not await end_reply(env.chat, overtaken, ending)
    assert stored_events(env.database) == []
    assert await end_reply(env.chat, claim, ending)
    assert not await end_reply(env.chat, claim, ending)
    assert len(stored_events(env.database)) == 1


async def test_a_used_up_quota_is_told_once_a_day(env):
    room = await env.room()
    for _ in range(BASIC_LIMIT):
        await env.post(room)
    for _ in range(2):
        for _ in range(3):
            with pytest.raises(QuotaExceeded):
                await post_all(env, room)
        await asyncio.sleep(DAY)
    events = stored_events(env.database, EventKind.QUOTA_EXCEEDED)
    assert [(event.account_id, event.data) for event in events] == [
        (env.account_id, {"policy": "daily", "limit": BASIC_LIMIT})
    ] * 2
    assert {event.at.date() for event in events} == {TODAY, TODAY.replace(day=TODAY.day + 1)}


async def post_all(env, room) -> None:
    """Post at once, until the quota is used up."""
    answers = await asyncio.gather(*(env.post(room) for _ in range(BASIC_LIMIT + 3)), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer


async def test_nothing_is_stored_without_an_endpoint(env):
    env.chat = replace(env.chat, webhooks=replace(ALL, endpoints=()))
    room = await env.room()
    env.model.will("An answer.")
    await env.write(await env.reply(room))
    with suppress(QuotaExceeded):
        await post_all(env, room)
    assert stored_events(env.database) == []
