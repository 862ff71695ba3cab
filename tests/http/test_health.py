"""Whether the process lives, and whether it can work."""

import signal
from pathlib import Path

from sqlalchemy import bindparam

from parley.adapters.sql.engine.database import Database, version_table
from parley.adapters.sql.engine.statements import Statement
from tests.http.site import Person, Site, until

SET_REVISION = Statement(version_table.update().values(version_num=bindparam("revision")))


async def test_a_process_that_runs_lives(site: Site) -> None:
    answer = await site.visitor().get("/health/live")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


async def test_with_its_database_it_is_ready(site: Site) -> None:
    answer = await site.visitor().get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "down": []}


async def let_go(database: Database) -> None:
    """Close its connections, none of them in use, so that the next query opens the file anew."""

    async def idle() -> bool:
        return database.in_use == 0

    await until(idle)
    await database.close()


async def test_without_its_database_it_lives_but_is_not_ready(site: Site, tmp_path: Path) -> None:
    await let_go(site.parley.database)
    (tmp_path / "parley.db").rename(tmp_path / "gone.db")
    (tmp_path / "parley.db").mkdir()
    answer = await site.visitor().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "down": ["database"]}
    assert (await site.visitor().get("/health/live")).status_code == 200


async def test_with_a_database_that_was_removed_it_is_not_ready(site: Site, tmp_path: Path) -> None:
    await let_go(site.parley.database)
    (tmp_path / "parley.db").unlink()
    answer = await site.visitor().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "down": ["database"]}


async def test_with_its_database_back_it_works_again(site: Site, mira: Person, tmp_path: Path) -> None:
    await let_go(site.parley.database)
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


async def test_while_a_newer_version_takes_over_it_goes_on(site: Site) -> None:
    await set_revision(site, "9999")
    assert (await site.visitor().get("/health/ready")).status_code == 200


async def test_told_to_leave_it_lives_but_is_not_ready(site: Site) -> None:
    signal.raise_signal(signal.SIGTERM)

    async def noticed() -> bool:
        return (await site.visitor().get("/health/ready")).status_code == 503

    await until(noticed)
    answer = await site.visitor().get("/health/ready")
    assert answer.json() == {"status": "unavailable", "down": ["leaving"]}
    assert (await site.visitor().get("/health/live")).status_code == 200
