"""The rooms that have readers in this process, and what wakes those readers."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from uuid import UUID

from parley.core.chat.ports import RoomSignals
from parley.core.chat.stores import ChatUnitOfWork

# How often a reader's permission is checked: as for the readers of replies.
PERMISSION_SECONDS = 0.5
# How often the database is asked what other processes accepted, as their signals may be lost.
LOOK_SECONDS = 2.0
_GONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    wake: Callable[[], None]
    may_read: Callable[[], Awaitable[bool]]


class OpenRooms:
    """Wakes the readers of a room when it has new messages, when they may read no more, and when the process ends.

    Signals of other processes are hints, so `look` compares all open rooms with the database. Without `signals` there
    is no other process. A reader that is woken without a cause reads the database once.
    """

    def __init__(self, signals: RoomSignals | None = None) -> None:
        self.closed = False
        self._signals = signals
        self._readers: dict[UUID, set[_Reader]] = {}
        self._seen: dict[UUID, int] = {}

    @property
    def count(self) -> int:
        """The number of rooms with readers here."""
        return len(self._readers)

    async def announce(self, room_id: UUID) -> None:
        """Wake the readers of the room in every process; to be called after the commit. Never raises."""
        self._wake(room_id)
        if self._signals is not None:
            await self._signals.send(room_id)

    @contextmanager
    def reading(
        self, room_id: UUID, wake: Callable[[], None], may_read: Callable[[], Awaitable[bool]]
    ) -> Generator[None, None, None]:
        """While the context is open, `wake` is called at every change of the room, of `may_read`, and by `close`."""
        reader = _Reader(wake, may_read)
        self._readers.setdefault(room_id, set()).add(reader)
        try:
            with nullcontext() if self._signals is None else self._signals.listen(room_id, wake):
                yield
        finally:
            readers = self._readers[room_id]
            readers.discard(reader)
            if not readers:
                del self._readers[room_id]
                self._seen.pop(room_id, None)

    def close(self) -> None:
        """Wake every reader for the last time, as shutdown must not wait for readers."""
        self.closed = True
        for room_id in self._readers:
            self._wake(room_id)

    async def check_permissions(self) -> None:
        """Wake the readers that may read no more."""
        for reader in [reader for readers in self._readers.values() for reader in readers]:
            if not await reader.may_read():
                reader.wake()

    async def look(self, uow: ChatUnitOfWork) -> None:
        """Wake the readers of rooms that have changed since the last look, deleted ones included. One query."""
        room_ids = list(self._readers)
        if not room_ids:
            return
        async with uow(read_only=True) as unit:
            found = await unit.rooms.last_positions(room_ids)
        for room_id in room_ids:
            last = found.get(room_id, _GONE)
            if room_id in self._readers and self._seen.get(room_id) != last:
                self._seen[room_id] = last
                self._wake(room_id)

    def _wake(self, room_id: UUID) -> None:
        for reader in self._readers.get(room_id, ()):
            reader.wake()
