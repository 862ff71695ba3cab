"""API and worker under far more streams than they can serve: what was accepted still ends, at an undiminished rate."""

import time
from statistics import median
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.deployment import Deployment
from benchmarks.load_generator import message
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort
from benchmarks.stream_clients import CLIENTS, DELTAS, StreamClients

MANY_CLIENTS = 1_500
LOAD_SECONDS = 6.0
ENDED = """
SELECT count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed
FROM messages WHERE role = 'assistant' AND created_at >= $1
"""


async def measure(clients: StreamClients, effort: Effort) -> list[Measurement]:
    usual = await clients.read_in_parallel(await clients.new_rooms(CLIENTS * 8), effort.seconds)
    rounds = [await _overloaded(clients) for _ in range(min(effort.rounds, 2))]
    rate = median(each["per_second"] for each in rounds)
    worst = rounds[-1]
    lost = sum(max(each["failed"], each["accepted"] - each["completed"]) for each in rounds)
    return [
        Measurement(
            "overload-rate",
            f"replies of {DELTAS} deltas finished per second under {MANY_CLIENTS:,} clients without a pause",
            f"the rate under {CLIENTS} clients",
            Goal(at_least=0.8),
            rate / usual["per_second"],
            f"{rate:.0f}/s against {usual['per_second']:.0f}/s; {worst['streams_refused']:.0f} streams refused, "
            f"{worst['without_a_reply']} clients without a whole reply",
            rounds,
        ),
        Measurement(
            "overload-lost",
            "accepted replies that failed or did not end in the same overload",
            f"{sum(each['accepted'] for each in rounds):,} accepted",
            Goal(at_most=0.0),
            float(lost),
            f"{lost}",
            rounds,
        ),
    ]


async def _overloaded(clients: StreamClients) -> dict[str, Any]:
    """Until everything that was accepted has ended."""
    rooms = await clients.new_rooms(MANY_CLIENTS)
    refused_before = await _streams_refused(clients.deployment)
    async with clients.deployment.database() as connection:
        begun = await connection.fetchval("SELECT now()")
        started = time.monotonic()
        figures = await clients.overload(rooms, message(DELTAS), LOAD_SECONDS)
        await clients.wait_until_idle()
        seconds = time.monotonic() - started
    refused = await _streams_refused(clients.deployment) - refused_before
    async with clients.deployment.database() as connection:
        ended = await connection.fetchrow(ENDED, begun)
    return {
        "accepted": figures["accepted"]["count"],
        "completed": ended["completed"],
        "failed": ended["failed"],
        "streams_refused": refused,
        "without_a_reply": figures["errors"] + figures["unfinished"],
        "per_second": ended["completed"] / seconds,
    }


async def _streams_refused(deployment: Deployment) -> float:
    async with httpx.AsyncClient(timeout=60) as client:
        page = (await client.get(f"{deployment.api}/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "parley_http_refusals_total" and sample.labels["code"] == "overloaded"
    )
