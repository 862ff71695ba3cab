"""What operators see of real processes: metrics of several together, those of a worker, and JSON logs."""

import asyncio
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from parley.adapters.redis.broker import AtMostOnceBroker
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.queue import TaskiqQueue
from tests.e2e.process import Served, ended, free_port, new_room, say
from tests.faults.cluster import Cluster, becomes, cluster

TOKEN = "a token for Prometheus"


async def metric(address: str, name: str, **labels: str) -> float:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return sum(
        sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def test_processes_report_metrics_and_log_json(tmp_path: Path) -> None:
    port = free_port()
    settings = {"LOG_FORMAT": "json", "METRICS_TOKEN": TOKEN, "WORKER_METRICS_PORT": str(port)}
    async with cluster(tmp_path, apis=1, workers=1, **settings) as running:
        room = await new_room(running.client_of(0))
        accepted = await say(running.client_of(0), room, "Hello")
        await ended(running.client_of(0), accepted["reply"])
        await assert_worker_counts(f"http://127.0.0.1:{port}")
        await assert_two_processes_count_as_one(tmp_path / "pair", running)
        await crash_a_task(running)
        await running.apis[0].kill()
        await running.workers[0].kill()
        assert_logs_join_request_and_end(running, accepted["reply"]["id"])


async def assert_worker_counts(address: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/metrics")).status_code == 401
        for path in ("live", "ready"):
            assert (await client.get(f"{address}/health/{path}")).json() == {"status": "ok", "down": []}
    assert await metric(address, "parley_reply_seconds_count", model="openai/scripted", end="completed") == 1
    assert await metric(address, "parley_reply_first_text_seconds_count") == 1
    assert await metric(address, "parley_sweeps_total", sweep="overdue_replies", outcome="done") > 0


async def assert_two_processes_count_as_one(folder: Path, running: Cluster) -> None:
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    pair = Served(folder, {**running.settings, "TMPDIR": str(temporary)}, workers=2)
    try:
        await pair.start()
        assert [path.name.startswith("parley-metrics-") for path in temporary.iterdir()] == [True]
        async with httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0)) as client:
            # A connection for each request, so that both processes get some.
            for _ in range(40):
                assert (await client.get(f"{pair.address}/health/live")).status_code == 200
        scrapes = [metric(pair.address, "parley_http_requests_total", route="/health/live") for _ in range(10)]
        assert await asyncio.gather(*scrapes) == [40.0] * 10
        assert await metric(pair.address, "parley_streams_open") == 0
        assert await metric(pair.address, "parley_database_up") == 1
    finally:
        # Not killed: the two processes would outlive their parent.
        pair.signal(signal.SIGTERM)
        await pair.ended()
    log_lines(pair.log())
    assert list(temporary.iterdir()) == []


async def crash_a_task(running: Cluster) -> None:
    client = RedisClient(running.redis.url)
    broker = AtMostOnceBroker(running.redis.url, client)
    await broker.startup()
    await TaskiqQueue(broker, "write_reply").put("no id")  # type: ignore[arg-type] # which parley never queues
    await becomes(lambda: "task_crashed" in running.workers[0].log())
    await broker.shutdown()
    await client.close()


def assert_logs_join_request_and_end(running: Cluster, reply: str) -> None:
    api, worker = log_lines(running.apis[0].log()), log_lines(running.workers[0].log())
    [posted] = [line for line in api if line.get("reply_id") == reply and line.get("path", "").endswith("/message")]
    [done] = [line for line in worker if line.get("reply_id") == reply and line["event"] == "reply_ended"]
    assert posted["account_id"] == done["account_id"]
    assert posted["request_id"]
    [crash] = [line for line in worker if line["event"] == "task_crashed"]
    assert crash["exception"].startswith("Traceback")
    # A line of a library.
    assert "taskiq.receiver.receiver" in {line["logger"] for line in worker}


def log_lines(log: str) -> list[Mapping[str, Any]]:
    """Each line is one JSON object with its time, level and logger."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines
    for line in lines:
        assert {"timestamp", "level", "logger", "event"} <= line.keys()
    return lines
