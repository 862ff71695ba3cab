"""An account with rooms full of messages, and how to ask for them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import httpx

from benchmarks import big, wrk
from benchmarks.rounds import Measure
from benchmarks.town import Town

CONNECTIONS = 32


@dataclass(frozen=True)
class Place:
    """`rooms` are those with the latest activity, first."""

    town: Town
    email: str
    rooms: list[UUID]

    async def asks(self, path: str, headers: dict[str, str] | None = None) -> Measure:
        """Load of that one GET request."""
        bearer = {"Authorization": f"Bearer {await self.town.sign_in(self.email)}"}
        address = self.town.api + path
        return partial(wrk.get, address, bearer | (headers or {}), connections=CONNECTIONS)

    async def answer(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async with self.town.client(self.email) as client:
            return await client.get(path, headers=headers)

    async def body(self, path: str) -> Path:
        """A file with what is answered now."""
        found = await self.answer(path)
        assert found.status_code == 200, found.text
        file = self.town.folder / "body.json"
        file.write_bytes(found.content)
        return file


async def small_place(town: Town) -> Place:
    return Place(town, "small@example.com", await big.fill(town, "small@example.com", rooms=20, messages=2_000))


async def big_place(town: Town) -> Place:
    return Place(town, big.EMAIL, await big.fill(town))
