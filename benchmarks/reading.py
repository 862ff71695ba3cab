"""A town that answers by the compiled model, and clients that post there and read the replies as streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.processes import processes_of, watched
from benchmarks.town import Town, town_up
from benchmarks.wire import ServedModel, chat, model, says

# One at a time, to the first delta.
ALONE = 300
# Replies of so many deltas at once, read by clients side by side.
CLIENTS, DELTAS = 32, 20
# Replies that stream at once, for long enough that they all do for a while.
STREAMS, EVERY_MS, STREAMED_DELTAS, RAMP_MS = 1_000, 100, 300, 16_000
# Far more than they take when nothing is late. Whoever has not ended by then counts as late by all of it.
STREAMING_SECONDS = 60
# What a round that was too much for the machine may leave to do.
PATIENCE = 90.0
UNFINISHED = "SELECT count(*) FROM messages WHERE status IN ('pending', 'generating')"
NEW_ROOMS = """
INSERT INTO rooms (id, account_id, name, created_at, active_at)
SELECT gen_random_uuid(), accounts.id, 'Room', now(), now() FROM accounts, generate_series(1, $2) WHERE email = $1
RETURNING id
"""


@dataclass(frozen=True)
class Site:
    """A town whose account is Pro, and the compiled clients."""

    town: Town
    wire: Path
    model: ServedModel
    email: str = "reader@example.com"

    async def new_rooms(self, count: int) -> list[UUID]:
        async with self.town.database() as connection:
            return [row["id"] for row in await connection.fetch(NEW_ROOMS, self.email, count)]

    async def read_alone(self, rooms: list[UUID], times: int = ALONE) -> dict[str, Any]:
        return await self._chat(rooms, body=says(1), replies=times, deltas=1)

    async def read_together(self, rooms: list[UUID], seconds: float) -> dict[str, Any]:
        figures = await self._chat(rooms, body=says(DELTAS), clients=CLIENTS, seconds=seconds, deltas=DELTAS)
        return figures | {"per_second": figures["finished_in_time"] / figures["seconds"]}

    async def stream(self, rooms: list[UUID]) -> dict[str, Any]:
        """STREAMS replies at once, and what each process used meanwhile."""
        await self._at_rest()
        async with watched(await processes_of(self.town) | {"model": self.model.pid}) as watch:
            figures = await self._chat(
                rooms,
                body=says(STREAMED_DELTAS, every_ms=EVERY_MS),
                clients=STREAMS,
                replies=STREAMS,
                deltas=STREAMED_DELTAS,
                ramp_ms=RAMP_MS,
                patience=STREAMING_SECONDS,
                may_fail=True,
            )
        ramp = RAMP_MS // 1_000 + 2
        used = watch.cpu_percent(without_first=ramp, without_last=ramp)
        used["client"] = round(100 * figures["cpu_seconds"] / figures["seconds"], 1)
        return figures | {"cpu_percent": used, "api_mb": round(watch.most_mb["api"], 1)}

    async def _at_rest(self) -> None:
        async with self.town.database() as connection, asyncio.timeout(PATIENCE):
            while await connection.fetchval(UNFINISHED):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(1)

    async def _chat(self, rooms: list[UUID], **options: Any) -> dict[str, Any]:
        token = await self.town.sign_in(self.email)
        return await chat(self.wire, self.town.api, token, rooms, **options)


@asynccontextmanager
async def site_up(folder: Path, wire: Path) -> AsyncIterator[Site]:
    """Warmed up. Both models are on offer; the built-in one, without a pause, where nothing else is asked for."""
    async with (
        model(wire) as served,
        town_up(
            folder,
            OPENAI_BASE_URL=served.url,
            OPENAI_API_KEY="any",
            OPENAI_MODELS="wire",
            DEFAULT_MODEL="offline/echo",
            OFFLINE_DELAY_SECONDS="0",
        ) as town,
    ):
        site = Site(town, wire, served)
        await town.pro(site.email)
        await site.read_alone(await site.new_rooms(ALONE))
        yield site
