"""The system's PostgreSQL, empty and with passwords, and a `sudo` that its documented commands can use."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.process import free_port
from tests.servers.postgres_server import UNPRIVILEGED


@dataclass
class DebianPostgres:
    folder: Path
    port: int

    def run(self, script: str) -> None:
        """Run a documented script, in which `sudo -u postgres` is the owner of this server."""
        sudo = self.folder / "bin" / "sudo"
        sudo.parent.mkdir()
        sudo.write_text('#!/bin/sh\n[ "$1 $2" = "-u postgres" ] || exit 1\nshift 2\nexec "$@"\n')
        sudo.chmod(0o755)
        where = {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        path = {"PATH": f"{sudo.parent}:/usr/bin:/bin"}
        subprocess.run(["sh", "-eu", "-c", script], env=where | path, check=True)


@contextmanager
def debian_postgres() -> Generator[DebianPostgres, None, None]:
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = Path(tempfile.mkdtemp(prefix="parley-debian-postgres-"))
    folder.chmod(0o755)
    account = {"user": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
    if account:
        shutil.chown(folder, UNPRIVILEGED)

    def run(program: str, *arguments: str | Path) -> None:
        # A pipe would stay open for as long as the server that pg_ctl leaves behind.
        command = [binaries / program, "--pgdata", folder / "data", *arguments]
        subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, **account)

    server = DebianPostgres(folder, free_port())
    options = f"-p {server.port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run("initdb", "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
        run("pg_ctl", "--wait", "--log", folder / "log", "--options", options, "start")
        try:
            yield server
        finally:
            run("pg_ctl", "--wait", "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
