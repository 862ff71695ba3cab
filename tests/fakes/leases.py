"""Named leases in memory."""

from datetime import timedelta
from uuid import UUID

from parley.core.ports import Clock
from tests.fakes.database import Tables


class FakeLeases:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows = tables.leases
        self._clock = clock

    async def take(self, name: str, holder: UUID, *, seconds: float) -> bool:
        taken_by, until = self._rows.get(name, (holder, self._clock()))
        if taken_by != holder and until > self._clock():
            return False
        self._rows[name] = (holder, self._clock() + timedelta(seconds=seconds))
        return True

    async def give_back(self, name: str, holder: UUID) -> None:
        if self._rows.get(name, (None,))[0] == holder:
            del self._rows[name]
