"""Listing an account's rooms; the first page is cached."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.model import Room, RoomCursor
from parley.core.chat.ports import CachedPage, CacheMiss

# Bounds what one account can occupy in the cache: only the usual page sizes, and no page of many long names.
CACHED_SIZES = frozenset({10, 20, 25, 50, 100})
CACHED_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class RoomPage:
    """Rooms, pinned ones first, then latest activity. `next_cursor` is None on the last page."""

    items: list[Room]
    next_cursor: RoomCursor | None


async def list_rooms(
    chat: ChatPorts, *, account_id: UUID, after: RoomCursor | None, limit: int, archived: bool = False
) -> RoomPage:
    """The page of up to `limit` rooms that follows the cursor: archived ones, or the others."""
    async with chat.uow(read_only=True) as unit:
        found = await unit.rooms.page(account_id, after=after, limit=limit + 1, archived=archived)
    items = found[:limit]
    more = len(found) > limit
    return RoomPage(items, RoomCursor(items[-1].active_at, items[-1].id, items[-1].pinned) if more else None)


async def first_rooms(
    chat: ChatPorts, *, account_id: UUID, limit: int, render: Callable[[RoomPage], CachedPage]
) -> tuple[CachedPage, bool]:
    """The first page as `render` makes it, and whether it came from the cache."""

    async def read(missed: CacheMiss | None = None) -> CachedPage:
        rooms = await list_rooms(chat, account_id=account_id, after=None, limit=limit)
        page = render(rooms)
        # What the end of a reply would change is not stored: so no worker has to drop it, nor can one die before that.
        if missed and len(page.body) <= CACHED_BYTES and not any(room.awaited for room in rooms.items):
            await chat.room_list_cache.store(account_id, page, limit=limit, missed=missed)
        return page

    if limit not in CACHED_SIZES:
        return await read(), False
    cached = await chat.room_list_cache.look_up(account_id, limit=limit)
    if isinstance(cached, CachedPage):
        return cached, True
    return await chat.shared_reads.page(account_id, limit, cached, partial(read, cached)), False
