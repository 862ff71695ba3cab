"""The room-list cache inside one process."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from parley.core.chat.ports import CachedPage, CacheMiss

MAX_ACCOUNTS = 1_000


@dataclass
class _AccountPages:
    """One account's pages by page size, each with the time at which it expires."""

    generation: str
    pages: dict[int, tuple[CachedPage, float]] = field(default_factory=dict)


class MemoryRoomListCache:
    """Pages live for `seconds` of the monotonic `clock`. Beyond MAX_ACCOUNTS the least recently used account goes."""

    def __init__(self, *, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._accounts: OrderedDict[UUID, _AccountPages] = OrderedDict()
        self._generations = count()

    @property
    def accounts_held(self) -> int:
        return len(self._accounts)

    async def look_up(self, account_id: UUID, *, limit: int) -> CachedPage | CacheMiss:
        account = self._accounts.setdefault(account_id, _AccountPages(str(next(self._generations))))
        self._accounts.move_to_end(account_id)
        if len(self._accounts) > MAX_ACCOUNTS:
            self._accounts.popitem(last=False)
        page, expires_at = account.pages.get(limit, (None, 0.0))
        return page if page is not None and self._clock() < expires_at else CacheMiss(account.generation)

    async def store(self, account_id: UUID, page: CachedPage, *, limit: int, missed: CacheMiss) -> None:
        account = self._accounts.get(account_id)
        if account is not None and account.generation == missed.generation:
            account.pages[limit] = (page, self._clock() + self._seconds)

    async def drop(self, account_id: UUID, *meanwhile: Awaitable[None]) -> None:
        self._accounts.pop(account_id, None)
        for each in meanwhile:
            await each
