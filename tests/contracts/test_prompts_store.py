"""The contract of the Prompts repository, for every store."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from parley.core.chat.model import (
    Charge,
    Conversation,
    Ending,
    FinishReason,
    Lease,
    Message,
    Role,
    RoomCursor,
    Status,
    TokenUsage,
    Turn,
)
from parley.core.chat.model_options import ModelOptions
from parley.core.chat.token_estimates import TokenEstimates
from parley.core.errors import AccountGone
from tests.contracts.chat_fixtures import COMPLETED, LONG, MANY, NOW, TODAY, Store, every_store, new_id

store = every_store
PROMPT = Conversation(
    "Be «brief».",
    (Turn(Role.USER, "A question"), Turn(Role.ASSISTANT, 'An "answer" \u2028\\'), Turn(Role.USER, "Another")),
    ModelOptions(temperature=0.5, top_p=0.25, max_tokens=100, stop=("END", "\n"), seed=7),
)
PLAIN = Conversation(None, (Turn(Role.USER, "A question"),))


def reply_to_prompt(**changes: Any) -> Message:
    reply = Message(new_id(), new_id(), Role.ASSISTANT, "", Status.PENDING, NOW, position=1, model="a/model")
    return replace(reply, **changes)


async def added(
    store: Store, reply: Message, account_id: UUID, prompt: Conversation = PROMPT, *, most_pending: int = MANY
) -> bool:
    async with store.chat() as unit:
        await unit.rooms.lock_account(account_id)
        await unit.quota.take(account_id, now=NOW)
        if not await unit.prompts.add(
            prompt, reply, account_id=account_id, charge=Charge(TODAY), most_pending=most_pending
        ):
            return False
        await unit.commit()
    return True


async def stored_prompt(store: Store, account_id: UUID, prompt: Conversation = PROMPT) -> Message:
    reply = reply_to_prompt()
    assert await added(store, reply, account_id, prompt)
    return reply


async def forgotten(store: Store, reply: Message) -> bool:
    return await store.do(lambda unit: unit.prompts.forget(reply.room_id))


@pytest.mark.parametrize("prompt", [PROMPT, PLAIN])
async def test_claim_has_the_prompt(store, prompt):
    account_id = await store.new_account()
    reply = await stored_prompt(store, account_id, prompt)

    claim = await store.claim(reply)

    assert (claim.prompt, claim.instructions, claim.model, claim.account_id) == (prompt, None, "a/model", account_id)
    assert await store.message(reply, account_id) == replace(reply, status=Status.GENERATING, attempt=1)


async def test_reply_is_renewed_stopped_and_ended_as_any_other(store):
    account_id = await store.new_account()
    reply = await stored_prompt(store, account_id)
    assert await store.overdue(patience=0) == [reply.id]
    claim = await store.claim(reply)

    assert await store.do(lambda unit: unit.replies.request_stop(reply.id))
    assert await store.do(lambda unit: unit.replies.renew([claim], lease=LONG)) == [Lease.STOP_REQUESTED]
    ending = Ending(Status.STOPPED, "Some", NOW, TokenUsage(3, 4), finish_reason=FinishReason.STOP)
    assert await store.end(claim, ending)

    ended = await store.message(reply, account_id)
    assert (ended.status, ended.content, ended.usage) == (Status.STOPPED, "Some", TokenUsage(3, 4))
    [day] = await store.usage(account_id)
    assert (day.used, day.input_tokens, day.output_tokens) == (1, 3, 4)


async def test_failed_reply_returns_its_message(store):
    account_id = await store.new_account()
    claim = await store.claim(await stored_prompt(store, account_id))

    await store.end(claim, Ending(Status.FAILED, "", NOW))

    assert [day.used for day in await store.usage(account_id)] == [0]


async def test_without_a_day_no_quota_is_counted_or_returned(store):
    account_id = await store.new_account()
    await stored_prompt(store, account_id)
    for ending in (COMPLETED, Ending(Status.FAILED, "", NOW, TokenUsage(3, 4))):
        reply = reply_to_prompt()
        assert await store.do(
            lambda unit, reply=reply: unit.prompts.add(
                PROMPT, reply, account_id=account_id, charge=None, most_pending=MANY
            )
        )
        claim = await store.claim(reply)
        assert claim.charged_on is None
        assert await store.end(claim, replace(ending, usage=TokenUsage(3, 4)))
    await store.do(lambda unit: unit.quota.give_back(account_id, day=None))

    [day] = await store.usage(account_id)
    assert (day.used, day.input_tokens) == (1, 0)


async def test_nothing_finds_its_room_by_the_account(store):
    account_id = await store.new_account()
    room = await store.new_room(account_id)
    reply = await stored_prompt(store, account_id)
    hidden = reply.room_id

    async with store.chat() as unit:
        assert await unit.rooms.ids(account_id) == [room.id]
        for archived, shown in ((False, [room.id]), (True, [])):
            for after in (None, RoomCursor(NOW.replace(year=2100), UUID(int=2**128 - 1), pinned=True)):
                page = await unit.rooms.page(account_id, after=after, limit=MANY, archived=archived)
                assert [each.id for each in page] == shown
        assert await unit.rooms.get(hidden, account_id) is None
        assert await unit.rooms.many([hidden], account_id) == {}
        assert await unit.rooms.owner(hidden) is None
        assert not await unit.rooms.lock(hidden, account_id)
        assert await unit.rooms.reserve(hidden, account_id, at=NOW) is None
        assert not await unit.rooms.delete(hidden, account_id)
        # The number of rooms.
        assert await unit.rooms.add(replace(room, id=new_id()), most=2)


async def test_a_message_is_not_accepted_in_its_room(store):
    account_id = await store.new_account()
    reply = await stored_prompt(store, account_id)
    acceptance = store.acceptance_of(MANY)
    question = Message(new_id(), reply.room_id, Role.USER, "Hello", Status.COMPLETED, NOW)

    accepted = acceptance and await acceptance.accept(
        question,
        reply_to_prompt(room_id=reply.room_id, reply_to=question.id),
        account_id=account_id,
        key=None,
        catalogue=store.chat_ports().catalogue,
        most_pending=MANY,
        estimates=TokenEstimates(),
    )

    assert accepted is None


async def test_neither_its_room_nor_its_reply_waits_to_be_indexed(store):
    account_id = await store.new_account()
    claim = await store.claim(await stored_prompt(store, account_id))
    await store.end(claim)

    async with store.chat() as unit:
        assert await unit.search.waiting(account_id, limit=MANY) == []


async def test_only_an_ended_reply_is_forgotten(store):
    account_id = await store.new_account()
    reply = await stored_prompt(store, account_id)
    assert not await forgotten(store, reply)
    claim = await store.claim(reply)
    assert not await forgotten(store, reply)
    await store.end(claim)

    assert await forgotten(store, reply)

    assert await store.message(reply, account_id) is None
    assert not await forgotten(store, reply)


async def test_no_other_room_is_forgotten(store):
    reply = await store.new_reply(await store.new_room(account_id := await store.new_account()))
    await store.end(await store.claim(reply))

    assert not await forgotten(store, reply)
    assert not await store.do(lambda unit: unit.prompts.forget_ended(seconds=0, limit=MANY))

    assert await store.message(reply, account_id) is not None


async def test_replies_that_ended_long_ago_are_forgotten(store):
    account_id = await store.new_account()
    replies = [await stored_prompt(store, account_id) for _ in range(3)]
    for reply in replies[:2]:
        await store.end(await store.claim(reply))

    # NOW is months before the database's time, and not a century.
    assert await store.do(lambda unit: unit.prompts.forget_ended(seconds=100 * 365 * 86_400.0, limit=MANY)) == 0
    assert await store.do(lambda unit: unit.prompts.forget_ended(seconds=60, limit=1)) == 1
    assert await store.do(lambda unit: unit.prompts.forget_ended(seconds=60, limit=MANY)) == 1
    assert await store.message(replies[2], account_id) == replies[2]


async def test_prompts_count_among_the_unfinished_replies(store):
    account_id = await store.new_account()
    await store.new_reply(await store.new_room(account_id))

    assert not await added(store, reply_to_prompt(), account_id, most_pending=1)
    assert [day.used for day in await store.usage(account_id)] == [1]
    assert await added(store, reply_to_prompt(), account_id, most_pending=2)


async def test_parallel_prompts_exceed_neither_quota_nor_unfinished_replies(store):
    account_id = await store.new_account()

    accepted = await asyncio.gather(
        *(added(store, reply_to_prompt(), account_id, most_pending=3) for _ in range(8)), return_exceptions=True
    )

    assert sorted(accepted) == [False] * 5 + [True] * 3
    assert [day.used for day in await store.usage(account_id)] == [3]


async def test_prompt_needs_its_account(store):
    await store.new_account()
    async with store.chat() as unit:
        with pytest.raises(AccountGone):
            await unit.prompts.add(
                PROMPT, reply_to_prompt(), account_id=new_id(), charge=Charge(TODAY), most_pending=MANY
            )


async def test_erasure_of_the_account_removes_them(store):
    account_id = await store.new_account()
    reply = await stored_prompt(store, account_id)
    claim = await store.claim(reply)

    async with store.accounts() as unit:
        await unit.account_erasure.lock(account_id)
        await unit.account_erasure.erase(account_id)
        await unit.accounts.remove(account_id)
        await unit.commit()

    assert not await store.end(claim, COMPLETED)
    assert await store.message(reply, account_id) is None
