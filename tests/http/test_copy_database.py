"""`parley copy-database`: an installation on SQLite goes on with PostgreSQL as if nothing had happened."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parley.adapters.sql.engine.copy_database import Progress
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import current_revision
from parley.bootstrap.database import copy_installation
from parley.runtime.sqlite_file_lock import lock_sqlite_file
from parley.settings import SettingsError, read_settings
from tests.contracts.postgres_fixtures import empty_database as empty_postgresql
from tests.contracts.postgres_fixtures import migrated_database, run_sql
from tests.http.document import Document
from tests.http.scripted_model import ScriptedModel
from tests.http.site import MIRA, RAVI, SETTINGS, Clock, Person, opened, wired

NAME = "Räume & «mehr» 🌍"


@pytest.fixture
def file(empty_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty_database, tmp_path / "parley.db"))


@pytest.fixture
def target() -> Iterator[str]:
    with empty_postgresql() as url:
        yield url


async def copy(source: str, target: str) -> list[Progress]:
    reported: list[Progress] = []
    settings = (read_settings(SETTINGS | {"DATABASE_URL": url}, dotenv=Path("none")) for url in (source, target))
    await copy_installation(*settings, reported.append)
    return reported


async def refusal_of(file: Path, target: str) -> str:
    with pytest.raises(SettingsError) as refused:
        await copy(f"sqlite:///{file}", target)
    return str(refused.value)


async def seen(person: Person, rooms: list[str]) -> list[Any]:
    paths = ["/user/me", "/user/usage", "/chatroom", "/auth/sessions", "/user/me/export", "/subscription/status"]
    paths += [f"/chatroom/{room}/messages" for room in rooms]
    answers = [await person.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    return [answer.json() for answer in answers]


async def test_everybody_finds_everything_with_the_old_tokens(
    file: Path, target: str, clock: Clock, model: ScriptedModel, document: Document
) -> None:
    async with opened(wired(file, clock, model), clock, model, document) as site:
        people, before = [], []
        for number in (MIRA, RAVI):
            person = site.visitor()
            refresh = (await person.sign_in(number))["refresh_token"]
            rooms = [await person.new_room(NAME, instructions="Be brief."), await person.new_room()]
            model.on("Hello", "An answer with «quotes».")
            await person.hear(rooms[0], "Hello", key=None)
            people.append((person.token, refresh, rooms))
            before.append(await seen(person, rooms))

    reported = await copy(f"sqlite:///{file}", target)
    assert {each.table: each.rows for each in reported}["messages"] == 4
    assert all(each.rows == each.total for each in reported)

    async with opened(wired(file, clock, model, DATABASE_URL=target), clock, model, document) as site:
        for (token, refresh, rooms), earlier in zip(people, before, strict=True):
            person = site.visitor()
            person.identify(token)
            assert await seen(person, rooms) == earlier
            model.on("Again", "Another answer.")
            assert (await person.hear(rooms[0], "Again"))["content"] == "Another answer."
            assert (await person.post("/auth/refresh", json={"refresh_token": refresh})).status_code == 200


async def test_database_with_rows_is_refused_and_left_as_it_is(file: Path) -> None:
    async with migrated_database() as url:
        run_sql(
            url, "INSERT INTO signups (token_hash, identity, expires_at) VALUES ('x', 'email:a@example.com', now())"
        )
        said = await refusal_of(file, url)
        assert said.startswith("TO: ")
        assert "has rows in its table signups" in said


async def test_file_that_a_process_serves_is_refused(file: Path, target: str) -> None:
    with lock_sqlite_file(file):
        said = await refusal_of(file, target)
    assert said.startswith("FROM: another «parley run»")


async def test_all_or_nothing_is_copied(file: Path, target: str) -> None:
    """SQLite stores a NUL character in a text, which PostgreSQL refuses, here in the last of many rows."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executemany(
            "INSERT INTO signups (token_hash, identity, name, expires_at) VALUES (?, 'email:a@example.com', ?, ?)",
            [
                (bytes([number]), "a\0b" if number == 200 else "ab", "2026-03-14 12:00:00.000000")
                for number in range(201)
            ],
        )
        connection.commit()
    assert "cannot store a value of the table signups" in await refusal_of(file, target)
    database = Database(target)
    assert await current_revision(database) is None
    await database.close()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "older schema"),
        ("UPDATE alembic_version SET version_num = '9998'", "copy it with that version"),
        ("DROP TABLE rooms", "another application"),
    ],
)
async def test_file_of_another_version_is_refused(file: Path, target: str, statement: str, reason: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)
        connection.commit()
    said = await refusal_of(file, target)
    assert said.startswith("FROM: ")
    assert reason in said


async def test_addresses_that_are_exchanged_are_refused(file: Path, target: str) -> None:
    with pytest.raises(SettingsError, match="FROM must begin"):
        await copy(target, f"sqlite:///{file}")


async def test_target_that_cannot_be_reached_is_named(file: Path) -> None:
    assert "TO: " in await refusal_of(file, "postgresql://parley@127.0.0.1:1/parley")


@pytest.mark.parametrize("address", ["postgresql://u:secret/x@127.0.0.1/db", "postgresql://u:p@secret@127.0.0.1/db"])
async def test_an_ambiguous_address_is_refused_without_its_password(file: Path, address: str) -> None:
    settings = read_settings(SETTINGS | {"DATABASE_URL": f"sqlite:///{file}"}, dotenv=Path("none"))
    with pytest.raises(SettingsError, match="TO: cannot be read") as refused:
        await copy_installation(settings, replace(settings, database_url=address), [].append)
    assert "secret" not in str(refused.value)
