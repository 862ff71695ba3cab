"""Reading messages: the branch that is shown, any other one, or all of them."""

from dataclasses import dataclass, replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import MessageNotFound, RoomNotFound
from parley.core.chat.model import Message
from parley.core.chat.parts import text_of
from parley.core.chat.stored_draft import parts_for_readers
from parley.core.chat.stores import ChatUnit


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, oldest first. `next_cursor` is the position before which older ones follow; None if none do."""

    items: list[Message]
    next_cursor: int | None


async def read_branch(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, before: int | None, limit: int, through: UUID | None = None
) -> MessagePage:
    """The newest page of a branch.

    It is the branch that is shown, the one `through` a message down to its newest descendant, or what comes `before` a
    position on the branch of that one. Raises RoomNotFound, MessageNotFound for `through`.
    """
    async with chat.uow(read_only=True) as unit:
        last = before
        if last is None and through is not None:
            last = await newest_below(unit, account_id=account_id, room_id=room_id, message_id=through)
        beyond = 0 if before is None else 1
        found = await unit.messages.branch_to(room_id, account_id, last=last, limit=limit + 1 + beyond)
        if not found and await unit.rooms.get(room_id, account_id) is None:
            raise RoomNotFound
    return message_page(found[: len(found) - beyond], limit)


async def read_from(
    chat: ChatPorts,
    *,
    account_id: UUID,
    room_id: UUID,
    last: int | None,
    after: UUID | None,
    limit: int,
    newest_first: bool,
) -> list[Message]:
    """Up to `limit` messages of a branch, from its beginning or its end on.

    It is the branch that ends with position `last`, None for the one that is shown. With `after`, from that message on,
    itself included; newest first on its own branch if `last` is None. Raises RoomNotFound, MessageNotFound for `after`,
    also if it is not on the branch up to `last`.
    """
    async with chat.uow(read_only=True) as unit:
        if await unit.rooms.get(room_id, account_id) is None:
            raise RoomNotFound
        known = None if after is None else await unit.messages.get(after, room_id, account_id)
        if after is not None and known is None:
            raise MessageNotFound
        before = 0 if known is None else known.position - 1
        if known is not None and last is not None:
            found = await unit.messages.branch_after(room_id, account_id, after=before, last=last, limit=1)
            if [each.id for each in found] != [known.id]:
                raise MessageNotFound
        if newest_first:
            end = last if known is None else known.position
            return (await unit.messages.branch_to(room_id, account_id, last=end, limit=limit))[::-1]
        return await unit.messages.branch_after(room_id, account_id, after=before, last=last, limit=limit)


async def read_all_messages(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, before: int | None, limit: int
) -> MessagePage:
    """The newest page before a position, of all branches. Raises RoomNotFound."""
    async with chat.uow(read_only=True) as unit:
        found = await unit.messages.page(room_id, account_id, before=before, limit=limit + 1)
        if not found and await unit.rooms.get(room_id, account_id) is None:
            raise RoomNotFound
    return message_page(found, limit)


async def newest_below(unit: ChatUnit, *, account_id: UUID, room_id: UUID, message_id: UUID) -> int:
    """The position of the newest message among this one and its descendants. Raises MessageNotFound."""
    message = await unit.messages.get(message_id, room_id, account_id)
    if message is None:
        raise MessageNotFound
    return await unit.messages.newest_below(room_id, message.position)


async def read_message(chat: ChatPorts, *, account_id: UUID, room_id: UUID, message_id: UUID) -> Message:
    """Raises MessageNotFound, also for a message of another room or account."""
    async with chat.uow(read_only=True) as unit:
        message = await unit.messages.get(message_id, room_id, account_id)
    if message is None:
        raise MessageNotFound
    return message


async def add_parts_so_far(chat: ChatPorts, message: Message, *, account_id: UUID) -> Message:
    """A reply that is being written, with what its readers have of it; any other message as it is."""
    if message.status.ended or message.attempt == 0:
        return message
    parts = await parts_for_readers(chat, message)
    if parts:
        return replace(message, content=text_of(parts), parts=parts)
    # It may have ended since it was read, and its stream with it.
    return await read_message(chat, account_id=account_id, room_id=message.room_id, message_id=message.id)


def message_page(found: list[Message], limit: int) -> MessagePage:
    """A page of `limit` out of up to `limit + 1` messages, oldest first; one too many says that older ones exist."""
    items = found[-limit:]
    return MessagePage(items, items[0].position if len(found) > limit else None)
