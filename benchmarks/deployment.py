"""parley in scale-out mode on this machine, as in production: PostgreSQL that writes to disk, Redis, one API process
and one `taskiq worker` with one child process.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx

from tests.e2e.process import PATIENCE, Served, environment, run_parley, sign_in
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer

SETTINGS = {
    "LOG_LEVEL": "WARNING",
    # A token must live as long as the run.
    "ACCESS_TOKEN_EXPIRE_MINUTES": "600",
    "OTP_MAX_SENDS_PER_HOUR": "1000000",
    # Measures accepted messages, not refusals.
    "MAX_PENDING_REPLIES": "1000000",
}


@dataclass
class TaskiqWorker:
    """A parent process that supervises one child, which takes the tasks."""

    folder: Path
    settings: dict[str, str]
    tasks: int
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "taskiq", "worker", "parley.worker:broker", "--workers", "1"),
                *("--no-configure-logging", "--max-async-tasks", str(self.tasks)),
                cwd=self.folder,
                env=environment(self.settings),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        async with asyncio.timeout(PATIENCE):
            while "Listening started" not in self.log.read_text():
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)

    @property
    def log(self) -> Path:
        return self.folder / "worker.txt"

    @property
    def child(self) -> int:
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[-1])

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()


@dataclass(eq=False)
class Deployment:
    """`settings` are those of every process. Without a worker there is no `worker_pid`."""

    folder: Path
    settings: dict[str, str]
    served: Served
    worker: TaskiqWorker | None = None
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        return self.settings["DATABASE_URL"]

    @property
    def redis_url(self) -> str:
        return self.settings["REDIS_URL"]

    @property
    def api(self) -> str:
        return self.served.address

    @property
    def api_pid(self) -> int:
        assert self.served.process is not None
        return self.served.process.pid

    @property
    def worker_pid(self) -> int:
        """The id of the process that takes tasks."""
        assert self.worker is not None
        return self.worker.child

    async def sign_in(self, email: str) -> str:
        """An access token. Creates the account on the first call."""
        if email not in self._tokens:
            client = await sign_in(self.api, email)
            await client.aclose()
            self._tokens[email] = client.headers["Authorization"].removeprefix("Bearer ")
        return self._tokens[email]

    async def pro(self, email: str) -> str:
        """The same, and puts the account on the Pro plan, which has no daily limit."""
        token = await self.sign_in(email)
        code, _, err = await run_parley(self.folder, "plan", email, "pro", **self.settings)
        assert code == 0, err
        return token

    @asynccontextmanager
    async def client(self, email: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client for preparations, not for measurements."""
        bearer = {"Authorization": f"Bearer {await self.sign_in(email)}"}
        async with httpx.AsyncClient(base_url=self.api, headers=bearer, timeout=PATIENCE) as client:
            yield client

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def running_deployment(
    folder: Path, *, workers: int = 1, tasks: int = 2_000, **settings: str
) -> AsyncIterator[Deployment]:
    """`settings` are parley's, by name. `workers` is 0 or 1; `tasks` is how many a worker runs at the same time."""
    async with AsyncExitStack() as stack:
        postgres = await asyncio.to_thread(PostgresServer, durable=True)
        stack.callback(postgres.remove)
        await asyncio.to_thread(postgres.start)
        redis = await asyncio.to_thread(RedisServer)
        stack.callback(redis.stop)
        await asyncio.to_thread(redis.start)
        chosen = SETTINGS | {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url} | settings
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        code, _, err = await run_parley(folder, "migrate", **chosen)
        assert code == 0, err
        deployment = Deployment(folder, chosen, Served(folder, chosen))
        stack.push_async_callback(_end, deployment.served)
        await deployment.served.start()
        if workers:
            deployment.worker = TaskiqWorker(folder, chosen, tasks)
            stack.push_async_callback(deployment.worker.end)
            await deployment.worker.start()
        yield deployment


async def _end(served: Served) -> None:
    if served.process is not None and served.process.returncode is None:
        await served.kill()
