"""A database that accepts 20 connections, with two API processes and two workers that would each open 15."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate
from tests.e2e.process import Served, new_room
from tests.faults.audit import Sent, audit
from tests.faults.cluster import cluster
from tests.faults.first_texts import FIRST_TEXT_SECONDS, seconds_to_first_text
from tests.servers.postgres_server import PostgresServer

MESSAGES = 100


@pytest.fixture
async def small_database() -> AsyncIterator[str]:
    server = PostgresServer(durable=True, max_connections="20")
    await asyncio.to_thread(server.start)
    database = Database(server.url)
    try:
        await migrate(database)
    finally:
        await database.close()
    yield server.url
    await asyncio.to_thread(server.remove)


async def test_nothing_is_refused_and_everything_is_written_with_20_connections(
    tmp_path: Path, small_database: str
) -> None:
    async with cluster(tmp_path, DATABASE_URL=small_database) as parley:
        rooms = await asyncio.gather(*(new_room(parley.client_of(number % 2)) for number in range(MESSAGES)))
        answers = await asyncio.gather(
            *(parley.request("POST", f"/chatroom/{room}/message", json={"content": "[[words 20]]"}) for room in rooms)
        )
        assert Counter(answer.status_code for answer in answers) == {202: MESSAGES}
        replies = [(room, answer.json()) for room, answer in zip(rooms, answers, strict=True)]
        sent = [Sent(room, "[[words 20]]", each["reply"]["id"], each["stream_url"]) for room, each in replies]
        first_texts = await asyncio.gather(*(seconds_to_first_text(parley, each) for each in sent[::10]))
        assert max(first_texts) < FIRST_TEXT_SECONDS, first_texts
        # A rolling deployment starts processes beside the old ones, whose idle connections they get.
        (tmp_path / "new").mkdir()
        new = await Served(tmp_path / "new", parley.settings).start()
        await new.kill()
        statuses = await audit(parley, sent)
    assert statuses == Counter(completed=MESSAGES)
