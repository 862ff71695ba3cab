"""docs/from-laptop.md, followed with the system's PostgreSQL, PgBouncer, Redis and nginx to a streamed reply."""

import asyncio
import configparser
import os
import re
import shlex
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from tests.container.image import REPOSITORY
from tests.debian.nginx import NAME, documented, nginx
from tests.debian.postgresql import debian_postgres
from tests.debian.through_nginx import ByName, streamed_reply
from tests.e2e.process import free_port, new_room, served, sign_in
from tests.faults.cluster import becomes
from tests.servers.postgres_server import UNPRIVILEGED

PAGE = (REPOSITORY / "docs" / "from-laptop.md").read_text()
SECRETS = {"PASSWORD": "a-password-of-the-tests", "SECRET": "a-secret-that-only-these-tests-know-0123456789"}
PATIENCE = 60.0
ROOM = "Plans of the laptop"


def step(name: str) -> str:
    [block] = re.findall(rf"<!-- step: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return re.sub(r"\b(PASSWORD|SECRET)\b(?! ')", lambda found: SECRETS[found[1]], str(block))


def on(ports: Mapping[str, int], text: str) -> str:
    return re.sub(rf"\b({'|'.join(ports)})\b", lambda found: str(ports[found[1]]), text)


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, strict=True)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(step(name))
    return parsed


@pytest.mark.parametrize("name", ["api", "worker"])
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"parley-{name}@.service"
    file.write_text(step(name).replace("/opt/parley/.venv/bin", str(Path(sys.executable).parent)))
    found = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    # It tells of units of this machine too.
    assert [line for line in found.stderr.splitlines() if "parley" in line] == []


async def test_a_reply_streams_through_everything(tmp_path: Path) -> None:
    names = ("443", "80", "5432", "6379", "6432", "8000", "8001")
    ports = {name: free_port() for name in names}
    ca, tls = trustme.CA(), ssl.create_default_context()
    ca.configure_trust(tls)
    async with AsyncExitStack() as stack:
        laptop = await on_a_laptop(tmp_path)
        postgres = stack.enter_context(debian_postgres())
        ports["5432"] = postgres.port
        postgres.run(step("database"))
        stack.enter_context(redis(ports["6379"], tmp_path))
        stack.enter_context(pooler(ports, postgres.folder))
        settings = on(ports, step("settings")).replace(f"https://{NAME}", f"https://{NAME}:{ports['443']}")
        (tmp_path / ".env").write_text(settings)
        for name in ("data", "tables"):
            here = on(ports, step(name)).replace(".venv/bin", str(Path(sys.executable).parent))
            command = ["sh", "-eu", "-c", here]
            await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, env=_environment(), check=True)
        for name, instances in (("api", ("8000", "8001")), ("worker", ("1", "2"))):
            for instance in instances:
                await stack.enter_async_context(service(name, on(ports, instance), tmp_path))
        for port in ("8000", "8001"):
            await becomes(lambda port=port: _ready(ports[port]), within=PATIENCE)
        configuration = documented()
        await stack.enter_async_context(nginx(configuration, {int(name): ports[name] for name in names}, ca))
        public = f"https://{NAME}:{ports['443']}"
        client = httpx.AsyncClient(transport=ByName(verify=tls), base_url=public, timeout=PATIENCE)
        await stack.enter_async_context(client)
        assert (await client.get("chatroom", headers={"Authorization": laptop})).json()["items"][0]["name"] == ROOM
        for number in range(4):
            # Each over another API process, since nginx takes turns.
            reply = await streamed_reply(client, f"person{number}@example.com")
            assert reply["status"] == "completed"


async def on_a_laptop(folder: Path) -> str:
    """One process with a SQLite file and a room; returns what its owner is signed in with."""
    async with served(folder, JWT_SECRET=SECRETS["SECRET"]) as api:
        client = await sign_in(api.address, "mira@example.com")
        await new_room(client, name=ROOM)
        await client.aclose()
        return str(client.headers["Authorization"])


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "ALLOW_SHOWN_CODES": "1", "OFFLINE_DELAY_SECONDS": "0.05"}


@asynccontextmanager
async def service(name: str, instance: str, folder: Path) -> AsyncGenerator[None, None]:
    """Runs the unit's command as systemd would, and ends it within the unit's time."""
    about = unit(name)["Service"]
    command = (
        about["ExecStart"].replace("%i", instance).replace("/opt/parley/.venv/bin", str(Path(sys.executable).parent))
    )
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command), cwd=folder, env=_environment(), start_new_session=True
    )
    try:
        yield
        assert process.returncode is None, name
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(float(about["TimeoutStopSec"])):
            assert await process.wait() in {0, -signal.SIGTERM}
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@contextmanager
def redis(port: int, folder: Path) -> Iterator[None]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with _running(command):
        yield


@contextmanager
def pooler(ports: Mapping[str, int], folder: Path) -> Iterator[None]:
    """`folder` can be entered by the user that PgBouncer runs as."""
    below = folder / "pgbouncer"
    below.mkdir(mode=0o755)
    (below / "userlist.txt").write_text(f'"parley" "{SECRETS["PASSWORD"]}"\n')
    configuration = on(ports, step("pooler")).replace("/etc/pgbouncer", str(below))
    # Debian's own file has a folder for a socket, which only its user may write to.
    (below / "pgbouncer.ini").write_text(configuration + "unix_socket_dir =\n")
    account = {"user": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
    with _running(["/usr/sbin/pgbouncer", "--quiet", str(below / "pgbouncer.ini")], **account):
        yield


@contextmanager
def _running(command: list[str], **account: object) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **account)  # type: ignore[call-overload]
    try:
        yield
    finally:
        process.kill()
        process.wait()
