"""A complete deployment on this machine: real PostgreSQL and Redis, API processes, workers and a scripted model."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.process import PATIENCE, Served, environment, model_server, sign_in
from tests.faults.durable_postgres import durable_postgres, new_database
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy

LEASE_SECONDS = 2


@dataclass
class Worker:
    """A `taskiq worker` with one child process, in its own process group."""

    folder: Path
    settings: dict[str, str]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.folder / "worker.txt").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "taskiq",
                "worker",
                "parley.worker:broker",
                # The parent process runs nothing of parley and would log in another format.
                "--no-configure-logging",
                "--workers",
                "1",
                "--max-async-tasks",
                "300",
                cwd=self.folder,
                env=environment(self.settings),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    async def ended(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.signal(signal.SIGKILL)
            await self.ended()

    def child(self) -> int:
        """The id of the process that takes tasks; its parent only supervises it."""
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[-1])

    def log(self) -> str:
        return (self.folder / "worker.txt").read_text()


@dataclass
class Cluster:
    """`postgres`, `redis` and each of `apis` and `workers` may be killed and started again."""

    postgres: PostgresServer
    redis: RedisServer
    proxy: TcpProxy
    apis: list[Served]
    workers: list[Worker]
    settings: dict[str, str]
    client: httpx.AsyncClient = field(init=False)
    clients: list[httpx.AsyncClient] = field(init=False)

    def any_api(self) -> str:
        """The address of an API process, a different one each time."""
        return self.apis[next(_turns) % len(self.apis)].address

    def client_of(self, api: int) -> httpx.AsyncClient:
        """The account's client for one API process."""
        return self.clients[api]

    async def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return await self.client.request(method, self.any_api() + path, **arguments)


_turns = itertools.count()


@asynccontextmanager
async def cluster(
    folder: Path,
    *,
    apis: int = 2,
    workers: int = 2,
    through_proxy: bool = False,
    redis_rights: Sequence[str] = (),
    **settings: str,
) -> AsyncIterator[Cluster]:
    """Everything running and an account signed in, whose token the clients send. The database is a new one.

    parley uses Redis as a user that has `redis_rights`, if they are given.
    """
    async with AsyncExitStack() as stack:
        redis, redis_url = _redis(redis_rights)
        stack.callback(redis.stop)
        await asyncio.to_thread(redis.start)
        proxy = await stack.enter_async_context(TcpProxy(redis.port).running())
        model = await stack.enter_async_context(model_server("--delay", "0.01"))
        chosen = {
            "DATABASE_URL": await new_database(),
            "REDIS_URL": proxy.url if through_proxy else redis_url,
            "OPENAI_BASE_URL": f"{model}/v1",
            "OPENAI_MODELS": "scripted",
            "REPLY_LEASE_SECONDS": str(LEASE_SECONDS),
            "BASIC_DAILY_LIMIT": "100000",
            "MAX_PENDING_REPLIES": "10000",
            "OTP_MAX_SENDS_PER_HOUR": "1000",
        } | settings
        running = Cluster(
            durable_postgres(),
            redis,
            proxy,
            [Served(_made(folder / f"api{number}"), chosen) for number in range(apis)],
            [Worker(_made(folder / f"worker{number}"), chosen) for number in range(workers)],
            chosen,
        )
        for api in running.apis:
            stack.push_async_callback(_end, api)
        for worker in running.workers:
            stack.push_async_callback(worker.kill)
        await asyncio.gather(*(api.start() for api in running.apis), *(worker.start() for worker in running.workers))
        await becomes(lambda: all("Listening started" in worker.log() for worker in running.workers))
        running.client = await sign_in(running.apis[0].address)
        stack.push_async_callback(running.client.aclose)
        running.clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=api.address, headers=running.client.headers, timeout=PATIENCE)
            )
            for api in running.apis
        ]
        yield running


async def becomes(condition: Callable[[], bool], *, within: float = PATIENCE) -> None:
    """Wait until the condition is true; TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


async def _end(api: Served) -> None:
    if api.process is not None and api.process.returncode is None:
        await api.kill()


def _redis(rights: Sequence[str]) -> tuple[RedisServer, str]:
    """A server that has not started yet, and its URL for parley, whose user has the rights after every start."""
    if not rights:
        redis = RedisServer()
        return redis, redis.url
    redis = RedisServer("--user", "parley", "on", ">parley", *rights)
    return redis, redis.url.replace("//", "//parley:parley@")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
