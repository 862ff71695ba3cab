"""WebSockets of one API process: how much memory and processor time those take that nothing happens on."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.deployment import Deployment, running_deployment
from benchmarks.measurement import NOTHING, Goal, Measurement
from benchmarks.processes import cpu_seconds, resident_mb
from benchmarks.rounds import Effort
from tests.e2e.process import new_room, say

EMAIL = "reader@example.com"
SOCKETS, ROOMS = 1_000, 20
# Connections that are opened at the same time.
AT_ONCE = 50
IDLE_SECONDS = 20.0
PATIENCE = 60.0


async def measure(folder: Path, effort: Effort) -> list[Measurement]:
    rounds = [await _round(folder / str(number), effort) for number in range(min(effort.rounds, 2))]
    kilobytes, percent, worst = (median(each[name] for each in rounds) for name in ("kilobytes", "percent", "spread"))
    return [
        Measurement(
            "sockets-memory",
            f"resident memory of the API for each of {SOCKETS:,} idle WebSockets, in {ROOMS} rooms",
            NOTHING,
            Goal(at_most=80.0, unit="KB"),
            kilobytes,
            f"{kilobytes:.0f} KB, {percent:.1f} % of a core; a message to the {SOCKETS // ROOMS} of its room within "
            f"{worst * 1_000:.0f} ms of its 202",
            rounds,
        )
    ]


async def _round(folder: Path, effort: Effort) -> dict[str, Any]:
    async with running_deployment(folder, workers=0, MAX_OPEN_STREAMS=str(SOCKETS * 2)) as deployment:
        await deployment.pro(EMAIL)
        async with deployment.client(EMAIL) as client:
            rooms = [await new_room(client) for _ in range(ROOMS)]
            async with AsyncExitStack() as warming:
                # What the first ones load is not theirs.
                await _opened(deployment, rooms, AT_ONCE, warming)
            await asyncio.sleep(1)
            before = resident_mb(deployment.api_pid)
            async with AsyncExitStack() as stack:
                sockets = await _opened(deployment, rooms, SOCKETS, stack)
                await asyncio.sleep(1)
                kilobytes = (resident_mb(deployment.api_pid) - before) * 1_024 / SOCKETS
                spent, began = cpu_seconds(deployment.api_pid), time.monotonic()
                await asyncio.sleep(min(IDLE_SECONDS, effort.seconds * 4))
                percent = 100 * (cpu_seconds(deployment.api_pid) - spent) / (time.monotonic() - began)
                await say(client, rooms[0], "Hello")
                accepted_at = time.monotonic()
                async with asyncio.timeout(PATIENCE):
                    await asyncio.gather(*(_accepted(socket) for socket in sockets[::ROOMS]))
                spread = time.monotonic() - accepted_at
    return {"kilobytes": kilobytes, "percent": percent, "spread": spread}


async def _opened(
    deployment: Deployment, rooms: list[str], number: int, stack: AsyncExitStack
) -> list[ClientConnection]:
    """So many, in turn of each room, which are ready."""
    token = await deployment.sign_in(EMAIL)
    places = asyncio.Semaphore(AT_ONCE)

    async def opened(room: str) -> ClientConnection:
        async with places:
            address = f"{deployment.api.replace('http', 'ws')}/chatroom/{room}/socket"
            socket = await connect(address, compression=None, open_timeout=PATIENCE, ping_interval=None)
            await socket.send(json.dumps({"type": "auth", "token": token}))
            assert json.loads(await socket.recv())["type"] == "ready"
            return socket

    sockets = await asyncio.gather(*(opened(rooms[index % len(rooms)]) for index in range(number)))
    for socket in sockets:
        stack.push_async_callback(socket.close)
    return sockets


async def _accepted(socket: ClientConnection) -> None:
    while json.loads(await socket.recv())["type"] != "accepted":
        pass
