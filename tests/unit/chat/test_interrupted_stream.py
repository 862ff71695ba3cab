"""Replies while the stream reaches no reader: the worker stores drafts, and readers get them from the database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.core.chat.history import add_parts_so_far
from parley.core.chat.language_model import Reasoning
from parley.core.chat.model import Chunk, Status
from parley.core.chat.parts import Part, PartKind
from parley.core.chat.ports import StreamSubscription
from parley.core.chat.reply_events import AttemptStarted, Delta, ReplyEnded
from parley.core.chat.stored_draft import STORE_SECONDS
from parley.core.chat.write_reply import write_reply
from tests.unit.chat.environment import LIMITS, ChatEnvironment
from tests.unit.chat.scripted_model import Gate


class InterruptedStream:
    """Loses everything while `interrupted`, as a Redis that is away does."""

    def __init__(self) -> None:
        self.interrupted = True
        self._stream = MemoryReplyStream()
        self._nothing = MemoryReplyStream()
        self.close = self._stream.close

    async def append(self, reply_id: UUID, chunk: Chunk) -> None:
        if not self.interrupted:
            await self._stream.append(reply_id, chunk)

    async def end(self, reply_id: UUID) -> None:
        if not self.interrupted:
            await self._stream.end(reply_id)

    async def parts_so_far(self, reply_id: UUID) -> tuple[Part, ...]:
        return () if self.interrupted else await self._stream.parts_so_far(reply_id)

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        async with self._stream.follow(reply_id) as subscription:
            yield subscription


@pytest.fixture
def stream() -> InterruptedStream:
    return InterruptedStream()


class Following:
    """A reader that follows in the background, and checks that nothing is missing or repeated."""

    def __init__(self, env: ChatEnvironment, stream: InterruptedStream, reply) -> None:
        self.text = ""
        self.attempts: list[int] = []
        self.end: ReplyEnded | None = None
        self.task = asyncio.create_task(self._follow(env, stream, reply))

    async def _follow(self, env: ChatEnvironment, stream: InterruptedStream, reply) -> None:
        async for event in env.follow(reply, stream=stream):
            match event:
                case AttemptStarted(position):
                    self.attempts.append(position.attempt)
                    self.text = ""
                case Delta(position, text):
                    self.text += text
                    assert position.offset == len(self.text)
                case ReplyEnded():
                    self.end = event


async def test_a_reader_gets_the_text_while_the_model_writes(env, stream):
    reply = await env.reply()
    first, second = Gate(), Gate()
    env.model.will("An", first, " answer", second, ".")
    reader = Following(env, stream, reply)
    async with env.writing(reply, env.chat_with(stream=stream, idle=1_000)):
        await first.reached()
        await asyncio.sleep(STORE_SECONDS + 4)
        assert (reader.text, reader.attempts) == ("An", [1])
        first.open()
        await second.reached()
        await asyncio.sleep(STORE_SECONDS + 4)
        assert reader.text == "An answer"
        second.open()
    await asyncio.sleep(2)
    assert reader.text == "An answer."
    assert reader.end is not None
    await reader.task


async def test_the_stream_continues_what_the_database_began(env, stream):
    reply = await env.reply()
    first, second = Gate(), Gate()
    env.model.will("An", first, " answer", second, ".")
    reader = Following(env, stream, reply)
    async with env.writing(reply, env.chat_with(stream=stream, idle=1_000)):
        await first.reached()
        await asyncio.sleep(STORE_SECONDS + 4)
        assert reader.text == "An"
        # As the send buffer does when Redis is back.
        stream.interrupted = False
        await stream.append(reply.id, Chunk(1, 0, "An"))
        first.open()
        await second.reached()
        await asyncio.sleep(1)
        assert reader.text == "An answer"
        second.open()
    await reader.task
    assert reader.text == "An answer."


async def test_a_reader_that_comes_after_the_interruption_gets_the_draft_at_once(env, stream):
    reply = await env.reply()
    gate = Gate()
    env.model.will("An", gate, " answer.")
    async with env.writing(reply, env.chat_with(stream=stream, idle=1_000)):
        await gate.reached()
        await asyncio.sleep(STORE_SECONDS + 0.1)
        # Redis is back, and empty.
        stream.interrupted = False
        reader = Following(env, stream, reply)
        await asyncio.sleep(0.1)
        assert reader.text == "An"
        gate.open()
    await reader.task
    assert reader.text == "An answer."


async def test_nothing_is_stored_while_the_stream_works(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("An", gate, " answer.")
    async with env.writing(reply, env.chat_with(idle=1_000)):
        await gate.reached()
        await asyncio.sleep(STORE_SECONDS * 3)
        assert (await env.message(reply)).content == ""
        gate.open()


async def test_nothing_is_stored_again_without_new_text(env, stream):
    reply = await env.reply()
    gate = Gate()
    env.model.will("An", gate, " answer.")
    async with env.writing(reply, env.chat_with(stream=stream, idle=1_000)):
        await gate.reached()
        await asyncio.sleep(STORE_SECONDS + 0.1)
        stored = env.database.committed.messages[reply.id]
        await asyncio.sleep(STORE_SECONDS * 2)
        assert env.database.committed.messages[reply.id] is stored
        gate.open()


async def test_reasoning_is_stored_apart_from_the_text(env, stream):
    reply = await env.reply()
    gate = Gate()
    env.model.will(Reasoning("Hm. "), "An", gate, " answer.")
    async with env.writing(reply, env.chat_with(stream=stream, idle=1_000)):
        await gate.reached()
        await asyncio.sleep(STORE_SECONDS + 0.1)
        message = await env.message(reply)
        assert message.content == "An"
        assert message.parts == (Part(PartKind.REASONING, "Hm. "), Part(PartKind.TEXT, "An"))
        shown = await add_parts_so_far(env.chat_with(stream=stream), message, account_id=env.account_id)
        assert shown.parts == message.parts
        gate.open()


async def test_the_draft_of_a_lost_attempt_is_cleared_by_the_next(env, stream):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Lost", gate)
    env.model.will("Another answer.")
    reader = Following(env, stream, reply)
    writing = asyncio.create_task(write_reply(env.chat_with(stream=stream, idle=1_000), reply.id))
    await gate.reached()
    await asyncio.sleep(STORE_SECONDS + 4)
    assert reader.text == "Lost"
    writing.cancel()
    await asyncio.wait({writing})

    written = await env.write(reply)
    assert (written.content, written.attempt) == ("Another answer.", 2)
    await reader.task
    assert (reader.text, reader.attempts) == ("Another answer.", [1, 2])


async def test_a_stop_of_an_attempt_whose_worker_died_keeps_the_draft(env, stream):
    reply = await env.reply()
    chat = env.chat_with(stream=stream)
    claim = await env.claim(reply)
    async with env.uow() as unit:
        assert await unit.replies.store_draft(claim, (Part(PartKind.TEXT, "An"),))
        await unit.replies.request_stop(reply.id)
        await unit.commit()
    await asyncio.sleep(LIMITS.lease)
    await write_reply(chat, reply.id)
    stopped = await env.message(reply)
    assert (stopped.status, stopped.content) == (Status.STOPPED, "An")
