"""The processes of compose.yaml, with its commands and variables, on PostgreSQL and Redis of this machine."""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from sqlalchemy import make_url

from tests.container.containerfile import REPOSITORY
from tests.container.image import Image
from tests.contracts.postgres_fixtures import empty_database
from tests.e2e.process import answers, free_port
from tests.faults.cluster import becomes
from tests.servers.redis_server import RedisServer, redis_binary

Service = dict[str, Any]
PATIENCE = 40.0
SECRETS = "/run/secrets"


def compose() -> dict[str, Any]:
    """With the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (REPOSITORY / "compose.yaml").read_text())
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def services() -> dict[str, Service]:
    found: dict[str, Service] = compose()["services"]
    return found


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


@dataclass
class Composed:
    """`ports` are those in the files, and which ones stand for them here."""

    image: Image
    secrets: Path
    redis_url: str
    ports: dict[str, int]
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports['8000']}"

    def here(self, text: str) -> str:
        """A word of compose.yaml with what stands for it on this machine."""
        text = text.replace(SECRETS, str(self.secrets)).replace("redis://redis:6379/0", self.redis_url)
        return re.sub("|".join(self.ports), lambda found: str(self.ports[found[0]]), text)

    def command(self, name: str) -> list[str]:
        service = services()[name]
        return [self.here(word) for word in self.image.command(service.get("command"), service.get("entrypoint"))]

    def settings(self, name: str) -> dict[str, str]:
        return {key: self.here(value) for key, value in services()[name]["environment"].items()}

    async def run(self, name: str) -> None:
        code, said = await self.image.run(self.command(name), **self.settings(name))
        assert code == 0, said

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[None]:
        async with self.image.running(self.command(name), log=name, **self.settings(name)) as process:
            self.processes[name] = process
            yield

    async def ready(self) -> None:
        await answers(f"{self.address}/health/ready", self.processes["api"])
        await becomes(lambda: "Listening started" in self.image.log("worker"), within=PATIENCE)

    async def is_healthy(self, name: str) -> bool:
        kind, *words = services()[name]["healthcheck"]["test"]
        assert kind == "CMD"
        code, said = await self.image.run([self.here(word) for word in words])
        assert code in {0, 1}, said
        return code == 0

    async def leave(self, name: str) -> None:
        """Told as an engine tells it, which reaches the first process alone, it ends before it would be killed."""
        self.processes[name].send_signal(signal.Signals[self.image.stage.one("STOPSIGNAL")])
        async with asyncio.timeout(seconds(services()[name]["stop_grace_period"])):
            assert await self.processes[name].wait() in {0, -signal.SIGTERM}


@asynccontextmanager
async def composed(image: Image, secrets: Path) -> AsyncIterator[Composed]:
    """After the migration, with the API and a worker, both ready."""
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(redis_of(services()["redis"]))
        mounted = _mounted(image, secrets, stack.enter_context(empty_database()))
        running = Composed(image, mounted, redis.url, {"8000": free_port(), "9101": free_port()})
        await running.run("migrate")
        for name in ("worker", "api"):
            await stack.enter_async_context(running.running(name))
        await running.ready()
        yield running


@contextmanager
def redis_of(service: Service) -> Iterator[RedisServer]:
    """A Redis with the options of the service, on another port."""
    redis = ComposedRedis(service["command"][1:])
    try:
        yield redis.start()
    finally:
        redis.stop()


class ComposedRedis(RedisServer):
    def __init__(self, options: list[str]) -> None:
        super().__init__()
        self._options = options

    def start(self) -> Self:
        here = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder, "--logfile", "redis.log"]
        self._process = subprocess.Popen([redis_binary(), *self._options, *here], stdin=subprocess.DEVNULL)
        self._wait_until_it_answers()
        return self


def _mounted(image: Image, secrets: Path, database: str) -> Path:
    """The files with their modes, as an engine mounts them: out of the folder that only its owner enters."""
    mounted = image.folder / "secrets"
    shutil.copytree(secrets, mounted)
    mounted.chmod(0o755)
    there, here = make_url((secrets / "database_url").read_text().strip()), make_url(database)
    url = there.set(host=here.host, port=here.port, database=here.database, username=here.username)
    (mounted / "database_url").chmod(0o644)
    (mounted / "database_url").write_text(url.render_as_string(hide_password=False))
    (mounted / "database_url").chmod((secrets / "database_url").stat().st_mode)
    return mounted
