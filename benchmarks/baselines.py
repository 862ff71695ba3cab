"""Baselines: the least code that does the same as parley, each in its own process.

python -m benchmarks.baselines serve PORT BODY [DATABASE_URL QUERIES ID]
python -m benchmarks.baselines write DATABASE_URL TARGETS CONNECTIONS SECONDS
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import asyncpg
import uvicorn
import uvloop
from litestar import Litestar, MediaType, get
from uuid_utils.compat import uuid7

from benchmarks.wrk import Load
from parley.cli.run import KEEP_ALIVE_SECONDS
from parley.settings import Settings
from tests.e2e.process import answers
from tests.servers.redis_server import free_port

PAGE = 50
CONTENT = "Where is it warm in May?"
POOL = Settings().database_connections
HISTORY = """
SELECT id, room_id, account_id, position, role, content, status, model, reply_to, input_tokens, output_tokens,
       error_code, error_detail, created_at, completed_at, attempt, failures, stop_requested
FROM messages WHERE room_id = $1 ORDER BY position DESC LIMIT 51
"""
ACCOUNT = "SELECT id, mobile_number, email, name, password_hash, created_at FROM accounts WHERE id = $1"
PLAN = """
SELECT coalesce((SELECT CASE WHEN override IS NOT NULL THEN override WHEN paid_until > now() THEN 'pro' ELSE 'basic' END
                 FROM plans WHERE account_id = $1), 'basic')
"""
# By name, each with the number of rows that it returns.
QUERIES = {"history": ((HISTORY, PAGE + 1),), "account": ((ACCOUNT, 1), (PLAN, 1))}
# Everything that accepting a message writes.
ACCEPT_MESSAGE = """
WITH room AS (
    UPDATE rooms SET last_position = last_position + 2, active_at = greatest(active_at, $1)
    WHERE id = $2 AND account_id = $3 RETURNING last_position
), key AS (
    INSERT INTO idempotency_keys (room_id, key, fingerprint, reply_id, used_at) VALUES ($2, $4, $5, $7, $1)
), day AS (
    INSERT INTO usage_days (account_id, day, used) VALUES ($3, $8, 1)
    ON CONFLICT (account_id, day) DO UPDATE SET used = usage_days.used + 1
)
INSERT INTO messages (id, room_id, account_id, position, role, content, status, model, reply_to, created_at,
                      completed_at, charged_on, claimable_at, queued_at)
SELECT $6, $2, $3, last_position - 1, 'user', $9, 'completed', NULL, NULL::uuid, $1, $1, NULL, now(), now() FROM room
UNION ALL
SELECT $7, $2, $3, last_position, 'assistant', '', 'pending', 'offline/echo', $6, $1, NULL, $8, now(), now() FROM room
"""


@dataclass(frozen=True)
class Query:
    """What a bare handler asks the database before it answers: QUERIES by name, about the row with that id."""

    database_url: str
    queries: str
    id: UUID


@asynccontextmanager
async def bare_handler(body: Path, query: Query | None = None) -> AsyncIterator[str]:
    """The address of a Litestar application with one handler that returns the file's bytes."""
    port = free_port()
    arguments = () if query is None else (query.database_url, query.queries, str(query.id))
    process = await asyncio.create_subprocess_exec(*_this("serve", str(port), str(body), *arguments))
    try:
        await answers(f"http://127.0.0.1:{port}/", process)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        await process.wait()


async def raw_writes(database_url: str, targets: Path, *, seconds: float) -> Load:
    """Accept messages over as many connections as parley's pool has. `targets` has lines «room account»."""
    words = _this("write", database_url, str(targets), str(POOL), str(seconds))
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    written, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the raw writes failed")
    return Load(**json.loads(written))


def _this(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "benchmarks.baselines", *arguments)


def serve(port: int, body: bytes, query: Query | None) -> None:
    """Under uvicorn as `parley run` starts it."""
    uvicorn.run(
        _bare(body) if query is None else _querying(body, query),
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        lifespan="on",
        ws="none",
    )


def _bare(body: bytes) -> Litestar:
    @get("/", media_type=MediaType.JSON)
    async def handler() -> bytes:
        return body

    return Litestar([handler], openapi_config=None, logging_config=None)


def _querying(body: bytes, query: Query) -> Litestar:
    pools: list[asyncpg.Pool[asyncpg.Record]] = []

    @asynccontextmanager
    async def connected(_: Litestar) -> AsyncIterator[None]:
        async with asyncpg.create_pool(query.database_url, min_size=POOL, max_size=POOL) as pool:
            pools.append(pool)
            yield

    @get("/", media_type=MediaType.JSON)
    async def handler() -> bytes:
        for text, rows in QUERIES[query.queries]:
            assert len(await pools[0].fetch(text, query.id)) == rows
        return body

    return Litestar([handler], openapi_config=None, logging_config=None, lifespan=[connected])


async def write(database_url: str, targets: list[tuple[UUID, UUID]], connections: int, seconds: float) -> Load:
    opened = [await asyncpg.connect(database_url) for _ in range(connections)]
    # Like wrk: every connection takes the next room.
    next_targets = itertools.cycle(targets)
    started = time.perf_counter()
    times = await asyncio.gather(*(_writing(each, next_targets, started + seconds) for each in opened))
    took = time.perf_counter() - started
    for each in opened:
        await each.close()
    ms = sorted(itertools.chain.from_iterable(times))
    return Load(len(ms), took, 0, ms[len(ms) // 2], ms[len(ms) * 99 // 100], ms[-1])


async def _writing(
    connection: "asyncpg.Connection[asyncpg.Record]", next_targets: Iterator[tuple[UUID, UUID]], until: float
) -> list[float]:
    """The duration of each statement in ms."""
    statement = await connection.prepare(ACCEPT_MESSAGE)
    fingerprint = sha256(CONTENT.encode()).digest()
    times: list[float] = []
    while (started := time.perf_counter()) < until:
        room, account = next(next_targets)
        now = datetime.now(UTC)
        question, reply = uuid7(), uuid7()
        key, day = reply.hex, now.date()
        await statement.fetch(now, room, account, key, fingerprint, question, reply, day, CONTENT)
        times.append((time.perf_counter() - started) * 1_000)
    return times


def main(what: str, *words: str) -> None:
    if what == "serve":
        serve(
            int(words[0]), Path(words[1]).read_bytes(), Query(words[2], words[3], UUID(words[4])) if words[2:] else None
        )
        return
    lines = [line.split() for line in Path(words[1]).read_text().splitlines()]
    targets = [(UUID(room), UUID(account)) for room, account in lines]
    load = uvloop.run(write(words[0], targets, int(words[2]), float(words[3])))
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main(*sys.argv[1:])
