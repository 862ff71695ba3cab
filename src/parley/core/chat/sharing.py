"""Sharing: a read-only copy of the branch that is shown, for everyone who knows its address."""

import re
from dataclasses import dataclass
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import NotShared, RoomNotFound, ShareNotFound
from parley.core.chat.share_store import Share, SharedMessage

# As `new_token` makes them. Nothing else is looked up: an address can contain what the database rejects, such as NUL.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,64}")


@dataclass(frozen=True, slots=True)
class SharedPage:
    """A page of a copy, oldest first. `next_skip` is the number of messages before the next page; None on the last.

    `account_id` is its owner's, which no reader may learn.
    """

    account_id: UUID
    share: Share
    items: list[SharedMessage]
    next_skip: int | None


async def share_room(chat: ChatPorts, *, account_id: UUID, room_id: UUID) -> Share:
    """Copy what is complete of the branch that is shown, under the room's token or else a new one. Raises RoomNotFound.

    The copy ends before the first reply that is still being written.
    """
    async with chat.uow() as unit:
        if not await unit.rooms.lock(room_id, account_id):
            raise RoomNotFound
        room = await unit.rooms.get(room_id, account_id)
        if room is None:
            raise RoomNotFound
        last = await unit.shares.last_complete(room_id, account_id)
        share = await unit.shares.put(Share(room_id, chat.new_token(), room.name, last, chat.now()))
        await unit.commit()
    return share


async def read_share(chat: ChatPorts, *, account_id: UUID, room_id: UUID) -> Share:
    """The room's copy. Raises RoomNotFound, NotShared."""
    async with chat.uow(read_only=True) as unit:
        share = await unit.shares.of_room(room_id, account_id)
        if share is None:
            raise NotShared if await unit.rooms.get(room_id, account_id) else RoomNotFound
    return share


async def end_sharing(chat: ChatPorts, *, account_id: UUID, room_id: UUID) -> None:
    """Remove the room's copy, if there is one; its token is never used again. Raises RoomNotFound."""
    async with chat.uow() as unit:
        if not await unit.rooms.lock(room_id, account_id):
            raise RoomNotFound
        await unit.shares.remove(room_id)
        await unit.commit()


async def read_shared(chat: ChatPorts, *, token: str, skip: int, limit: int) -> SharedPage:
    """A page of the copy with that token; needs no account. Raises ShareNotFound."""
    if not _TOKEN.fullmatch(token):
        raise ShareNotFound
    async with chat.uow(read_only=True) as unit:
        share = await unit.shares.find(token)
        if share is None:
            raise ShareNotFound
        found = await unit.shares.messages(share, skip=skip, limit=limit + 1)
        # Last: the room may be deleted between the reads.
        account_id = await unit.rooms.owner(share.room_id)
    if account_id is None:
        raise ShareNotFound
    return SharedPage(account_id, share, found[:limit], skip + limit if len(found) > limit else None)
