"""Compiled clients that post messages and read the replies as streams, and a deployment with a compiled model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.deployment import Deployment, running_deployment
from benchmarks.load_generator import ServedModel, chat, message, model
from benchmarks.processes import processes_of, sampled
from parley.core.chat.readers import READERS_OF_AN_ACCOUNT

# Posted one after the other, each read to its end.
SEQUENTIAL_REPLIES = 300
# Replies of DELTAS deltas, read by CLIENTS clients in parallel.
CLIENTS, DELTAS = 32, 20
# Replies that stream at the same time. The clients start within RAMP_MS, and each reply takes longer than that.
STREAMS, EVERY_MS, STREAMED_DELTAS, RAMP_MS = 1_000, 100, 300, 16_000
# Far more than they take when nothing is late. A reply that has not ended by then counts as late by all of it.
STREAMING_SECONDS = 60
# The time to finish what an overloaded round left.
SETTLE_SECONDS = 90.0
# Half of the streams that parley lets one account read at the same time.
ROOMS_OF_AN_ACCOUNT = READERS_OF_AN_ACCOUNT // 2
UNFINISHED = "SELECT count(*) FROM messages WHERE status IN ('pending', 'generating')"
PRO = """
INSERT INTO plans (account_id, override) SELECT id, 'pro' FROM accounts WHERE email = $1
ON CONFLICT (account_id) DO UPDATE SET override = 'pro'
"""
NEW_ROOMS = """
INSERT INTO rooms (id, account_id, name, created_at, active_at)
SELECT gen_random_uuid(), accounts.id, 'Room', now(), now() FROM accounts, generate_series(1, $2) WHERE email = $1
RETURNING id
"""


@dataclass(frozen=True)
class StreamClients:
    """Clients of accounts of the Pro plan in a deployment. Rooms are given as the load generator takes them."""

    deployment: Deployment
    generator: Path
    model: ServedModel

    async def new_rooms(self, count: int) -> list[str]:
        """Of as many accounts as it takes to read all of them at the same time."""
        emails = [f"reader{number}@example.com" for number in range(ceil(count / ROOMS_OF_AN_ACCOUNT))]
        rooms: list[str] = []
        for email in emails:
            most = min(ROOMS_OF_AN_ACCOUNT, count - len(rooms))
            rooms += await self.rooms_of(email, await self._new_rooms_of(email, most))
        return rooms

    async def rooms_of(self, email: str, room_ids: list[UUID]) -> list[str]:
        token = await self.deployment.sign_in(email)
        return [f"{room_id} {token}" for room_id in room_ids]

    async def _new_rooms_of(self, email: str, count: int) -> list[UUID]:
        await self.deployment.sign_in(email)
        async with self.deployment.database() as connection:
            await connection.execute(PRO, email)
            return [row["id"] for row in await connection.fetch(NEW_ROOMS, email, count)]

    async def read_sequentially(self, rooms: list[str], times: int = SEQUENTIAL_REPLIES) -> dict[str, Any]:
        return await self._chat(rooms, body=message(1), replies=times, deltas=1)

    async def read_in_parallel(self, rooms: list[str], seconds: float, deltas: int = DELTAS) -> dict[str, Any]:
        figures = await self._chat(rooms, body=message(deltas), clients=CLIENTS, seconds=seconds, deltas=deltas)
        return figures | {"per_second": figures["finished_in_time"] / figures["seconds"]}

    async def stream(self, rooms: list[str], patience: int = STREAMING_SECONDS) -> dict[str, Any]:
        """One reply in each of the rooms at the same time, and the processes' use of the machine meanwhile."""
        await self.wait_until_idle()
        async with sampled(await processes_of(self.deployment) | {"model": self.model.pid}) as usage:
            figures = await self._chat(
                rooms,
                body=message(STREAMED_DELTAS, every_ms=EVERY_MS),
                clients=len(rooms),
                replies=len(rooms),
                deltas=STREAMED_DELTAS,
                ramp_ms=RAMP_MS,
                patience=patience,
                may_fail=True,
            )
        ramp = RAMP_MS // 1_000 + 2
        used = usage.cpu_percent(without_first=ramp, without_last=ramp)
        used["client"] = round(100 * figures["cpu_seconds"] / figures["seconds"], 1)
        return figures | {"cpu_percent": used, "api_mb": round(usage.max_mb["api"], 1)}

    async def overload(self, rooms: list[str], body: str, seconds: float) -> dict[str, Any]:
        """One client for each room, without pauses; a client that is refused ends."""
        return await self._chat(
            rooms,
            body=body,
            clients=len(rooms),
            seconds=seconds,
            deltas=DELTAS,
            patience=STREAMING_SECONDS,
            may_fail=True,
        )

    async def wait_until_idle(self) -> None:
        async with self.deployment.database() as connection, asyncio.timeout(SETTLE_SECONDS):
            while await connection.fetchval(UNFINISHED):  # noqa: ASYNC110 - the database sends no event
                await asyncio.sleep(1)

    async def _chat(self, rooms: list[str], **options: Any) -> dict[str, Any]:
        return await chat(self.generator, self.deployment.api, rooms, **options)


@asynccontextmanager
async def running_stream_clients(folder: Path, generator: Path) -> AsyncIterator[StreamClients]:
    """Warmed up. Serves the compiled model and, as the default, the built-in one without pauses."""
    async with (
        model(generator) as served,
        running_deployment(
            folder,
            OPENAI_BASE_URL=served.url,
            OPENAI_API_KEY="any",
            OPENAI_MODELS="compiled",
            DEFAULT_MODEL="offline/echo",
            OFFLINE_DELAY_SECONDS="0",
        ) as deployment,
    ):
        clients = StreamClients(deployment, generator, served)
        await clients.read_sequentially(await clients.new_rooms(SEQUENTIAL_REPLIES))
        yield clients
