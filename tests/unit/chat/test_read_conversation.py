"""The part of a room's history that is sent to a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.chat.alternation import CONTINUE
from parley.core.chat.conversation import History, build_conversation, newest_within, read_history
from parley.core.chat.given_messages import add_messages
from parley.core.chat.message_request import GivenMessage
from parley.core.chat.model import (
    Conversation,
    Ending,
    EventId,
    Exchange,
    Message,
    ReplyError,
    Role,
    Room,
    Status,
    Turn,
)
from parley.core.chat.parts import PartKind
from parley.core.chat.reply_events import AttemptStarted, Delta, ReplyEnded
from parley.core.plans import PRO
from parley.core.text import is_readable
from tests.unit.chat.environment import ChatEnvironment


async def exchange(
    env: ChatEnvironment, room: Room, question: str, answer: str, status: Status = Status.COMPLETED
) -> None:
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
        return build_conversation(await read_history(unit, claim, characters=characters))


def texts(conversation: Conversation) -> list[str]:
    return [turn.content for turn in conversation.turns]


@pytest.fixture
async def room(env):
    await env.set_plan(PRO)
    return await env.room()


async def test_first_message_is_the_whole_conversation(env, room):
    reply = await env.reply(room, "A question")

    assert await read(env, reply, 1_000) == Conversation(None, (Turn(Role.USER, "A question"),))


async def test_instructions_are_separate_and_not_counted(env, room):
    instructed = await env.room(instructions="Be brief. " * 100)
    await exchange(env, instructed, "11111", "22222")
    reply = await env.reply(instructed, "33333")

    conversation = await read(env, reply, 15)
    assert conversation.instructions == "Be brief. " * 100
    assert texts(conversation) == ["11111", "22222", "33333"]


async def test_turns_are_in_order(env, room):
    await exchange(env, room, "1", "2")
    await exchange(env, room, "3", "4", Status.STOPPED)
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


async def test_failed_exchanges_are_left_out_whole(env, room):
    await exchange(env, room, "1", "half", Status.FAILED)
    await exchange(env, room, "2", "", Status.FAILED)
    await exchange(env, room, "3", "4")
    await exchange(env, room, "5", "half", Status.FAILED)
    reply = await env.reply(room, "6")

    assert texts(await read(env, reply, 1_000)) == ["3", "4", "6"]


async def test_questions_without_an_answer_are_joined_with_the_next(env, room):
    await exchange(env, room, "1", "", Status.STOPPED)
    await exchange(env, room, "2", " \u3164 ", Status.STOPPED)
    await exchange(env, room, "3", "4")
    await exchange(env, room, "5", "", Status.STOPPED)
    reply = await env.reply(room, "6")

    assert texts(await read(env, reply, 1_000)) == ["1\n\n2\n\n3", "4", "5\n\n6"]


async def test_given_messages_are_read_and_alternate(env, room):
    given = [
        GivenMessage(role, text)
        for role, text in (
            (Role.ASSISTANT, "1"),
            (Role.ASSISTANT, "2"),
            (Role.USER, "3"),
            (Role.USER, "4"),
            (Role.ASSISTANT, "5"),
            (Role.ASSISTANT, "6"),
            (Role.USER, "7"),
        )
    ]
    await add_messages(env.chat, account_id=env.account_id, room_id=room.id, messages=given)
    reply = await env.reply(room, "8")

    assert await read(env, reply, 1_000) == Conversation(
        None,
        (
            Turn(Role.USER, CONTINUE),
            Turn(Role.ASSISTANT, "1\n\n2"),
            Turn(Role.USER, "3\n\n4"),
            Turn(Role.ASSISTANT, "5\n\n6"),
            Turn(Role.USER, "7\n\n8"),
        ),
    )


async def test_given_messages_follow_an_unfinished_reply(env, room):
    first = await env.reply(room, "1")
    given = [GivenMessage(Role.USER, "3"), GivenMessage(Role.ASSISTANT, "4")]
    await add_messages(env.chat, account_id=env.account_id, room_id=room.id, messages=given)
    reply = await env.reply(room, "5")
    claim = await env.claim(first)
    async with env.uow() as unit:
        assert await unit.replies.end(claim, Ending(Status.COMPLETED, "2", env.now()))
        await unit.commit()

    assert texts(await read(env, reply, 1_000)) == ["1", "2", "3", "4", "5"]


async def test_stream_of_a_given_reply_has_its_text(env, room):
    [reply] = await add_messages(
        env.chat, account_id=env.account_id, room_id=room.id, messages=[GivenMessage(Role.ASSISTANT, "Hello")]
    )
    assert [event async for event in env.follow(reply)] == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 5), "Hello", PartKind.TEXT),
        ReplyEnded(EventId(1, 6), reply),
    ]


async def test_later_messages_are_left_out(env, room):
    reply = await env.reply(room, "1")
    await env.reply(room, "2")

    assert texts(await read(env, reply, 1_000)) == ["1"]


async def test_messages_of_other_rooms_are_left_out(env, room):
    await exchange(env, await env.room(), "elsewhere", "elsewhere")
    reply = await env.reply(room, "1")

    assert texts(await read(env, reply, 1_000)) == ["1"]


@pytest.mark.parametrize(
    ("characters", "included"),
    [
        (1_000, 5),
        (25, 5),
        (24, 3),
        (15, 3),
        (14, 1),
        (5, 1),
        (4, 1),
        (1, 1),
    ],
)
async def test_newest_whole_exchanges_are_included(env, room, characters, included):
    await exchange(env, room, "11111", "22222")
    await exchange(env, room, "33333", "44444")
    reply = await env.reply(room, "55555")

    assert texts(await read(env, reply, characters)) == ["11111", "22222", "33333", "44444", "55555"][-included:]


async def test_exchanges_before_one_that_does_not_fit_are_left_out(env, room):
    await exchange(env, room, "0", "0")
    await exchange(env, room, "1", "22222222")
    reply = await env.reply(room, "3")

    assert texts(await read(env, reply, 5)) == ["3"]


async def test_message_to_be_answered_is_included_whatever_its_length(env, room):
    await exchange(env, room, "1", "2")
    reply = await env.reply(room, "x" * 32_000)

    assert texts(await read(env, reply, 100)) == ["x" * 32_000]


async def test_characters_are_counted_not_bytes(env, room):
    await exchange(env, room, "日本", "👩👩")
    reply = await env.reply(room, "naïve")

    assert len(texts(await read(env, reply, 9))) == 3
    assert len(texts(await read(env, reply, 8))) == 1


@pytest.mark.parametrize("turns", [99, 101, 199, 201, 251])
async def test_long_rooms_are_read_in_pages(env, room, turns):
    for number in range(turns // 2):
        await exchange(env, room, f"question {number}", f"answer {number}")
    reply = await env.reply(room, "last")
    expected = [text for number in range(turns // 2) for text in (f"question {number}", f"answer {number}")] + ["last"]

    assert texts(await read(env, reply, 1_000_000)) == expected
    for exchanges in (turns // 2, turns // 4, 1):
        included = 2 * exchanges + 1
        budget = sum(len(text) for text in expected[-included:])
        assert texts(await read(env, reply, budget)) == expected[-included:]
        assert texts(await read(env, reply, budget - 1)) == expected[-included + 2 :]


async def test_pages_of_failed_exchanges_are_read_past(env, room):
    await exchange(env, room, "first", "answer")
    for number in range(120):
        await exchange(env, room, f"question {number}", "half", Status.FAILED)
    reply = await env.reply(room, "last")

    assert texts(await read(env, reply, 1_000_000)) == ["first", "answer", "last"]


messages = st.text(st.sampled_from("ab .\u3164"), max_size=6)
histories = st.lists(
    st.builds(Exchange, st.integers(), st.none() | messages, st.none() | messages, st.sampled_from(Status)), max_size=12
)


@given(histories, st.integers(-5, 80), st.integers(0, 4))
def test_every_history_with_every_cut_becomes_a_conversation(history, characters, halvings):
    within = newest_within(history, characters)
    sent = History(None, "the question", within)
    for _ in range(halvings):
        sent = sent.newer_half() or sent
    turns = build_conversation(sent).turns

    assert [turn.role for turn in turns] == [(Role.USER, Role.ASSISTANT)[at % 2] for at in range(len(turns))]
    assert turns[-1].role is Role.USER
    assert turns[-1].content.endswith("the question")
    assert all(is_readable(turn.content) for turn in turns)
    assert sum(len(each.question or "") + len(each.answer or "") for each in within) <= max(characters, 0)
    usable = [
        each
        for each in history
        if each.status is not Status.FAILED
        and is_readable((each.answer if each.question is None else each.question) or "")
    ]
    assert list(within) == usable[: len(within)]
    assert list(sent.exchanges) == usable[: len(within) >> halvings]
    answers = [each.answer for each in sent.exchanges[::-1] if each.answer and is_readable(each.answer)]
    assert "\n\n".join(turn.content for turn in turns[1::2]) == "\n\n".join(answers)
    begins_with_answer = bool(sent.exchanges) and sent.exchanges[-1].question is None
    questions = [each.question for each in sent.exchanges[::-1] if each.question is not None] + ["the question"]
    questions = [CONTINUE] * begins_with_answer + questions
    assert "\n\n".join(turn.content for turn in turns[::2]) == "\n\n".join(questions)
