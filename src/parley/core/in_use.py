"""How much of something each principal may have open at once in this process."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from parley.core.errors import TooManyRequests

RETRY_SECONDS = 5.0


class InUse:
    """Counts what is open for each id, and refuses more than `limit`.

    The count is of this process, because what it limits is the memory and the sockets of this process. A count that all
    processes share would need leases, and would refuse an account for as long as a killed process held some.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[UUID] = Counter()

    def count(self, id_: UUID) -> int:
        return self._open.get(id_, 0)

    def check(self, id_: UUID, *, limit: int | None = None) -> None:
        """Raises TooManyRequests if `one_more` would."""
        if self.count(id_) >= (self._limit if limit is None else limit):
            raise TooManyRequests(RETRY_SECONDS)

    @contextmanager
    def one_more(self, id_: UUID, *, limit: int | None = None) -> Generator[None, None, None]:
        """A `limit` counts instead of the usual one. Raises TooManyRequests."""
        self.check(id_, limit=limit)
        self._open[id_] += 1
        try:
            yield
        finally:
            self._open[id_] -= 1
            if self._open[id_] == 0:
                del self._open[id_]
