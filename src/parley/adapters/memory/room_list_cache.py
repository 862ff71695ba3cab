"""The room-list cache inside one process."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from parley.core.chat.ports import CachedPage, CacheMiss

MOST_ACCOUNTS = 1_000


@dataclass
class _Shelf:
    """One account's pages by size, each with the time until which it counts."""

    generation: str
    pages: dict[int, tuple[CachedPage, float]] = field(default_factory=dict)


class MemoryRoomListCache:
    """Pages live for `seconds` of the monotonic `clock`, those of the latest MOST_ACCOUNTS accounts at most."""

    def __init__(self, *, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._shelves: OrderedDict[UUID, _Shelf] = OrderedDict()
        self._generations = count()

    async def look_up(self, account_id: UUID, *, limit: int) -> CachedPage | CacheMiss:
        shelf = self._shelves.setdefault(account_id, _Shelf(str(next(self._generations))))
        self._shelves.move_to_end(account_id)
        if len(self._shelves) > MOST_ACCOUNTS:
            self._shelves.popitem(last=False)
        page, until = shelf.pages.get(limit, (None, 0.0))
        return page if page is not None and self._clock() < until else CacheMiss(shelf.generation)

    async def store(self, account_id: UUID, page: CachedPage, *, limit: int, missed: CacheMiss) -> None:
        shelf = self._shelves.get(account_id)
        if shelf is not None and shelf.generation == missed.generation:
            shelf.pages[limit] = (page, self._clock() + self._seconds)

    async def drop(self, account_id: UUID) -> None:
        self._shelves.pop(account_id, None)
