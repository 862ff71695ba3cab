"""An account with rooms full of messages, and requests for them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import httpx

from benchmarks import sample_data, wrk
from benchmarks.deployment import Deployment
from benchmarks.rounds import LoadRun

CONNECTIONS = 32


@dataclass(frozen=True)
class FilledAccount:
    """`rooms` are sorted by activity, latest first."""

    deployment: Deployment
    email: str
    rooms: list[UUID]

    async def load_of(self, path: str, headers: dict[str, str] | None = None) -> LoadRun:
        """A load of one GET request, repeated over CONNECTIONS connections."""
        bearer = {"Authorization": f"Bearer {await self.deployment.sign_in(self.email)}"}
        address = self.deployment.api + path
        return partial(wrk.get, address, bearer | (headers or {}), connections=CONNECTIONS)

    async def answer(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async with self.deployment.client(self.email) as client:
            return await client.get(path, headers=headers)

    async def body(self, path: str) -> Path:
        """A file with the current response body."""
        found = await self.answer(path)
        assert found.status_code == 200, found.text
        file = self.deployment.folder / "body.json"
        file.write_bytes(found.content)
        return file


async def filled_small_account(deployment: Deployment) -> FilledAccount:
    return FilledAccount(
        deployment,
        "small@example.com",
        await sample_data.fill(deployment, "small@example.com", rooms=20, messages=2_000),
    )


async def filled_large_account(deployment: Deployment) -> FilledAccount:
    return FilledAccount(deployment, sample_data.EMAIL, await sample_data.fill(deployment))
