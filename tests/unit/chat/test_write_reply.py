"""Writing a reply without failures."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.billing.model import DayUsage
from parley.core.chat.model import Chunk, FinishReason, Role, Status, Turn
from parley.core.chat.ports import StreamEnd
from parley.core.chat.tokens import TokenUsage
from parley.core.chat.write_reply import write_reply
from tests.fakes.streams import text_so_far
from tests.unit.chat.environment import TODAY
from tests.unit.chat.scripted_model import USAGE, Gate, Pause


async def received(chunks, count: int) -> list[Chunk | StreamEnd | None]:
    return [await chunks.receive(within=5) for _ in range(count)]


async def test_reply_is_written_to_its_end(env):
    reply = await env.reply()
    env.model.will("An ", "answer", Pause(2), ".")

    written = await env.write(reply)

    assert written == replace(
        reply,
        status=Status.COMPLETED,
        content="An answer.",
        usage=USAGE,
        completed_at=env.now(),
        attempt=1,
        finish_reason=FinishReason.STOP,
    )
    assert asyncio.get_running_loop().time() == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_tokens_are_counted_and_the_quota_is_not_returned(env):
    env.model.will("An answer.")
    for _ in range(2):
        await env.write(await env.reply())

    usage = await env.usage()
    assert (usage.used, usage.input_tokens, usage.output_tokens) == (2, 22, 14)


async def test_model_gets_the_instructions_and_the_conversation(env):
    room = await env.room(model="vendor/good", instructions="Be brief.")
    env.model.will("An answer.")
    for question in ("One?", "Two?"):
        await env.write(await env.reply(room, question))

    assert env.model.models == ["good", "good"]
    assert [conversation.instructions for conversation in env.model.asked] == ["Be brief."] * 2
    assert env.model.asked[1].turns == (
        Turn(Role.USER, "One?"),
        Turn(Role.ASSISTANT, "An answer."),
        Turn(Role.USER, "Two?"),
    )


async def test_nothing_is_locked_while_the_model_writes(env):
    room = await env.room()
    reply = await env.reply(room)
    gate = Gate()
    env.model.will(gate, "An answer.")
    async with env.writing(reply):
        await gate.reached()
        async with asyncio.timeout(30):
            await env.post(room, "Another question")
        gate.open()

    assert (await env.message(reply)).status is Status.COMPLETED


async def test_model_is_closed_by_the_task_that_asked_it(env):
    env.model.will("An answer.")
    await env.write(await env.reply())

    assert env.model.closed_by == env.model.opened_by


async def test_first_chunk_is_sent_at_once_and_later_text_coalesced(env):
    reply = await env.reply()
    gates = [Gate(), Gate(), Gate()]
    env.model.will(
        "The ", "first", gates[0], " and", Pause(0.01), " the", Pause(0.01), " rest", gates[1], ".", gates[2]
    )
    clock = asyncio.get_running_loop().time
    async with env.writing(reply), env.stream.follow(reply.id) as chunks:
        assert await received(chunks, 2) == [Chunk(1, 0, ""), Chunk(1, 0, "The ")]
        assert clock() == 0
        gates[0].open()
        assert await received(chunks, 1) == [Chunk(1, 4, "first and the rest")]
        assert clock() == pytest.approx(0.04)
        await gates[1].reached()
        await asyncio.sleep(1)
        gates[1].open()
        assert await received(chunks, 1) == [Chunk(1, 22, ".")]
        assert clock() == pytest.approx(1.04)
        gates[2].open()
        assert await received(chunks, 1) == [StreamEnd.ENDED]


async def test_long_text_is_sent_without_waiting_for_more(env):
    reply = await env.reply()
    gates = [Gate(), Gate()]
    env.model.will("A", gates[0], "b" * 399, "c", gates[1], "d", Pause(0.01), "e", Pause(1))
    async with env.writing(reply), env.stream.follow(reply.id) as chunks:
        await received(chunks, 2)
        gates[0].open()
        assert await received(chunks, 1) == [Chunk(1, 1, "b" * 399 + "c")]
        assert asyncio.get_running_loop().time() == 0
        gates[1].open()
        # The next text is short again, and is coalesced.
        assert await received(chunks, 1) == [Chunk(1, 401, "de")]
        assert asyncio.get_running_loop().time() == pytest.approx(0.04)


async def test_readers_receive_the_end_after_the_commit(env):
    reply = await env.reply()
    env.model.will("An answer.")
    async with env.stream.follow(reply.id) as chunks, env.writing(reply):
        while (arrival := await chunks.receive(within=5)) is not StreamEnd.ENDED:
            assert arrival is not None
        assert (await env.message(reply)).status is Status.COMPLETED
    assert await text_so_far(env.stream, reply.id) == ""


async def test_next_reply_of_the_room_is_put_on_the_queue(env):
    room = await env.room()
    first, second, third = [await env.reply(room) for _ in range(3)]
    env.model.will("An answer.")

    await write_reply(env.chat, second.id)
    assert env.model.asked == []
    await env.write(first)
    assert await env.queued() == [second.id]
    await env.write(second)
    assert await env.queued() == [third.id]
    await env.write(third)
    assert await env.queued() == []


async def test_rooms_do_not_wait_for_each_other(env):
    slow, quick = await env.reply(), await env.reply()
    gate = Gate()
    env.model.will(gate, "Slow.")
    env.model.will("Quick.")
    async with env.writing(slow):
        await gate.reached()
        assert (await env.write(quick)).content == "Quick."
        gate.open()


async def test_reply_is_written_once_however_often_it_is_queued(env):
    reply = await env.reply()
    env.model.will("An answer.")
    await asyncio.gather(*(write_reply(env.chat, reply.id) for _ in range(5)))
    written = await env.write(reply)

    assert (written.content, written.attempt) == ("An answer.", 1)
    assert len(env.model.asked) == 1


async def test_unknown_reply_is_no_error(env):
    await write_reply(env.chat, env.new_id())

    assert env.model.asked == []


@pytest.mark.parametrize(
    ("chunks", "stored"),
    [
        pytest.param(("a\x00b", "\x00", "c"), "abc", id="NUL"),
        pytest.param(("a\ud83d", "b\udfffc"), "a?b?c", id="unpaired surrogates"),
        pytest.param(
            ("naïve 日本語 👩‍👩‍👧\u2028", "\U0001f600"), "naïve 日本語 👩‍👩‍👧\u2028\U0001f600", id="other text"
        ),
    ],
)
async def test_text_is_made_storable_for_the_database_and_readers(env, chunks, stored):
    reply = await env.reply()
    gate = Gate()
    env.model.will(*chunks, Pause(1), gate)
    async with env.writing(reply):
        await gate.reached()
        assert await text_so_far(env.stream, reply.id) == stored
        gate.open()

    written = await env.message(reply)
    assert written.content == stored
    assert written.content.encode()


async def test_model_that_counts_no_tokens_leaves_the_usage_unknown(env):
    reply = await env.reply()
    env.model.will("An answer.")
    env.model.usage = None

    written = await env.write(reply)
    assert (written.status, written.usage) == (Status.COMPLETED, None)
    assert await env.usage() == DayUsage(TODAY, 1, 3, 3, estimated_tokens=6)


async def test_tokens_count_on_the_day_whose_quota_paid(env):
    reply = await env.reply()
    env.model.will("An answer.")
    await asyncio.sleep(86_400)
    await env.write(reply)

    usage = await env.usage()
    assert TokenUsage(usage.input_tokens, usage.output_tokens) == USAGE
