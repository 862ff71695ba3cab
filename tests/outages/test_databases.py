"""PostgreSQL is away for longer than a lease, or behind a pooler of transactions."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate
from tests.e2e.process import Served
from tests.faults.audit import audit, send
from tests.faults.cluster import LEASE_SECONDS, Worker, becomes, cluster
from tests.faults.conftest import Scale
from tests.servers.postgres_server import PostgresServer
from tests.servers.transaction_pooler import TransactionPooler

MOST_LINES = 20
# Lines of what people and replies do, not of the outage.
_OF_LOAD = {"request", "reply_ended", "swept", "starting"}


def lines_of(process: Served | Worker) -> list[dict[str, Any]]:
    lines = map(json.loads, process.log().splitlines())
    return [line for line in lines if line["event"] not in _OF_LOAD and not line["logger"].startswith("taskiq")]


async def test_outage_longer_than_leases_fails_no_reply_and_is_a_few_lines(tmp_path: Path, scale: Scale) -> None:
    # One attempt: an outage that counted as a failure would end the reply.
    async with cluster(tmp_path, LOG_FORMAT="json", MODEL_MAX_ATTEMPTS="1") as parley:
        processes = [*parley.apis, *parley.workers]
        before = [len(lines_of(process)) for process in processes]
        sending = asyncio.create_task(send(parley, rooms=scale.rooms, each=scale.messages_each))
        await asyncio.sleep(0.7)
        await asyncio.to_thread(parley.postgres.kill)
        await asyncio.sleep(3 * LEASE_SECONDS)
        await asyncio.to_thread(parley.postgres.start)
        statuses = await audit(parley, await sending)
        await becomes(lambda: all("outage_ended" in process.log() for process in processes))
        logs = [lines_of(process)[count:] for process, count in zip(processes, before, strict=True)]
    assert statuses == Counter(completed=scale.messages)
    for lines in logs:
        events = Counter(line["event"] for line in lines)
        assert (events["outage_began"], events["outage_ended"]) == (1, 1)
        assert not [line for line in lines if "exception" in line]
        assert len(lines) < MOST_LINES


@asynccontextmanager
async def small_server() -> AsyncIterator[PostgresServer]:
    """A server of 20 connections with the schema of this version."""
    server = await asyncio.to_thread(PostgresServer, max_connections="20")
    try:
        await asyncio.to_thread(server.start)
        database = Database(server.url)
        await migrate(database)
        await database.close()
        yield server
    finally:
        await asyncio.to_thread(server.remove)


async def test_pooler_of_transactions_loses_and_doubles_nothing(tmp_path: Path, scale: Scale) -> None:
    async with small_server() as server:
        pooler = TransactionPooler(server.port, user="parley", database="postgres", servers=6)
        async with (
            pooler.running(),
            cluster(tmp_path, DATABASE_URL=f"{pooler.url}?statement_cache_size=0") as parley,
        ):
            sent = await send(parley, rooms=scale.rooms, each=scale.messages_each)
            assert await audit(parley, sent) == Counter(completed=scale.messages)
