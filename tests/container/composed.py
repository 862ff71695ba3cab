"""The processes of compose.yaml, with its commands and variables, on PostgreSQL and Redis of this machine."""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from sqlalchemy import make_url

from tests.container.image import REPOSITORY, Image
from tests.contracts.postgres_fixtures import empty_database
from tests.e2e.process import answers, free_port
from tests.faults.cluster import becomes
from tests.servers.redis_server import RedisServer, redis_binary

PATIENCE = 40.0


def compose() -> dict[str, Any]:
    """The file with the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (REPOSITORY / "compose.yaml").read_text())
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def make_secrets(folder: Path) -> Path:
    """By the command in the documentation."""
    page = (REPOSITORY / "docs" / "containers.md").read_text()
    [command] = re.findall(r"<!-- command: secrets -->\n```sh\n(.*?)```", page, re.DOTALL)
    subprocess.run(["sh", "-euc", command], cwd=folder, check=True)
    return folder / "secrets"


@dataclass
class Composed:
    """`replacements` are words of compose.yaml and what stands for them on this machine."""

    image: Image
    replacements: dict[str, str]
    services: dict[str, Any] = field(default_factory=lambda: compose()["services"])
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.replacements['8000']}"

    def here(self, text: str) -> str:
        return re.sub("|".join(self.replacements), lambda found: self.replacements[found[0]], text)

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        """The words of a service, and its settings."""
        service = self.services[name]
        words = self.image.command(service.get("command"), service.get("entrypoint"))
        settings = {key: self.here(value) for key, value in service["environment"].items()}
        return [self.here(word) for word in words], settings

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[None]:
        command, settings = self.command(name)
        async with self.image.running(command, log=name, **settings) as self.processes[name]:
            yield

    async def is_healthy(self, name: str) -> bool:
        test = self.services[name].get("healthcheck", {}).get("test", ["CMD", *self.image.stage.words("HEALTHCHECK")])
        code, said = await self.image.run([self.here(word) for word in test[1:]])
        assert code in {0, 1}, said
        return code == 0

    async def stop(self, name: str) -> None:
        """With the image's signal, which reaches the first process only, and within the service's grace period."""
        self.processes[name].send_signal(signal.Signals[self.image.stage.one("STOPSIGNAL")])
        async with asyncio.timeout(int(self.services[name]["stop_grace_period"].removesuffix("s"))):
            assert await self.processes[name].wait() in {0, -signal.SIGTERM}


@asynccontextmanager
async def composed(image: Image, secrets: Path) -> AsyncIterator[Composed]:
    """After the migration, with the API and a worker, both ready."""
    async with AsyncExitStack() as stack:
        redis = ComposedRedis(compose()["services"]["redis"]["command"])
        stack.callback(redis.stop)
        mounted = _mount(image, secrets, stack.enter_context(empty_database()))
        replacements = {
            "/run/secrets": str(mounted),
            "redis://redis:6379/0": redis.start().url,
            "8000": str(free_port()),
            "9101": str(free_port()),
        }
        running = Composed(image, replacements)
        command, settings = running.command("migrate")
        code, said = await image.run(command, **settings)
        assert code == 0, said
        for name in ("worker", "api"):
            await stack.enter_async_context(running.running(name))
        await answers(f"{running.address}/health/ready", running.processes["api"])
        await becomes(lambda: "Listening started" in image.log("worker"), within=PATIENCE)
        yield running


class ComposedRedis(RedisServer):
    """A Redis with the options of the service, on another port."""

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        self._options = command[1:]

    def start(self) -> Self:
        here = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder, "--logfile", "redis.log"]
        self._process = subprocess.Popen([redis_binary(), *self._options, *here], stdin=subprocess.DEVNULL)
        self._wait_until_it_answers()
        return self


def _mount(image: Image, secrets: Path, database: str) -> Path:
    """The secrets with their modes, in a folder that other users can enter, as an engine mounts them."""
    mounted = Path(shutil.copytree(secrets, image.folder / "secrets"))
    mounted.chmod(0o755)
    file = mounted / "database_url"
    there, here = make_url(file.read_text().strip()), make_url(database)
    url = there.set(host=here.host, port=here.port, database=here.database, username=here.username)
    file.chmod(0o644)
    file.write_text(url.render_as_string(hide_password=False))
    file.chmod((secrets / "database_url").stat().st_mode)
    return mounted
