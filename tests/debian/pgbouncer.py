"""A real PgBouncer in transaction mode, from the system's package."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from tests.e2e.process import free_port
from tests.servers.postgres_server import UNPRIVILEGED

PATIENCE = 30.0
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={postgres} user=parley
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
"""


@dataclass
class PgBouncer:
    """After `kill` it may `start` again on the same port."""

    folder: Path
    postgres: int
    size: int
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        file = self.folder / "pgbouncer.ini"
        file.write_text(CONFIGURATION.format(postgres=self.postgres, port=self.port, size=self.size))
        file.chmod(0o644)
        account = {"user": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
        path = os.environ["PATH"] + ":/usr/sbin"
        self.process = await asyncio.create_subprocess_exec(
            "pgbouncer", "--quiet", str(file), env={"PATH": path}, stdin=asyncio.subprocess.DEVNULL, **account
        )
        async with asyncio.timeout(PATIENCE):
            while not await self._listens():
                assert self.process.returncode is None, "PgBouncer ended"
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End the process, and every connection through it."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    def url_of(self, database_url: str, **parameters: str) -> str:
        """The address of a database of the server behind it."""
        url = make_url(database_url).set(port=self.port).update_query_dict(parameters)
        return url.render_as_string(hide_password=False)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def pgbouncer(postgres: int, *, size: int = 20) -> AsyncGenerator[PgBouncer, None]:
    """In front of the PostgreSQL on that port, with at most `size` connections to each database."""
    folder = Path(tempfile.mkdtemp(prefix="parley-pgbouncer-"))
    folder.chmod(0o755)
    running = PgBouncer(folder, postgres, size)
    try:
        await running.start()
        yield running
    finally:
        if running.process is not None and running.process.returncode is None:
            await running.kill()
        shutil.rmtree(folder, ignore_errors=True)
