"""All that an account has in its rooms, for its owner to take away."""

from collections.abc import AsyncGenerator
from uuid import UUID

from parley.core.chat.model import Message, Room
from parley.core.chat.stores import ChatUnitOfWork

PAGE = 50


async def read_everything(*, uow: ChatUnitOfWork, account_id: UUID) -> AsyncGenerator[Room | list[Message], None]:
    """Each room, oldest first, followed by its messages, oldest first, in pages of up to PAGE.

    Every page is read on its own, so what is written meanwhile may be in it or not; a room that goes is left out from
    there on. Nothing is held open between two pages, however slowly they are taken.
    """
    async with uow(read_only=True) as unit:
        room_ids = await unit.rooms.ids(account_id)
    for room_id in room_ids:
        async with uow(read_only=True) as unit:
            room = await unit.rooms.get(room_id, account_id)
            page = await unit.messages.after(room_id, 0, limit=PAGE)
        if room is None:
            continue
        yield room
        while page:
            yield page
            if len(page) < PAGE:
                break
            async with uow(read_only=True) as unit:
                page = await unit.messages.after(room_id, page[-1].position, limit=PAGE)
