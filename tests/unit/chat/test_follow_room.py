"""Following a room: what is accepted in it, and its replies, from any position."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.chat.errors import RoomNotFound
from parley.core.chat.follow_room import follow_room
from parley.core.chat.given_messages import add_messages
from parley.core.chat.message_request import GivenMessage
from parley.core.chat.messages import edit_message, regenerate_reply
from parley.core.chat.model import EventId, Role, Room, Status
from parley.core.chat.open_rooms import LOOK_SECONDS, OpenRooms
from parley.core.chat.readers import ReplyReaders
from parley.core.chat.reply_events import AttemptStarted, Delta, ReplyEnded
from parley.core.chat.room_events import (
    MessageAccepted,
    ReplyProgress,
    RoomEvent,
    RoomOpened,
    RoomPosition,
    RoomQuiet,
)
from parley.core.errors import TooManyRequests
from tests.unit.chat.environment import KEEP_ALIVE_SECONDS, ChatEnvironment, UnavailableUnitOfWork
from tests.unit.chat.scripted_model import Gate, Pause

WORDS = ("A ", Pause(1), "whole ", Pause(1), "answer.")
PATIENCE = 60.0


class LostSignals:
    """Signals of which none arrives."""

    async def send(self, _: UUID) -> None:
        pass

    @contextmanager
    def listen(self, _: UUID, __: Callable[[], None]) -> Generator[None, None, None]:
        yield


def read(
    env: ChatEnvironment, room: Room, after: RoomPosition | None = None, account_id: UUID | None = None
) -> AsyncGenerator[RoomEvent, None]:
    return follow_room(
        env.chat,
        account_id=account_id or env.account_id,
        room_id=room.id,
        after=after,
        keep_alive_seconds=KEEP_ALIVE_SECONDS,
        may_read=env.may_read,
    )


@asynccontextmanager
async def reading(
    env: ChatEnvironment, room: Room, after: RoomPosition | None = None
) -> AsyncGenerator[AsyncGenerator[RoomEvent, None], None]:
    """A reader that has begun."""
    async with aclosing(read(env, room, after)) as events:
        assert isinstance(await anext(events), RoomOpened)
        yield events


@asynccontextmanager
async def working(env: ChatEnvironment) -> AsyncGenerator[None, None]:
    """A worker that writes everything on the queue."""

    async def work() -> None:
        while True:
            reply_id = await env.queue.take()
            found = env.database.committed.messages[reply_id]
            await env.write(found)

    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(work())
        yield
        worker.cancel()


async def next_of(events: AsyncGenerator[RoomEvent, None], number: int) -> list[RoomEvent]:
    """So many events, without those of a quiet room."""
    found: list[RoomEvent] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < number:
            event = await anext(events)
            if not isinstance(event, RoomQuiet):
                found.append(event)
    return found


def outline(events: list[RoomEvent]) -> list[str]:
    """One word or text for each event."""
    names = []
    for event in events:
        match event:
            case MessageAccepted(_, message, _):
                names.append(f"accepted {message.content}")
            case ReplyProgress(_, _, AttemptStarted(begin)):
                names.append(f"start {begin.attempt}")
            case ReplyProgress(_, _, Delta(_, text)):
                names.append(text)
            case ReplyProgress(_, _, ReplyEnded(_, message)):
                names.append(message.status.value)
    return names


async def test_a_reader_gets_what_is_accepted_and_the_events_of_each_reply(env):
    room = await env.room()
    env.model.will(*WORDS)
    env.model.will("Another.")
    async with reading(env, room) as events, working(env):
        accepted = await env.post(room, "First")
        await env.post(room, "Second")
        found = await next_of(events, 9)
    assert sorted(outline(found)[:3]) == ["accepted First", "accepted Second", "start 1"]
    assert outline(found)[3:] == ["A ", "whole ", "answer.", "completed", "start 1", "Another."]
    [first] = [event for event in found if isinstance(event, MessageAccepted) and event.reply.id == accepted.reply.id]
    assert (first.message.content, first.reply.status, first.reply.content) == ("First", Status.PENDING, "")


async def test_edits_and_further_replies_are_accepted_messages_too(env):
    room = await env.room()
    for text in ("One.", "Two.", "Three."):
        env.model.will(text)
    async with reading(env, room) as events, working(env):
        first = await env.post(room, "A question")
        assert outline(await next_of(events, 4))[-1] == "completed"
        named = {"account_id": env.account_id, "room_id": room.id, "model": None, "key": None}
        await regenerate_reply(env.chat, reply_id=first.reply.id, **named)
        again = await next_of(events, 4)
        await edit_message(env.chat, message_id=first.question.id, content="Another question", **named)
        edited = await next_of(events, 4)
    assert outline(again) == ["accepted A question", "start 1", "Two.", "completed"]
    assert again[0].message.id == first.question.id
    assert outline(edited) == ["accepted Another question", "start 1", "Three.", "completed"]


async def test_messages_for_the_record_are_accepted_without_a_reply(env):
    room = await env.room()
    said = [GivenMessage(role, f"{number}") for number in range(60) for role in (Role.USER, Role.ASSISTANT)]
    async with reading(env, room) as events, working(env):
        await add_messages(env.chat, account_id=env.account_id, room_id=room.id, messages=said)
        env.model.will("One.")
        await env.post(room, "A question")
        found = await next_of(events, 124)
    assert [event.message.content for event in found[:120]] == [each.content for each in said]
    assert {event.reply for event in found[:120]} == {None}
    assert outline(found[120:]) == ["accepted A question", "start 1", "One.", "completed"]


@pytest.mark.parametrize("end", ["session", "process"])
async def test_a_page_under_way_ends_with_the_session_and_the_process(env, end):
    room = await env.room()
    said = [GivenMessage(Role.USER, f"{number}") for number in range(3)]
    async with reading(env, room) as events:
        await add_messages(env.chat, account_id=env.account_id, room_id=room.id, messages=said)
        assert outline(await next_of(events, 1)) == ["accepted 0"]
        if end == "session":
            env.session_lasts = False
        else:
            env.chat.open_rooms.close()
        assert [event async for event in events] == []


async def test_a_reader_without_a_position_begins_with_what_is_unfinished(env):
    room = await env.room()
    gate = Gate()
    env.model.will("Long ago.")
    env.model.will(*WORDS, gate)
    await env.write(await env.reply(room))
    reply = await env.reply(room)
    async with env.writing(reply):
        await gate.reached()
        async with reading(env, room) as events:
            assert outline(await next_of(events, 2)) == ["start 1", "A whole answer."]
            gate.open()
            assert outline(await next_of(events, 1)) == ["completed"]


async def test_a_reader_resumes_after_every_event_without_gap_or_repetition(env):
    room = await env.room()
    async with reading(env, room) as events, working(env):
        for text in ("One.", "Two."):
            env.model.will(*text, Pause(1), "!")
            await env.post(room, text)
        whole = await next_of(events, 8)
        while outline(whole).count("completed") < 2:
            whole += await next_of(events, 1)
    for index, event in enumerate(whole):
        async with reading(env, room, event.position) as events:
            rest = await next_of(events, 1) if index < len(whole) - 1 else []
            while rest and rest[-1].position != whole[-1].position:
                rest += await next_of(events, 1)
        assert text_of(whole[: index + 1]) + text_of(rest) == text_of(whole), f"after {event.position}"
        assert accepted_in(whole[: index + 1]) + accepted_in(rest) == accepted_in(whole)


def text_of(events: list[RoomEvent]) -> str:
    parts = [e.event.text if isinstance(e.event, Delta) else "|" for e in events if isinstance(e, ReplyProgress)]
    return "".join(parts)


def accepted_in(events: list[RoomEvent]) -> list[UUID]:
    return [event.message.id for event in events if isinstance(event, MessageAccepted)]


async def test_a_position_behind_the_end_of_the_room_is_its_end(env):
    room = await env.room()
    env.model.will("One.")
    await env.write(await env.reply(room))
    async with aclosing(read(env, room, RoomPosition(90, 91, EventId(3, 7)))) as events:
        assert await anext(events) == RoomOpened(RoomPosition(2, 3))
    async with aclosing(read(env, room, RoomPosition(90, 2))) as events:
        assert await anext(events) == RoomOpened(RoomPosition(2, 2))


async def test_what_another_process_accepts_is_found_although_its_signal_is_lost(env):
    room = await env.room()
    other_process, here = env.chat, replace(env.chat, open_rooms=OpenRooms(LostSignals()))
    env.chat = here
    async with reading(env, room) as events:
        reading_one = asyncio.create_task(next_of(events, 1))
        await asyncio.sleep(0.1)
        env.chat = other_process
        await env.post(room, "From elsewhere")
        await asyncio.sleep(LOOK_SECONDS)
        assert not reading_one.done()
        await here.open_rooms.look(env.uow)
        assert outline(await reading_one) == ["accepted From elsewhere"]


async def test_a_look_wakes_only_readers_of_rooms_that_changed(env):
    room, other = await env.room(), await env.room()
    woken = []
    with (
        env.chat.open_rooms.reading(room.id, lambda: woken.append("room"), env.may_read),
        env.chat.open_rooms.reading(other.id, lambda: woken.append("other"), env.may_read),
    ):
        await env.chat.open_rooms.look(env.uow)
        woken.clear()
        await env.chat.open_rooms.look(env.uow)
        assert woken == []
        await env.post(room)
        woken.clear()
        await env.chat.open_rooms.look(env.uow)
        assert woken == ["room"]
        await env.delete(other)
        woken.clear()
        await env.chat.open_rooms.look(env.uow)
        assert woken == ["other"]
    assert env.chat.open_rooms.count == 0


async def test_a_quiet_room_says_so(env):
    room = await env.room()
    async with reading(env, room) as events:
        began = asyncio.get_running_loop().time()
        assert isinstance(await anext(events), RoomQuiet)
        assert asyncio.get_running_loop().time() - began == pytest.approx(KEEP_ALIVE_SECONDS)


async def test_a_reader_ends_when_it_may_read_no_more(env):
    room = await env.room()
    async with reading(env, room) as events:
        ending = asyncio.create_task(anext(events, None))
        await asyncio.sleep(1)
        env.session_lasts = False
        await env.chat.open_rooms.check_permissions()
        assert await ending is None


async def test_a_reader_in_the_middle_of_a_reply_ends_too_when_it_may_read_no_more(env):
    room = await env.room()
    reply = await env.reply(room)
    gate = Gate()
    env.model.will("A ", gate)
    async with env.writing(reply):
        await gate.reached()
        async with reading(env, room) as events:
            await next_of(events, 2)
            env.session_lasts = False
            await env.chat.open_rooms.check_permissions()
            assert await anext(events, None) is None
        gate.open()


async def test_a_reader_ends_when_the_process_shuts_down(env):
    room = await env.room()
    async with reading(env, room) as events:
        env.chat.open_rooms.close()
        assert await anext(events, None) is None


async def test_a_deleted_room_ends_with_an_error(env):
    room = await env.room()
    reply = await env.reply(room)
    async with reading(env, room) as events:
        await env.delete(room)
        with pytest.raises(RoomNotFound):
            await next_of(events, 1)
    assert reply.room_id == room.id


async def test_a_room_of_another_account_is_not_found(env):
    room = await env.room()
    with pytest.raises(RoomNotFound):
        await anext(read(env, room, account_id=UUID(int=77)))


async def test_readers_of_rooms_count_as_readers_of_replies_do(env):
    env.chat = replace(env.chat, readers=ReplyReaders(of_an_account=1))
    room = await env.room()
    async with reading(env, room), working(env):
        with pytest.raises(TooManyRequests):
            await anext(read(env, room))
    async with reading(env, room) as events, working(env):
        # The reply that it follows does not count once more.
        env.model.will("One.")
        await env.post(room)
        assert outline(await next_of(events, 4))[-1] == "completed"


async def test_a_reader_survives_an_outage_of_the_database(env):
    room = await env.room()
    uow = UnavailableUnitOfWork(env.uow)
    working_chat, env.chat = env.chat, replace(env.chat, uow=uow)
    async with reading(env, room) as events:
        uow.until = asyncio.get_running_loop().time() + 30
        env.chat = working_chat
        env.model.will("One.")
        reply = await env.reply(room)
        await env.write(reply)
        assert outline(await next_of(events, 4)) == ["accepted A question", "start 1", "One.", "completed"]
    assert asyncio.get_running_loop().time() >= 30


async def test_a_slow_reader_holds_one_event(env):
    room = await env.room()
    env.model.will(*(word for text in "abcdefgh" for word in (text, Pause(1))))
    async with reading(env, room) as events:
        reply = await env.reply(room)
        await env.write(reply)
        assert "".join(outline(await next_of(events, 4))) == "accepted A questionstart 1abcdefghcompleted"
