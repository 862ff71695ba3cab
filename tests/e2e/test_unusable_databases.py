"""Every start refuses a database that parley cannot use: one line that names DATABASE_URL, and nothing is written."""

import asyncio
import ctypes
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from parley.adapters.sql.engine.tables import REVISION
from parley.bootstrap import bootstrap
from parley.bootstrap.database import check_database
from parley.bootstrap.processes import api_process
from parley.cli.admin import migrate_database
from parley.cli.check import check_everything
from parley.runtime.sqlite_file_lock import lock_sqlite_file
from parley.settings import Settings, SettingsError, read_settings
from tests.contracts.postgres_fixtures import empty_database, run_sql
from tests.e2e.process import PATIENCE, SECRET, environment, free_port, parley, run_parley, run_to_end, served
from tests.faults.cluster import Worker, becomes

# Linux: prctl's option that takes a capability from a process and its children, and root's capability to write
# files whose mode forbids it.
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def database(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def other_application(file: Path) -> None:
    database(file, "CREATE TABLE users (id INTEGER)")


def other_application_with_wal(file: Path) -> None:
    database(file, "PRAGMA journal_mode = WAL", "CREATE TABLE users (id INTEGER)")


def other_alembic(file: Path) -> None:
    database(file, "CREATE TABLE alembic_version (version_num)", f"INSERT INTO alembic_version VALUES ('{REVISION}')")


def text(file: Path) -> None:
    file.write_text("Dear diary,\n" * 100)


def folder(file: Path) -> None:
    file.mkdir()


def damaged(file: Path) -> None:
    database(file, "CREATE TABLE rooms (id INTEGER)")
    content = bytearray(file.read_bytes())
    # Behind the header of the file, the page with the names of the tables.
    content[100:200] = b"x" * 100
    file.write_bytes(content)


async def assert_refused(folder: Path, reason: str, **settings: str) -> None:
    check, *others = await asyncio.gather(
        *(run_parley(folder, command, **settings) for command in ("check", "run", "migrate"))
    )
    for ended in others:
        assert_one_line(ended, reason)
    code, out, err = check
    assert (code, err) == (1, "")
    [line] = [line for line in out.splitlines() if "DATABASE_URL: " in line and line.startswith("WRONG")]
    assert reason in line


def settings_for(file: Path) -> Settings:
    return read_settings({"DATABASE_URL": f"sqlite:///{file}", "JWT_SECRET": SECRET})


async def assert_refused_here(folder: Path, reason: str, file: str) -> None:
    """As `assert_refused`, by what the commands call: a process of each takes a second."""
    settings = settings_for(folder / file)
    for start in (check_database, serve_once, migrate_database):
        with pytest.raises(SettingsError, match=f"^DATABASE_URL: .*{reason}"):
            await start(settings)
    [finding] = [each for each in await check_everything(settings) if each.subject == "DATABASE_URL"]
    assert not finding.ok
    assert reason in finding.detail


async def serve_once(settings: Settings) -> None:
    async with api_process(bootstrap(settings)):
        pass


def assert_one_line(ended: tuple[int, str, str], reason: str) -> None:
    code, out, err = ended
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("parley: DATABASE_URL: ")
    assert reason in line


async def run_another_server(folder: Path, **settings: str) -> tuple[int, str, str]:
    command = (sys.executable, "-m", "uvicorn", "parley.asgi:app", "--port", str(free_port()))
    return await run_to_end(folder, *command, **settings)


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (other_application_with_wal, "another application"),
        (other_alembic, "another application"),
        (text, "is not a SQLite database"),
        (damaged, "is damaged"),
        (folder, "is a folder"),
    ],
)
async def test_a_file_that_is_not_parleys_is_refused(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(tmp_path / "other.db")
    before = contents(tmp_path)
    await assert_refused_here(tmp_path, reason, "other.db")
    assert contents(tmp_path) == before


async def test_every_command_refuses_a_file_of_another_application(tmp_path: Path) -> None:
    other_application(tmp_path / "other.db")
    before = contents(tmp_path)
    await assert_refused(tmp_path, "another application", DATABASE_URL="sqlite:///other.db")
    assert contents(tmp_path) == before


async def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    await assert_refused_here(tmp_path, "folder does not exist", "missing/parley.db")
    assert contents(tmp_path) == {}


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    await migrate_database(settings_for(tmp_path / "parley.db"))
    newer = f"{int(REVISION) + 1:04}"
    database(
        tmp_path / "parley.db",
        f"UPDATE alembic_version SET version_num = '{newer}'",
        f"UPDATE schema_compatibility SET oldest_revision = '{newer}'",
    )
    await assert_refused(tmp_path, "newer version")
    assert_one_line(await run_another_server(tmp_path), "newer version")


async def test_a_newer_schema_that_this_version_works_with_is_served(tmp_path: Path) -> None:
    await migrate_database(settings_for(tmp_path / "parley.db"))
    database(tmp_path / "parley.db", f"UPDATE alembic_version SET version_num = '{int(REVISION) + 1:04}'")
    for command in ("migrate", "check"):
        code, out, _ = await run_parley(tmp_path, command)
        assert (code, "newer version" in out) == (0, True)
    assert "0 wait to be processed" in out
    async with served(tmp_path) as server:
        pass
    assert "schema_is_newer" in server.log()


async def test_a_read_only_file_is_refused(tmp_path: Path) -> None:
    await migrate_database(settings_for(tmp_path / "parley.db"))
    (tmp_path / "parley.db").chmod(0o444)
    for command in ("run", "migrate", "check"):
        process = await asyncio.create_subprocess_exec(
            *parley(command),
            cwd=tmp_path,
            env=environment({}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            **held_to_file_modes(),
        )
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
        assert process.returncode == (1 if command == "check" else 2)
        lines = (line for line in out.decode().splitlines() if not line.startswith(("ok ", "unwise ")))
        [line] = [line for line in lines if "webhooks" not in line]
        assert "DATABASE_URL: " in line
        assert "is read-only" in line


def held_to_file_modes() -> dict[str, Any]:
    """Arguments for a subprocess that may not write what its mode forbids, even when it runs as root."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return {}
    drop = ctypes.CDLL(None).prctl
    return {"preexec_fn": lambda: drop(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)}


async def test_another_applications_schema_in_postgresql_is_refused(tmp_path: Path) -> None:
    with empty_database() as url:
        run_sql(url, "CREATE TABLE users (id INTEGER)")
        await assert_refused(tmp_path, "another application", DATABASE_URL=url)
        assert_one_line(await run_another_server(tmp_path, DATABASE_URL=url), "another application")


async def test_another_server_refuses_a_damaged_file(tmp_path: Path) -> None:
    damaged(tmp_path / "other.db")
    before = contents(tmp_path)
    assert_one_line(await run_another_server(tmp_path, DATABASE_URL="sqlite:///other.db"), "is damaged")
    assert contents(tmp_path) == before


@asynccontextmanager
async def waiting_worker(folder: Path, url: str, reason: str) -> AsyncIterator[Worker]:
    """A worker that waits for that reason and has said so."""
    worker = Worker(folder, {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1", "LOG_FORMAT": "json"})
    await worker.start()
    try:
        await becomes(lambda: reason in worker.log())
        yield worker
    finally:
        await worker.kill()


def lines_of(worker: Worker, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, worker.log().splitlines()) if line["event"] == event]


async def test_a_worker_says_once_that_a_database_is_another_applications_and_waits(tmp_path: Path) -> None:
    with empty_database() as url:
        run_sql(url, "CREATE TABLE users (id INTEGER)")
        async with waiting_worker(tmp_path, url, "has tables of another application") as worker:
            [line] = lines_of(worker, "waiting")
            assert line["reason"].startswith("DATABASE_URL: ")
            worker.signal(signal.SIGTERM)
            assert await worker.ended() == 0
    assert "Traceback" not in worker.log()


async def test_a_worker_begins_when_the_database_has_been_migrated(tmp_path: Path) -> None:
    with empty_database() as url:
        async with waiting_worker(tmp_path, url, "has no tables yet") as worker:
            assert (await run_parley(tmp_path, "migrate", DATABASE_URL=url))[0] == 0
            await becomes(lambda: "waiting_ended" in worker.log())
            assert len(lines_of(worker, "waiting")) == 1


async def test_migrate_is_refused_while_a_server_runs(tmp_path: Path) -> None:
    async with served(tmp_path):
        code, _, err = await run_parley(tmp_path, "migrate")
        assert (code, len(err.splitlines())) == (2, 1)
        assert "another «parley run»" in err
        assert (await run_parley(tmp_path, "check"))[0] == 0


async def test_a_server_takes_the_lock_before_it_migrates(tmp_path: Path) -> None:
    file = tmp_path / "parley.db"
    settings = settings_for(file)
    with lock_sqlite_file(file), pytest.raises(SettingsError, match="another «parley run»"):
        await serve_once(settings)
    assert not file.exists()


async def test_check_makes_no_file(tmp_path: Path) -> None:
    code, out, _ = await run_parley(tmp_path, "check")
    assert (code, "at the next start" in out) == (0, True)
    assert not (tmp_path / "parley.db").exists()


async def test_plan_migrates_nothing(tmp_path: Path) -> None:
    code, _, err = await run_parley(tmp_path, "plan", "mira@example.com", "pro")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "parley migrate" in err
    assert not (tmp_path / "parley.db").exists()
