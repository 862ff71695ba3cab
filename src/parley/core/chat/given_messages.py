"""Messages that a client gives for the record: no reply to them is asked for, and no model is.

So they cost no quota. Each is a message of its room like any other, and models read it with the rest of its branch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import RoomNotFound
from parley.core.chat.message_request import GivenMessage, check_content
from parley.core.chat.model import Message, Role, Room, Status
from parley.core.chat.naming import Naming, first_words
from parley.core.chat.reservation import tokens_of_branch
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
        now = chat.now()
        reserved = await unit.rooms.reserve(room_id, account_id, at=now, positions=len(messages))
        if reserved is None:
            raise RoomNotFound
        room, position = reserved
        added = await store_given(chat, unit, room, messages, parent=Head.SHOWN, position=position)
        await name_room(chat, unit, room, messages)
        await unit.commit()
    await chat.room_list_cache.drop(account_id, chat.open_rooms.announce(room_id))
    return added


def check_given(messages: Sequence[GivenMessage], field: str) -> None:
    """Raises InvalidInput, also for no message at all."""
    if not 1 <= len(messages) <= MOST_GIVEN:
        raise InvalidInput(field, f"must have 1 to {MOST_GIVEN} messages")
    for index, message in enumerate(messages):
        check_content(message.content, f"{field}[{index}].content")


async def store_given(
    chat: ChatPorts,
    unit: ChatUnit,
    room: Room,
    messages: Sequence[GivenMessage],
    *,
    parent: Message | Head | None,
    position: int,
) -> list[Message]:
    """Write the messages at positions that were reserved, the first one at `position`; the first follows `parent`."""
    tokens = await tokens_of_branch(chat, unit, room, parent, None, before=position)
    after = parent.position if isinstance(parent, Message) else parent
    added: list[Message] = []
    for number, given in enumerate(messages, position):
        tokens += chat.estimates.of(given.content)
        message = _message(chat, room, given, number)
        added.append(await unit.messages.add_given(message, account_id=room.account_id, after=after, tokens=tokens))
        after = number
    return added


async def name_room(chat: ChatPorts, unit: ChatUnit, room: Room, messages: Iterable[GivenMessage]) -> None:
    """Name the room, which is locked, with the first words of the first one that is a user's, if it has no name."""
    asked = next((given.content for given in messages if given.role is Role.USER), None)
    if asked is not None and room.naming is Naming.NONE:
        naming = Naming.FIRST_WORDS if chat.titles.are_written else Naming.FINAL
        named = replace(room, name=first_words(asked), naming=naming)
        await unit.rooms.save(named, fields=frozenset({"name", "naming"}))


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
