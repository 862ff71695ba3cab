"""Messages that a client gives for the record: no reply to them is asked for, and no model is.

So they cost no quota. Each is a message of its room like any other, and models read it with the rest of its branch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import RoomNotFound
from parley.core.chat.message_request import GivenMessage, check_content
from parley.core.chat.metadata import Metadata
from parley.core.chat.model import Message, Role, Room, Status
from parley.core.chat.naming import NEW_ROOM_NAME, Naming, first_words
from parley.core.chat.reservation import tokens_of_branch
from parley.core.chat.rooms import add_new_room
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tree import Head
from parley.core.errors import InvalidInput

# Each is a statement, in a transaction that locks the room.
MOST_GIVEN = 200


async def add_messages(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, messages: Sequence[GivenMessage], field: str = "messages"
) -> list[Message]:
    """Add all of the messages behind the room's head, in their order, or none. They follow a reply that is unfinished.

    Raises InvalidInput, which names the wrong one of `field`, and RoomNotFound.
    """
    check_given(messages, field)
    async with chat.uow() as unit:
        added = await _add(chat, unit, account_id, room_id, messages)
        await unit.commit()
    await chat.room_list_cache.drop(account_id, chat.open_rooms.announce(room_id))
    return added


async def create_room_with(
    chat: ChatPorts,
    *,
    account_id: UUID,
    messages: Sequence[GivenMessage],
    metadata: Metadata,
    field: str = "messages",
) -> Room:
    """A room without a name, with these messages, if any, from its beginning on.

    Raises InvalidInput, TooManyRooms, PlanRoomsUsed.
    """
    if messages:
        check_given(messages, field)
    now = chat.now()
    room = Room(chat.new_id(), account_id, NEW_ROOM_NAME, None, None, now, now, naming=Naming.NONE, metadata=metadata)
    async with chat.uow() as unit:
        await add_new_room(chat, unit, room)
        if messages:
            await _add(chat, unit, account_id, room.id, messages)
        await unit.commit()
    await chat.room_list_cache.drop(account_id)
    return room


def check_given(messages: Sequence[GivenMessage], field: str) -> None:
    """Raises InvalidInput, also for no message at all."""
    if not 1 <= len(messages) <= MOST_GIVEN:
        raise InvalidInput(field, f"must have 1 to {MOST_GIVEN} messages")
    for index, message in enumerate(messages):
        check_content(message.content, f"{field}[{index}].content")


async def store_before(
    chat: ChatPorts,
    unit: ChatUnit,
    room: Room,
    messages: Sequence[GivenMessage],
    *,
    parent: Message | Head | None,
    position: int,
) -> tuple[Message | Head | None, int]:
    """Write the messages at positions that were reserved, the first one at `position`, where it follows `parent`.

    Returns the parent and the position of what comes behind them.
    """
    if not messages:
        return parent, position
    added = await _store(chat, unit, room, messages, parent=parent, position=position)
    return added[-1], position + len(messages)


async def name_room(chat: ChatPorts, unit: ChatUnit, room: Room, messages: Iterable[GivenMessage]) -> None:
    """Name the room, which is locked, with the first words of the first one that is a user's, if it has no name."""
    asked = next((given.content for given in messages if given.role is Role.USER), None)
    if asked is not None and room.naming is Naming.NONE:
        naming = Naming.FIRST_WORDS if chat.titles.are_written else Naming.FINAL
        named = replace(room, name=first_words(asked), naming=naming)
        await unit.rooms.save(named, fields=frozenset({"name", "naming"}))


async def _add(
    chat: ChatPorts, unit: ChatUnit, account_id: UUID, room_id: UUID, messages: Sequence[GivenMessage]
) -> list[Message]:
    reserved = await unit.rooms.reserve(room_id, account_id, at=chat.now(), positions=len(messages))
    if reserved is None:
        raise RoomNotFound
    room, position = reserved
    await name_room(chat, unit, room, messages)
    return await _store(chat, unit, room, messages, parent=Head.SHOWN, position=position)


async def _store(
    chat: ChatPorts,
    unit: ChatUnit,
    room: Room,
    messages: Sequence[GivenMessage],
    *,
    parent: Message | Head | None,
    position: int,
) -> list[Message]:
    tokens = await tokens_of_branch(chat, unit, room, parent, None, before=position)
    after = parent.position if isinstance(parent, Message) else parent
    added: list[Message] = []
    for number, given in enumerate(messages, position):
        tokens += chat.estimates.of(given.content)
        message = _message(chat, room, given, number)
        added.append(await unit.messages.add_given(message, account_id=room.account_id, after=after, tokens=tokens))
        after = number
    return added


def _message(chat: ChatPorts, room: Room, given: GivenMessage, position: int) -> Message:
    now = chat.now()
    # A reply that has ended was attempted: its stream begins with that.
    attempt = 1 if given.role is Role.ASSISTANT else 0
    return Message(
        chat.new_id(),
        room.id,
        given.role,
        given.content,
        Status.COMPLETED,
        now,
        position,
        completed_at=now,
        attempt=attempt,
    )
