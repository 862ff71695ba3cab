"""parley on a PostgreSQL server whose defaults are not those of PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import current_revision, migrate
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import REVISION
from tests.contracts.postgres_fixtures import empty_database, run_sql
from tests.http.document import Document
from tests.http.scripted_model import ScriptedModel
from tests.http.site import Clock, opened, wired

LEVEL = Statement(text("SHOW transaction_isolation"))
DEFAULTS = {
    "default_transaction_isolation": "serializable",
    "timezone": "'Asia/Kathmandu'",
    "datestyle": "'SQL, DMY'",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "statement_timeout": "'20s'",
    "lock_timeout": "'20s'",
    "idle_in_transaction_session_timeout": "'20s'",
}


@pytest.fixture
async def url() -> AsyncGenerator[str, None]:
    with empty_database() as made:
        for name, value in DEFAULTS.items():
            run_sql(made, f"ALTER DATABASE {make_url(made).database} SET {name} = {value}")
        databases = [Database(made), Database(made)]
        # Both want to make the tables, and one waits for the other.
        await asyncio.gather(*(migrate(database) for database in databases))
        assert await current_revision(databases[0]) == REVISION
        for database in databases:
            await database.close()
        yield made


@pytest.mark.parametrize("kind", [{}, {"read_only": True}, {"single": True}])
async def test_every_transaction_has_the_level_that_statements_need(url: str, kind: dict[str, bool]) -> None:
    database = Database(url)
    async with database.transaction(**kind) as transaction:
        assert await transaction.scalar(LEVEL) == "read committed"
    await database.close()


async def test_100_parallel_messages_are_accepted_and_answered(
    url: str, empty_database: Path, clock: Clock, model: ScriptedModel, document: Document
) -> None:
    parley = wired(empty_database, clock, model, DATABASE_URL=url, MAX_PENDING_REPLIES="1000")
    async with opened(parley, clock, model, document) as site:
        people = [await site.person(f"+91 99999 0000{number}") for number in range(4)]
        rooms = [(person, await person.new_room()) for person in people for _ in range(5)]
        said = await asyncio.gather(*(person.say(room) for person, room in rooms * 5))
        assert Counter(answer.status_code for answer in said) == {202: 100}
        replies = [answer.json()["reply"] for answer in said]
        ended = await asyncio.gather(
            *(person.ended(reply) for (person, _), reply in zip(rooms * 5, replies, strict=True))
        )
        assert Counter(reply["status"] for reply in ended) == {"completed": 100}
        assert [await person.used() for person in people] == [25] * 4
