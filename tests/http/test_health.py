"""Liveness and readiness."""

import signal
from pathlib import Path

from sqlalchemy import bindparam

from parley.adapters.sql.engine.database import Database, version_table
from parley.adapters.sql.engine.statements import Statement
from tests.http.site import Person, Site, until

SET_REVISION = Statement(version_table.update().values(version_num=bindparam("revision")))


async def test_a_running_process_is_live(site: Site) -> None:
    answer = await site.visitor().get("/health/live")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


async def test_with_a_database_it_is_ready(site: Site) -> None:
    answer = await site.visitor().get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "down": []}


async def close_connections(database: Database) -> None:
    """Close the connections when none is in use, so that the next query opens the file again."""

    async def idle() -> bool:
        return database.in_use == 0

    await until(idle)
    await database.close()


async def test_without_its_database_it_is_live_but_not_ready(site: Site, tmp_path: Path) -> None:
    await close_connections(site.parley.database)
    (tmp_path / "parley.db").rename(tmp_path / "gone.db")
    (tmp_path / "parley.db").mkdir()
    answer = await site.visitor().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "down": ["database"]}
    assert (await site.visitor().get("/health/live")).status_code == 200


async def test_with_a_removed_database_file_it_is_not_ready(site: Site, tmp_path: Path) -> None:
    await close_connections(site.parley.database)
    (tmp_path / "parley.db").unlink()
    answer = await site.visitor().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "down": ["database"]}


async def test_it_recovers_when_the_database_is_back(site: Site, mira: Person, tmp_path: Path) -> None:
    await close_connections(site.parley.database)
    (tmp_path / "parley.db").rename(tmp_path / "gone.db")
    (tmp_path / "parley.db").mkdir()
    assert (await mira.get("/health/ready")).status_code == 503
    (tmp_path / "parley.db").rmdir()
    (tmp_path / "gone.db").rename(tmp_path / "parley.db")
    assert (await mira.get("/health/ready")).status_code == 200
    assert (await mira.hear(await mira.new_room()))["status"] == "completed"


async def set_revision(site: Site, revision: str) -> None:
    async with site.parley.database.transaction() as transaction:
        await transaction.execute(SET_REVISION, revision=revision)
        await transaction.commit()


async def test_with_an_older_schema_it_is_not_ready(site: Site) -> None:
    await set_revision(site, "0000")
    answer = await site.visitor().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "down": ["schema"]}


async def test_with_a_newer_schema_it_is_ready(site: Site) -> None:
    await set_revision(site, "9999")
    assert (await site.visitor().get("/health/ready")).status_code == 200


async def test_during_shutdown_it_is_live_but_not_ready(site: Site) -> None:
    signal.raise_signal(signal.SIGTERM)

    async def noticed() -> bool:
        return (await site.visitor().get("/health/ready")).status_code == 503

    await until(noticed)
    answer = await site.visitor().get("/health/ready")
    assert answer.json() == {"status": "unavailable", "down": ["leaving"]}
    assert (await site.visitor().get("/health/live")).status_code == 200
