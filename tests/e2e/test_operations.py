"""What operators see of real processes: combined metrics, a worker's metrics, and logs in JSON."""

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


async def test_processes_serve_their_metrics_and_log_json(tmp_path: Path) -> None:
    port = free_port()
    settings = {"LOG_FORMAT": "json", "METRICS_TOKEN": TOKEN, "WORKER_METRICS_PORT": str(port)}
    async with cluster(tmp_path, apis=1, workers=1, **settings) as parley:
        room = await new_room(parley.client_of(0))
        accepted = await say(parley.client_of(0), room, "Hello")
        await ended(parley.client_of(0), accepted["reply"])
        await check_worker_metrics(f"http://127.0.0.1:{port}")
        await check_combined_metrics(tmp_path / "pair", parley)
        await crash_a_task(parley)
        await parley.apis[0].kill()
        await parley.workers[0].kill()
        check_log_from_request_to_end(parley, accepted["reply"]["id"])


async def check_worker_metrics(address: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/metrics")).status_code == 401
    assert await metric(address, "parley_reply_seconds_count", model="openai/scripted", end="completed") == 1
    assert await metric(address, "parley_reply_first_text_seconds_count") == 1
    assert await metric(address, "parley_sweeps_total", sweep="overdue_replies", outcome="done") > 0


async def check_combined_metrics(folder: Path, parley: Cluster) -> None:
    folder.mkdir()
    pair = Served(folder, parley.settings, workers=2)
    try:
        await pair.start()
        async with httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0)) as client:
            # A new connection for each request, so that both processes get some.
            for _ in range(40):
                assert (await client.get(f"{pair.address}/health/live")).status_code == 200
        scrapes = [metric(pair.address, "parley_http_requests_total", route="/health/live") for _ in range(10)]
        assert await asyncio.gather(*scrapes) == [40.0] * 10
        assert await metric(pair.address, "parley_streams_open") == 0
        assert await metric(pair.address, "parley_database_up") == 1
    finally:
        # Not killed, since the two child processes would go on running.
        pair.signal(signal.SIGTERM)
        await pair.ended()
    parsed_lines(pair.log())


async def crash_a_task(parley: Cluster) -> None:
    client = RedisClient(parley.redis.url)
    broker = AtMostOnceBroker(parley.redis.url, client)
    await broker.startup()
    await TaskiqQueue(broker, "write_reply").put("no id")  # type: ignore[arg-type] # parley never puts this
    await becomes(lambda: "task_crashed" in parley.workers[0].log())
    await broker.shutdown()
    await client.close()


def check_log_from_request_to_end(parley: Cluster, reply: str) -> None:
    api, worker = parsed_lines(parley.apis[0].log()), parsed_lines(parley.workers[0].log())
    [posted] = [line for line in api if line.get("reply_id") == reply and line.get("path", "").endswith("/message")]
    [done] = [line for line in worker if line.get("reply_id") == reply and line["event"] == "reply_ended"]
    assert posted["account_id"] == done["account_id"]
    assert posted["request_id"]
    [crash] = [line for line in worker if line["event"] == "task_crashed"]
    assert crash["exception"].startswith("Traceback")
    # A line of a library.
    assert "taskiq.receiver.receiver" in {line["logger"] for line in worker}


def parsed_lines(log: str) -> list[Mapping[str, Any]]:
    """Each line is a JSON object with time, level, logger and event."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines
    for line in lines:
        assert {"timestamp", "level", "logger", "event"} <= line.keys()
    return lines
