"""Replies finished per second, by a worker and, as the baseline, by raw asyncpg with the same claims and ends."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import uvloop
from uuid_utils.compat import uuid7

from benchmarks.baselines import POOL
from benchmarks.deployment import Deployment
from parley.adapters.redis.broker import AtMostOnceBroker
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.queue import TaskiqQueue
from parley.bootstrap.transport import WRITE_REPLY

LOOK_SECONDS = 0.05
PATIENCE = 120.0
# Many accounts, since ends of replies of one account wait for each other at its row in usage_days.
NEW_ACCOUNTS = """
INSERT INTO accounts (id, email, created_at)
SELECT gen_random_uuid(), 'writer' || number || '@example.com', now() FROM generate_series(1, 64) AS number
ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id
"""
NEW_DAYS = """
INSERT INTO usage_days (account_id, day, used) SELECT account, (now() AT TIME ZONE 'UTC')::date, 1
FROM unnest($1::uuid[]) AS account ON CONFLICT DO NOTHING
"""
NEW_ROOMS = """
INSERT INTO rooms (id, account_id, name, created_at, active_at, last_position)
SELECT room, account, 'Room', now(), now(), 2 FROM unnest($1::uuid[], $2::uuid[]) AS new (room, account)
"""
# Rows as an accepted message leaves them.
NEW_MESSAGES = """
INSERT INTO messages (id, room_id, account_id, position, role, content, status, model, reply_to, created_at,
                      completed_at, charged_on, claimable_at, queued_at)
SELECT question, room, account, 1, 'user', 'hello', 'completed', NULL, NULL::uuid, now(), now(), NULL::date, now(),
       now()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) AS new (room, account, question, reply)
UNION ALL
SELECT reply, room, account, 2, 'assistant', '', 'pending', 'offline/echo', question, now(), NULL,
       (now() AT TIME ZONE 'UTC')::date, now(), now()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) AS new (room, account, question, reply)
"""
CLAIM = """
UPDATE messages SET status = 'generating', attempt = attempt + 1, claimable_at = now() + interval '15 seconds'
WHERE id = $1 AND status NOT IN ('completed', 'failed', 'stopped') AND claimable_at <= now()
  AND NOT EXISTS (SELECT FROM messages AS earlier
                  WHERE earlier.account_id = messages.account_id AND earlier.room_id = messages.room_id
                    AND earlier.position < messages.position AND earlier.status IN ('pending', 'generating'))
RETURNING id, room_id, account_id, position, model, attempt, failures, charged_on, created_at, stop_requested
"""
END = """
WITH counted AS (
    UPDATE usage_days SET input_tokens = input_tokens + 1, output_tokens = output_tokens + 3
    WHERE account_id = $3 AND day = $4
)
UPDATE messages SET status = 'completed', content = 'You summary: hello', completed_at = now(), input_tokens = 1,
                    output_tokens = 3
WHERE id = $1 AND status = 'generating' AND attempt = $2
"""
UNFINISHED = "SELECT count(*) FROM messages WHERE status IN ('pending', 'generating')"
NOT_COMPLETED = "SELECT count(*) FROM messages WHERE id = ANY($1::uuid[]) AND status <> 'completed'"


@dataclass(frozen=True)
class PendingReplies:
    """Accepted replies that are not on the queue, each in its own room."""

    deployment: Deployment
    replies: list[UUID]

    async def written_per_second(self) -> float:
        """By the deployment's worker, from the start of the first to the end of the last."""
        client = RedisClient(self.deployment.redis_url)
        broker = AtMostOnceBroker(self.deployment.redis_url, client)
        queue = TaskiqQueue(broker, WRITE_REPLY)
        await broker.startup()
        with _paused(self.deployment.worker_pid):
            for reply in self.replies:
                await queue.put(reply)
        started = time.perf_counter()
        await broker.shutdown()
        await client.close()
        async with self.deployment.database() as connection, asyncio.timeout(PATIENCE):
            while await connection.fetchval(UNFINISHED):  # noqa: ASYNC110 - the database sends no event
                await asyncio.sleep(LOOK_SECONDS)
            took = time.perf_counter() - started
            assert await connection.fetchval(NOT_COMPLETED, self.replies) == 0
        return len(self.replies) / took

    async def claimed_per_second(self) -> float:
        """By raw asyncpg: one statement claims a reply and one ends it, on as many connections as a worker has."""
        return await asyncio.to_thread(uvloop.run, _claim_and_end(self.deployment.database_url, self.replies))


async def pending_of_many_accounts(deployment: Deployment, count: int) -> PendingReplies:
    """Spread over 64 accounts."""
    async with deployment.database() as connection:
        accounts = [row["id"] for row in await connection.fetch(NEW_ACCOUNTS)]
    return await _accepted(deployment, accounts, count)


async def pending_of_one_account(deployment: Deployment, email: str, count: int) -> PendingReplies:
    async with deployment.database() as connection:
        account = await connection.fetchval("SELECT id FROM accounts WHERE email = $1", email)
    return await _accepted(deployment, [account], count)


async def _accepted(deployment: Deployment, accounts: Sequence[UUID], count: int) -> PendingReplies:
    """Inserted by SQL: posting takes longer than writing the replies, and a paused worker loses its connections."""
    rooms, questions, replies = ([uuid7() for _ in range(count)] for _ in range(3))
    whose = [accounts[number % len(accounts)] for number in range(count)]
    async with deployment.database() as connection:
        await connection.execute(NEW_DAYS, accounts)
        await connection.execute(NEW_ROOMS, rooms, whose)
        await connection.execute(NEW_MESSAGES, rooms, whose, questions, replies)
    return PendingReplies(deployment, replies)


@contextmanager
def _paused(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _claim_and_end(url: str, replies: Sequence[UUID]) -> float:
    waiting = list(replies)
    connections = [await asyncpg.connect(url) for _ in range(POOL)]

    async def work(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        claim, end = await connection.prepare(CLAIM), await connection.prepare(END)
        while waiting:
            claimed = await claim.fetchrow(waiting.pop())
            assert claimed is not None
            await end.fetch(claimed["id"], claimed["attempt"], claimed["account_id"], claimed["charged_on"])

    started = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    took = time.perf_counter() - started
    for connection in connections:
        await connection.close()
    return len(replies) / took
