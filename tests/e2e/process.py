"""parley and the scripted model as separate processes, and a client for them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from tests.servers.redis_server import free_port

SECRET = "only for tests but long enough to sign"
PATIENCE = 60.0


@dataclass
class Served:
    """A `parley run` in its own folder. `start` it again after a `kill`."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    workers: int = 1
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Self:
        with (self.folder / "stderr.txt").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *parley("run", "--port", str(self.port), "--workers", str(self.workers)),
                cwd=self.folder,
                env=environment(self.settings),
                stderr=log,
            )
        await answers(f"{self.address}/health/ready", self.process)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()

    def log(self) -> str:
        return (self.folder / "stderr.txt").read_text()


@asynccontextmanager
async def served(folder: Path, **settings: str) -> AsyncIterator[Served]:
    running = Served(folder, settings)
    try:
        yield await running.start()
    finally:
        if running.process is not None and running.process.returncode is None:
            await running.kill()


@asynccontextmanager
async def model_server(*arguments: str) -> AsyncIterator[str]:
    """Run the scripted model; yields its address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.servers.model_server",
        "--port",
        str(port),
        *arguments,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await answers(f"http://127.0.0.1:{port}/_requests", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def answers(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
        while True:
            assert process.returncode is None, "the process ended before it answered"
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.02)


def parley(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from parley.cli.commands import main; main()", *arguments]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "PYTHONPATH"}}
    unlimited = {"AUTH_REQUESTS_PER_MINUTE": "0", "ACCOUNT_REQUESTS_PER_MINUTE": "0", "OTP_RESEND_SECONDS": "0"}
    return {**inherited, "JWT_SECRET": SECRET, **unlimited, **settings}


async def run_parley(folder: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    return await run_to_end(folder, *parley(*arguments), **settings)


async def run_to_end(folder: Path, *command: str, **settings: str) -> tuple[int, str, str]:
    """Returns the exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def sign_in(address: str, email: str = "mira@example.com") -> httpx.AsyncClient:
    """A client that sends the account's token. The caller closes it."""
    client = httpx.AsyncClient(base_url=address, timeout=PATIENCE, limits=httpx.Limits(max_connections=None))
    code = (await client.post("/auth/send-otp", json={"email": email})).json()["otp"]
    signed_in = await client.post("/auth/verify-otp", json={"email": email, "otp": code})
    client.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
    return client


async def new_room(client: httpx.AsyncClient, **fields: str) -> str:
    made = await client.post("/chatroom", json={"name": "Room", **fields})
    return str(made.json()["id"])


async def say(client: httpx.AsyncClient, room: str, content: str) -> dict[str, Any]:
    accepted = await client.post(f"/chatroom/{room}/message", json={"content": content})
    assert accepted.status_code == 202, accepted.text
    body: dict[str, Any] = accepted.json()
    return body


async def ended(client: httpx.AsyncClient, reply: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for the reply's end; returns the message."""
    address = f"/chatroom/{reply['chatroom_id']}/messages/{reply['id']}"
    async with asyncio.timeout(PATIENCE * 2):
        while True:
            message: dict[str, Any] = (await client.get(address, headers={"Prefer": "wait=10"})).json()
            if message["status"] not in {"pending", "generating"}:
                return message
