"""Making, listing and changing rooms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.errors import RoomNotFound
from parley.core.chat.model import ROOM_NAME_CHARACTERS, Message, Room, RoomCursor
from parley.core.chat.ports import CachedPage, RoomListCache
from parley.core.chat.shared_reads import SharedReads
from parley.core.chat.stores import ChatUnitOfWork
from parley.core.text import check_text

INSTRUCTIONS_CHARACTERS = 32_000
LATEST_MESSAGES = 50
# Neither every size of page nor a page of long instructions is worth the memory: an account would fill it.
CACHED_SIZES = frozenset({10, 20, 25, 50, 100})
CACHED_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class RoomPage:
    """Rooms in order of latest activity. `next_cursor` is None on the last page."""

    items: list[Room]
    next_cursor: RoomCursor | None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, oldest first. `next_cursor` is the position before which older ones follow, None when none do."""

    items: list[Message]
    next_cursor: int | None


async def create_room(
    *,
    uow: ChatUnitOfWork,
    cache: RoomListCache,
    catalogue: ModelCatalogue,
    account_id: UUID,
    name: str,
    model: str | None,
    instructions: str | None,
    room_id: UUID,
    now: datetime,
) -> Room:
    """Raises InvalidInput for a bad name or instructions, UnknownModel."""
    room = Room(room_id, account_id, name, model, instructions, created_at=now, active_at=now)
    _check(room, catalogue)
    async with uow() as unit:
        await unit.rooms.add(room)
        await unit.commit()
    await cache.drop(account_id)
    return room


async def list_rooms(*, uow: ChatUnitOfWork, account_id: UUID, after: RoomCursor | None, limit: int) -> RoomPage:
    async with uow(read_only=True) as unit:
        found = await unit.rooms.page(account_id, after=after, limit=limit + 1)
    items = found[:limit]
    more = len(found) > limit
    return RoomPage(items, RoomCursor(items[-1].active_at, items[-1].id) if more else None)


async def first_rooms(
    *,
    uow: ChatUnitOfWork,
    cache: RoomListCache,
    reads: SharedReads,
    account_id: UUID,
    limit: int,
    render: Callable[[RoomPage], CachedPage],
) -> tuple[CachedPage, bool]:
    """The first page as it is sent, and whether it came out of the cache."""

    async def read() -> CachedPage:
        return render(await list_rooms(uow=uow, account_id=account_id, after=None, limit=limit))

    if limit not in CACHED_SIZES:
        return await read(), False
    cached = await cache.look_up(account_id, limit=limit)
    if isinstance(cached, CachedPage):
        return cached, True
    page = await reads.page(account_id, limit, cached, read)
    if len(page.body) <= CACHED_BYTES:
        await cache.store(account_id, page, limit=limit, missed=cached)
    return page, False


async def read_room(*, uow: ChatUnitOfWork, account_id: UUID, room_id: UUID) -> tuple[Room, MessagePage]:
    """The room with its latest messages. Raises RoomNotFound."""
    async with uow(read_only=True) as unit:
        room = await unit.rooms.get(room_id, account_id)
        if room is None:
            raise RoomNotFound
        found = await unit.messages.page(room_id, account_id, before=None, limit=LATEST_MESSAGES + 1)
    return room, message_page(found, LATEST_MESSAGES)


async def change_room(
    *,
    uow: ChatUnitOfWork,
    cache: RoomListCache,
    catalogue: ModelCatalogue,
    account_id: UUID,
    room_id: UUID,
    changes: Mapping[str, str | None],
) -> Room:
    """Change those of name, model and instructions that `changes` holds; None clears the latter two.

    Raises RoomNotFound, InvalidInput, UnknownModel.
    """
    async with uow() as unit:
        found = await unit.rooms.get(room_id, account_id)
        if found is None:
            raise RoomNotFound
        room = replace(
            found,
            name=changes.get("name", found.name) or "",
            model=changes.get("model", found.model),
            instructions=changes.get("instructions", found.instructions),
        )
        _check(room, catalogue if changes.get("model") is not None else None)
        if not await unit.rooms.save(room, fields=frozenset(changes)):
            raise RoomNotFound
        await unit.commit()
    await cache.drop(account_id)
    return room


async def delete_room(*, uow: ChatUnitOfWork, cache: RoomListCache, account_id: UUID, room_id: UUID) -> None:
    """Remove the room and its messages; what is being written there is given up. Raises RoomNotFound."""
    async with uow() as unit:
        if not await unit.rooms.delete(room_id, account_id):
            raise RoomNotFound
        await unit.commit()
    await cache.drop(account_id)


def message_page(found: list[Message], limit: int) -> MessagePage:
    """A page out of up to `limit + 1` messages, oldest first."""
    items = found[-limit:]
    return MessagePage(items, items[0].position if len(found) > limit else None)


def _check(room: Room, catalogue: ModelCatalogue | None) -> None:
    check_text("name", room.name, longest=ROOM_NAME_CHARACTERS)
    if room.instructions is not None:
        check_text("instructions", room.instructions, longest=INSTRUCTIONS_CHARACTERS)
    # A model that was withdrawn since is no reason to refuse another name for its room.
    if catalogue is not None:
        catalogue.check(room.model)
