"""A worker that writes a reply, when nothing goes wrong."""

import asyncio
from dataclasses import replace

import pytest

from parley.core.billing.model import DayUsage
from parley.core.chat.model import Chunk, Role, Status, TokenUsage, Turn
from parley.core.chat.ports import StreamEnd
from tests.unit.chat.desk import TODAY
from tests.unit.chat.scripted_model import USAGE, Gate, Pause


async def received(pieces, count: int) -> list[Chunk | StreamEnd | None]:
    return [await pieces.receive(within=5) for _ in range(count)]


async def test_reply_is_written_to_its_end(desk):
    reply = await desk.reply()
    desk.model.will("An ", "answer", Pause(2), ".")

    written = await desk.write(reply)

    assert written == replace(
        reply,
        status=Status.COMPLETED,
        content="An answer.",
        usage=USAGE,
        completed_at=desk.now(),
        attempt=1,
    )
    assert asyncio.get_running_loop().time() == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_tokens_are_counted_and_the_quota_stays_used(desk):
    desk.model.will("An answer.")
    for _ in range(2):
        await desk.write(await desk.reply())

    usage = await desk.usage()
    assert (usage.used, usage.input_tokens, usage.output_tokens) == (2, 22, 14)


async def test_answer_of_no_words_completes_too(desk):
    reply = await desk.reply()
    desk.model.will()

    written = await desk.write(reply)

    assert (written.status, written.content) == (Status.COMPLETED, "")


async def test_model_gets_the_room_and_what_was_said(desk):
    room = await desk.room(model="vendor/good", instructions="Be brief.")
    desk.model.will("An answer.")
    for question in ("One?", "Two?"):
        await desk.write(await desk.reply(room, question))

    assert desk.model.models == ["good", "good"]
    assert [conversation.instructions for conversation in desk.model.asked] == ["Be brief."] * 2
    assert desk.model.asked[1].turns == (
        Turn(Role.USER, "One?"),
        Turn(Role.ASSISTANT, "An answer."),
        Turn(Role.USER, "Two?"),
    )


async def test_nothing_is_locked_while_the_model_writes(desk):
    room = await desk.room()
    reply = await desk.reply(room)
    gate = Gate()
    desk.model.will(gate, "An answer.")
    async with desk.writing(reply):
        await gate.reached()
        async with asyncio.timeout(1):
            await desk.post(room, "Another question")
        gate.open()

    assert (await desk.message(reply)).status is Status.COMPLETED


async def test_model_is_closed_by_the_task_that_asked_it(desk):
    desk.model.will("An answer.")
    await desk.write(await desk.reply())

    assert desk.model.closed_by == desk.model.opened_by


async def test_first_piece_is_sent_at_once_and_later_ones_together(desk):
    reply = await desk.reply()
    gates = [Gate(), Gate(), Gate()]
    desk.model.will(
        "The ", "first", gates[0], " and", Pause(0.01), " the", Pause(0.01), " rest", gates[1], ".", gates[2]
    )
    clock = asyncio.get_running_loop().time
    async with desk.writing(reply), desk.stream.follow(reply.id) as pieces:
        assert await received(pieces, 2) == [Chunk(1, 0, ""), Chunk(1, 0, "The ")]
        assert clock() == 0
        gates[0].open()
        assert await received(pieces, 1) == [Chunk(1, 4, "first and the rest")]
        assert clock() == pytest.approx(0.04)
        await gates[1].reached()
        await asyncio.sleep(1)
        gates[1].open()
        assert await received(pieces, 1) == [Chunk(1, 22, ".")]
        assert clock() == pytest.approx(1.04)
        gates[2].open()
        assert await received(pieces, 1) == [StreamEnd.ENDED]


