"""The rooms and messages of an account, for its owner to download."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.model import Message, Room
from parley.core.chat.share_store import Share

PAGE = 50


@dataclass(frozen=True, slots=True)
class ExportedRoom:
    """A room and its shared copy, if there is one."""

    room: Room
    share: Share | None


async def read_everything(chat: ChatPorts, *, account_id: UUID) -> AsyncGenerator[ExportedRoom | list[Message], None]:
    """Each room, oldest first, followed by its messages, oldest first, in lists of up to PAGE.

    Every page is a transaction of its own, so that a slow reader holds none open. What is written meanwhile may or may
    not be included; a room that is deleted meanwhile ends early.
    """
    async with chat.uow(read_only=True) as unit:
        room_ids = await unit.rooms.ids(account_id)
    for room_id in room_ids:
        async with chat.uow(read_only=True) as unit:
            room = await unit.rooms.get(room_id, account_id)
            share = await unit.shares.of_room(room_id, account_id)
            page = await unit.messages.after(room_id, 0, limit=PAGE)
        if room is None:
            continue
        yield ExportedRoom(room, share)
        while page:
            yield page
            if len(page) < PAGE:
                break
            async with chat.uow(read_only=True) as unit:
                page = await unit.messages.after(room_id, page[-1].position, limit=PAGE)
