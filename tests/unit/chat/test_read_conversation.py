"""What a model is told of a room."""

import pytest

from parley.core.billing.model import Plan
from parley.core.chat.conversation import read_conversation
from parley.core.chat.model import Conversation, Ending, Message, ReplyError, Role, Room, Status, Turn
from tests.unit.chat.environment import ChatEnvironment


async def say(env: ChatEnvironment, room: Room, question: str, answer: str, status: Status = Status.COMPLETED) -> None:
    reply = await env.reply(room, question)
    claim = await env.claim(reply)
    error = ReplyError("a_code", "A sentence.") if status is Status.FAILED else None
    async with env.uow() as unit:
        assert await unit.replies.end(claim, Ending(status, answer, env.now(), error=error))
        await unit.commit()


async def read(env: ChatEnvironment, reply: Message, characters: int) -> Conversation:
    claim = await env.claim(reply, lease=0)
    assert claim is not None
    async with env.uow(read_only=True) as unit:
        return await read_conversation(unit, claim, characters=characters)


def texts(conversation: Conversation) -> list[str]:
    return [turn.content for turn in conversation.turns]


@pytest.fixture
async def room(env):
    await env.set_plan(Plan.PRO)
    return await env.room()


async def test_first_message_is_all_there_is(env, room):
    reply = await env.reply(room, "A question")

    assert await read(env, reply, 1_000) == Conversation(None, (Turn(Role.USER, "A question"),))


async def test_instructions_come_apart_and_cost_nothing(env, room):
    instructed = await env.room(instructions="Be brief. " * 100)
    await say(env, instructed, "11111", "22222")
    reply = await env.reply(instructed, "33333")

    conversation = await read(env, reply, 15)
    assert conversation.instructions == "Be brief. " * 100
    assert texts(conversation) == ["11111", "22222", "33333"]


async def test_turns_are_in_the_order_in_which_they_were_said(env, room):
    await say(env, room, "1", "2")
    await say(env, room, "3", "4", Status.STOPPED)
    reply = await env.reply(room, "5")

    assert await read(env, reply, 1_000) == Conversation(
        None,
        (
            Turn(Role.USER, "1"),
            Turn(Role.ASSISTANT, "2"),
            Turn(Role.USER, "3"),
            Turn(Role.ASSISTANT, "4"),
            Turn(Role.USER, "5"),
        ),
    )


async def test_failed_and_empty_replies_are_left_out_and_their_questions_stay(env, room):
    await say(env, room, "1", "half", Status.FAILED)
    await say(env, room, "2", "", Status.STOPPED)
    await say(env, room, "3", "4")
    reply = await env.reply(room, "5")

    assert texts(await read(env, reply, 1_000)) == ["1", "2", "3", "4", "5"]


async def test_later_questions_are_not_told(env, room):
    reply = await env.reply(room, "1")
    await env.reply(room, "2")

    assert texts(await read(env, reply, 1_000)) == ["1"]


async def test_other_rooms_are_not_told(env, room):
    await say(env, await env.room(), "elsewhere", "elsewhere")
    reply = await env.reply(room, "1")

    assert texts(await read(env, reply, 1_000)) == ["1"]


@pytest.mark.parametrize(
    ("characters", "kept"),
    [
        (1_000, 5),
        (25, 5),
        (24, 4),
        (20, 4),
        (19, 3),
        (15, 3),
        (14, 2),
        (10, 2),
        (9, 1),
        (5, 1),
        (4, 1),
        (1, 1),
    ],
)
async def test_whole_messages_are_kept_the_newest_first(env, room, characters, kept):
    await say(env, room, "11111", "22222")
    await say(env, room, "33333", "44444")
    reply = await env.reply(room, "55555")

    assert texts(await read(env, reply, characters)) == ["11111", "22222", "33333", "44444", "55555"][-kept:]


async def test_what_does_not_fit_hides_what_is_older_though_that_would_fit(env, room):
    await say(env, room, "1", "22222222")
    reply = await env.reply(room, "3")

    assert texts(await read(env, reply, 5)) == ["3"]


async def test_message_to_be_answered_is_told_though_it_alone_is_longer(env, room):
    await say(env, room, "1", "2")
    reply = await env.reply(room, "x" * 32_000)

    assert texts(await read(env, reply, 100)) == ["x" * 32_000]


async def test_characters_are_counted_not_bytes(env, room):
    await say(env, room, "日本", "👩👩")
    reply = await env.reply(room, "naïve")

    assert len(texts(await read(env, reply, 9))) == 3
    assert len(texts(await read(env, reply, 8))) == 2


@pytest.mark.parametrize("turns", [99, 101, 199, 201, 251])
async def test_long_rooms_are_read_page_by_page(env, room, turns):
    for number in range(turns // 2):
        await say(env, room, f"question {number}", f"answer {number}")
    reply = await env.reply(room, "last")
    expected = [text for number in range(turns // 2) for text in (f"question {number}", f"answer {number}")] + ["last"]

    assert texts(await read(env, reply, 1_000_000)) == expected
    for kept in (turns - 1, turns // 2, 3):
        budget = sum(len(text) for text in expected[-kept:])
        assert texts(await read(env, reply, budget)) == expected[-kept:]
        assert texts(await read(env, reply, budget - 1)) == expected[-kept + 1 :]


async def test_room_of_failures_alone_tells_its_questions(env, room):
    for number in range(120):
        await say(env, room, f"question {number}", "half", Status.FAILED)
    reply = await env.reply(room, "last")

    assert texts(await read(env, reply, 1_000_000)) == [*(f"question {number}" for number in range(120)), "last"]