async def test_long_text_is_sent_without_waiting_for_more(desk):
    reply = await desk.reply()
    gates = [Gate(), Gate()]
    desk.model.will("A", gates[0], "b" * 399, "c", gates[1], "d", Pause(0.01), "e", Pause(1))
    async with desk.writing(reply), desk.stream.follow(reply.id) as pieces:
        await received(pieces, 2)
        gates[0].open()
        assert await received(pieces, 1) == [Chunk(1, 1, "b" * 399 + "c")]
        assert asyncio.get_running_loop().time() == 0
        gates[1].open()
        # What follows is short again, and waits for more.
        assert await received(pieces, 1) == [Chunk(1, 401, "de")]
        assert asyncio.get_running_loop().time() == pytest.approx(0.04)


async def test_readers_are_told_of_the_end_when_the_database_has_it(desk):
    reply = await desk.reply()
    desk.model.will("An answer.")
    async with desk.stream.follow(reply.id) as pieces, desk.writing(reply):
        while (arrival := await pieces.receive(within=5)) is not StreamEnd.ENDED:
            assert arrival is not None
        assert (await desk.message(reply)).status is Status.COMPLETED
    assert await desk.stream.text_so_far(reply.id) == ""


async def test_next_reply_of_the_room_is_put_on_the_queue(desk):
    room = await desk.room()
    first, second, third = [await desk.reply(room) for _ in range(3)]
    desk.model.will("An answer.")

    await desk.writer().write(second.id)
    assert desk.model.asked == []
    await desk.write(first)
    assert await desk.queued() == [second.id]
    await desk.write(second)
    assert await desk.queued() == [third.id]
    await desk.write(third)
    assert await desk.queued() == []


async def test_rooms_do_not_wait_for_each_other(desk):
    slow, quick = await desk.reply(), await desk.reply()
    gate = Gate()
    desk.model.will(gate, "Slow.")
    desk.model.will("Quick.")
    async with desk.writing(slow):
        await gate.reached()
        assert (await desk.write(quick)).content == "Quick."
        gate.open()


async def test_reply_is_written_once_however_often_the_queue_brings_it(desk):
    reply = await desk.reply()
    desk.model.will("An answer.")
    await asyncio.gather(*(desk.writer().write(reply.id) for _ in range(5)))
    written = await desk.write(reply)

    assert (written.content, written.attempt) == ("An answer.", 1)
    assert len(desk.model.asked) == 1


async def test_reply_that_is_gone_is_no_error(desk):
    await desk.writer().write(desk.new_id())

    assert desk.model.asked == []


@pytest.mark.parametrize(
    ("pieces", "stored"),
    [
        pytest.param(("a\x00b", "\x00", "c"), "abc", id="NUL"),
        pytest.param(("a\ud83d", "b\udfffc"), "a?b?c", id="unpaired surrogates"),
        pytest.param(
            ("naïve 日本語 👩‍👩‍👧\u2028", "\U0001f600"), "naïve 日本語 👩‍👩‍👧\u2028\U0001f600", id="other text"
        ),
    ],
)
async def test_text_that_no_database_stores_is_made_storable_for_readers_alike(desk, pieces, stored):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will(*pieces, Pause(1), gate)
    async with desk.writing(reply):
        await gate.reached()
        assert await desk.stream.text_so_far(reply.id) == stored
        gate.open()

    written = await desk.message(reply)
    assert written.content == stored
    assert written.content.encode()


async def test_model_that_counts_no_tokens_leaves_the_usage_unknown(desk):
    reply = await desk.reply()
    desk.model.will("An answer.")
    desk.model.usage = None

    written = await desk.write(reply)
    assert (written.status, written.usage) == (Status.COMPLETED, None)
    assert await desk.usage() == DayUsage(TODAY, 1, 0, 0)


async def test_tokens_count_on_the_day_that_paid(desk):
    reply = await desk.reply()
    desk.model.will("An answer.")
    await asyncio.sleep(86_400)
    await desk.write(reply)

    usage = await desk.usage()
    assert TokenUsage(usage.input_tokens, usage.output_tokens) == USAGE
