"""What operators see of real processes: metrics of several together, a worker's own, and logs for machines."""

import asyncio
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from parley.adapters.redis.broker import HintBroker
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.queue import TaskiqQueue
from tests.e2e.process import Served, ended, free_port, new_room, say
from tests.faults.cluster import Cluster, becomes, cluster

TOKEN = "what only Prometheus knows"


async def told(address: str, name: str, **labels: str) -> float:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return sum(
        sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def test_processes_tell_what_they_count_and_log_for_machines(tmp_path: Path) -> None:
    port = free_port()
    settings = {"LOG_FORMAT": "json", "METRICS_TOKEN": TOKEN, "WORKER_METRICS_PORT": str(port)}
    async with cluster(tmp_path, apis=1, workers=1, **settings) as town:
        room = await new_room(town.client_of(0))
        accepted = await say(town.client_of(0), room, "Hello")
        await ended(town.client_of(0), accepted["reply"])
        await worker_counts(f"http://127.0.0.1:{port}")
        await two_processes_count_as_one(tmp_path / "pair", town)
        await a_task_crashes(town)
        await town.apis[0].kill()
        await town.workers[0].kill()
        from_request_to_end(town, accepted["reply"]["id"])


async def worker_counts(address: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/metrics")).status_code == 401
    assert await told(address, "parley_reply_seconds_count", model="openai/scripted", end="completed") == 1
    assert await told(address, "parley_reply_first_text_seconds_count") == 1
    assert await told(address, "parley_sweeps_total", sweep="overdue_replies", outcome="done") > 0


async def two_processes_count_as_one(folder: Path, town: Cluster) -> None:
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    pair = Served(folder, {**town.settings, "TMPDIR": str(temporary)}, workers=2)
    try:
        await pair.start()
        assert [path.name.startswith("parley-metrics-") for path in temporary.iterdir()] == [True]
        async with httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0)) as client:
            # A connection for each, so that both processes have some.
            for _ in range(40):
                assert (await client.get(f"{pair.address}/health/live")).status_code == 200
        scrapes = [told(pair.address, "parley_http_requests_total", route="/health/live") for _ in range(10)]
        assert await asyncio.gather(*scrapes) == [40.0] * 10
        assert await told(pair.address, "parley_streams_open") == 0
        assert await told(pair.address, "parley_database_up") == 1
    finally:
        # Not killed: the two processes would outlive the one that began them.
        pair.signal(signal.SIGTERM)
        await pair.ended()
    every_line(pair.log())
    assert list(temporary.iterdir()) == []


async def a_task_crashes(town: Cluster) -> None:
    link = RedisClient(town.redis.url)
    broker = HintBroker(town.redis.url, link)
    await broker.startup()
    await TaskiqQueue(broker, "write_reply").put("no id")  # type: ignore[arg-type] # what parley never puts there
    await becomes(lambda: "task_crashed" in town.workers[0].log())
    await broker.shutdown()
    await link.close()


def from_request_to_end(town: Cluster, reply: str) -> None:
    api, worker = every_line(town.apis[0].log()), every_line(town.workers[0].log())
    [posted] = [line for line in api if line.get("reply_id") == reply and line.get("path", "").endswith("/message")]
    [done] = [line for line in worker if line.get("reply_id") == reply and line["event"] == "reply_ended"]
    assert posted["account_id"] == done["account_id"]
    assert posted["request_id"]
    [crash] = [line for line in worker if line["event"] == "task_crashed"]
    assert crash["exception"].startswith("Traceback")
    # A library's line.
    assert "taskiq.receiver.receiver" in {line["logger"] for line in worker}


def every_line(log: str) -> list[Mapping[str, Any]]:
    """Each is one JSON object that says when, how bad, and who."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines
    for line in lines:
        assert {"timestamp", "level", "logger", "event"} <= line.keys()
    return lines
