"""Redis is away, a replica, full, or without channels while replies are written, and all of them begin in time.

parley has only the documented rights in Redis, and a prefix.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.test_redis_faults import documented_rights
from tests.e2e.process import run_parley
from tests.faults.audit import Sent, audit, send
from tests.faults.cluster import Cluster, becomes, cluster
from tests.faults.first_texts import FIRST_TEXT_SECONDS, seconds_to_first_text
from tests.servers.redis_server import RedisServer

PREFIX = "staging:"
LONG = os.environ.get("FAULTS") == "long"
# Lines that say something about Redis, or about a failure.
LINES_OF_AN_OUTAGE = 20


@dataclass(frozen=True)
class Sickness:
    """`begin` and `end` it; `said` is what `parley check` says meanwhile."""

    begin: Callable[[RedisServer], object]
    end: Callable[[RedisServer], object]
    said: str


def asked(*commands: str) -> Callable[[RedisServer], object]:
    def ask(redis: RedisServer) -> None:
        for command in commands:
            assert redis.ask(command) == b"+OK", command

    return ask


SICKNESSES = {
    "away": Sickness(RedisServer.kill, RedisServer.start, "does not answer"),
    "replica": Sickness(asked("REPLICAOF 127.0.0.1 1"), asked("REPLICAOF NO ONE"), "read-only replica"),
    "full": Sickness(
        asked("CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"),
        asked("CONFIG SET maxmemory 0"),
        "is full",
    ),
    "without channels": Sickness(
        asked("ACL SETUSER parley resetchannels"),
        asked(f"ACL SETUSER parley &{PREFIX}parley:*"),
        "passes on no messages",
    ),
}


@pytest.mark.parametrize("name", list(SICKNESSES) if LONG else ["away"])
async def test_replies_begin_and_end_while_redis_is_sick(tmp_path: Path, name: str) -> None:
    sickness = SICKNESSES[name]
    rights = documented_rights(PREFIX)
    async with cluster(tmp_path, redis_rights=rights, REDIS_PREFIX=PREFIX, LOG_FORMAT="json") as parley:
        await replies_during(parley, sickness, seconds=30.0 if LONG else 1.0)
        logs = [process.log() for process in (*parley.apis, *parley.workers)]
    for log in logs:
        assert_is_told_briefly(log)


async def replies_during(parley: Cluster, sickness: Sickness, *, seconds: float) -> None:
    """Messages before and during the sickness, which lasts for `seconds` and until all replies have begun."""
    before = await send(parley, rooms=4, each=1, text="[[words 200]]")
    await asyncio.to_thread(sickness.begin, parley.redis)
    until = asyncio.get_running_loop().time() + seconds
    short, long = await asyncio.gather(
        send(parley, rooms=10, each=2), send(parley, rooms=2, each=1, text="[[think 5]] [[words 5000]]")
    )
    first_texts = await asyncio.gather(*(seconds_to_first_text(parley, sent) for sent in (*short[::2], *long)))
    assert max(first_texts) < FIRST_TEXT_SECONDS, first_texts
    exit_code, out, _ = await run_parley(parley.workers[0].folder, "check", **parley.settings)
    assert exit_code == 1
    assert sickness.said in out
    ready = (await parley.request("GET", "/health/ready")).json()
    assert ready["down"] == ["redis"]
    assert sickness.said in ready["causes"]["redis"]
    await asyncio.sleep(until - asyncio.get_running_loop().time())
    # Those that a worker writes in the end are stopped while Redis is sick.
    await stop(parley, long[0])
    await asyncio.to_thread(sickness.end, parley.redis)
    await becomes(lambda: all("outage_ended" in each.log() for each in (*parley.apis, *parley.workers)))
    await stop(parley, long[1])
    statuses = await audit(parley, [*before, *short, *long])
    assert statuses == Counter(completed=len(before) + len(short), stopped=2)


async def stop(parley: Cluster, sent: Sent) -> None:
    answer = await parley.request("POST", f"/chatroom/{sent.room}/messages/{sent.reply}/stop")
    assert answer.status_code == 200, answer.text


def assert_is_told_briefly(log: str) -> None:
    """Every line is JSON, and few of them tell of the outage."""
    lines = [json.loads(line) for line in log.splitlines()]
    told = [line for line in lines if line["level"] != "info" or line["event"].startswith("outage")]
    assert 2 <= len(told) < LINES_OF_AN_OUTAGE, told
    of_redis = [line["event"] for line in told if line.get("part") == "redis"]
    assert (of_redis[:1], of_redis[-1:]) == (["outage_began"], ["outage_ended"])
    assert not [line for line in lines if "exception" in line]
