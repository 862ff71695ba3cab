"""docs/backup-and-upgrade.md: its commands bring back what was there, for SQLite and for the system's PostgreSQL."""

import re
import subprocess
from pathlib import Path

import httpx

from tests.container.image import REPOSITORY
from tests.debian.postgresql import debian_postgres
from tests.e2e.process import new_room, run_parley, served, sign_in

PAGE = (REPOSITORY / "docs" / "backup-and-upgrade.md").read_text()
ROLE = """
sudo -u postgres psql --quiet -c "CREATE ROLE parley LOGIN PASSWORD 'secret'" -c "CREATE DATABASE parley OWNER parley"
"""


def commands(title: str) -> list[str]:
    """The lines of the first block of shell under that title."""
    [block] = re.findall(rf"^## {title}\n.*?```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)[:1]
    return str(block).splitlines()


def run(command: str, folder: Path, **variables: str) -> None:
    subprocess.run(["sh", "-eu", "-c", command], cwd=folder, env={"PATH": "/usr/bin:/bin", **variables}, check=True)


async def rooms(client: httpx.AsyncClient) -> list[str]:
    return [room["name"] for room in (await client.get("/chatroom")).json()["items"]]


async def test_a_copy_of_a_running_sqlite_file_brings_everything_back(tmp_path: Path) -> None:
    [backup] = commands("SQLite")
    async with served(tmp_path) as api:
        client = await sign_in(api.address)
        room = await new_room(client, name="Before the backup")
        run(backup, tmp_path)
        await client.delete(f"/chatroom/{room}")
        assert await rooms(client) == []
        await client.aclose()
    for name in ("parley.db-wal", "parley.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "parley-backup.db").rename(tmp_path / "parley.db")
    async with served(tmp_path) as api, httpx.AsyncClient(base_url=api.address, headers=client.headers) as restored:
        assert await rooms(restored) == ["Before the backup"]


async def test_a_dump_of_postgresql_brings_everything_back(tmp_path: Path) -> None:
    dump, restore = commands("PostgreSQL")
    with debian_postgres() as postgres:
        postgres.run(ROLE)
        url = f"postgresql://parley:secret@127.0.0.1:{postgres.port}/parley"
        code, _, err = await run_parley(tmp_path, "migrate", DATABASE_URL=url)
        assert code == 0, err
        async with served(tmp_path, DATABASE_URL=url) as api:
            client = await sign_in(api.address)
            room = await new_room(client, name="Before the dump")
            run(dump, tmp_path, DATABASE_URL=url)
            await client.delete(f"/chatroom/{room}")
            assert await rooms(client) == []
            await client.aclose()
        run(restore, tmp_path, DATABASE_URL=url)
        async with (
            served(tmp_path, DATABASE_URL=url) as api,
            httpx.AsyncClient(base_url=api.address, headers=client.headers) as restored,
        ):
            assert await rooms(restored) == ["Before the dump"]


async def test_a_sqlite_file_is_copied_to_postgresql(tmp_path: Path) -> None:
    [copy] = commands("From SQLite to PostgreSQL")
    async with served(tmp_path) as api:
        client = await sign_in(api.address)
        await new_room(client, name="On the laptop")
        await client.aclose()
    with debian_postgres() as postgres:
        postgres.run(ROLE)
        url = f"postgresql://parley:secret@127.0.0.1:{postgres.port}/parley"
        words = copy.replace("postgresql://parley:password@db.example.com/parley", url).split()[1:]
        code, _, err = await run_parley(tmp_path, *words)
        assert code == 0, err
        async with (
            served(tmp_path, DATABASE_URL=url) as api,
            httpx.AsyncClient(base_url=api.address, headers=client.headers) as moved,
        ):
            assert await rooms(moved) == ["On the laptop"]
