"""Replies read as streams, in scale-out mode."""

import asyncio
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from benchmarks import completions, cost, overload, sample_data
from benchmarks.claims import pending_of_many_accounts, pending_of_one_account
from benchmarks.load_generator import compiled
from benchmarks.measurement import NOTHING, Goal, Measurement
from benchmarks.rounds import Effort
from benchmarks.stream_clients import (
    CLIENTS,
    DELTAS,
    EVERY_MS,
    SEQUENTIAL_REPLIES,
    STREAMING_SECONDS,
    STREAMS,
    StreamClients,
    running_stream_clients,
)

FULL = Effort()
FINISHED = 1_000
# Each takes a minute and streams 300,000 deltas.
STREAMED_ROUNDS = 2
MORE_STREAMS = 1_500
# The number of rooms used, and of messages in each, in both accounts.
ROOMS_USED, MESSAGES_EACH = 200, 100
SMALL_EMAIL = "small@example.com"


async def measure(folder: Path, *, large: bool = False, effort: Effort = FULL) -> list[Measurement]:
    """Runs deployments in `folder`. `large` adds an account with a million messages, which takes most of the time."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    generator = await compiled(folder)
    found: list[Measurement] = []
    async with running_stream_clients(folder / "small", generator) as small:
        found += await _first_delta(small, effort)
        found += [await _finished(small, effort), await _read(small, effort)]
        found += await cost.measure(small, effort)
        found += await completions.measure(small, effort)
        if large:
            async with running_stream_clients(folder / "large", generator) as other:
                found += await _compared(small, other, effort)
    async with running_stream_clients(folder / "streaming", generator) as streaming:
        found += await _streamed(streaming, effort)
        found.append(await _streamed_more(streaming))
        found += await overload.measure(streaming, effort)
    return found


async def _first_delta(clients: StreamClients, effort: Effort) -> list[Measurement]:
    rounds = [
        await clients.read_sequentially(await clients.new_rooms(SEQUENTIAL_REPLIES)) for _ in range(effort.rounds)
    ]
    figures = [
        {"p50_ms": each["first"]["p50"], "p99_ms": each["first"]["p99"], "accepted_p50_ms": each["accepted"]["p50"]}
        for each in rounds
    ]
    accepted = median(each["accepted_p50_ms"] for each in figures)
    what = (
        "POST to first delta, p%d: model with zero latency (OpenAI-compatible), separate worker, idle, "
        f"{SEQUENTIAL_REPLIES} times"
    )
    summary = {
        50: f"{{:.1f}} ms, of which {accepted:.1f} ms to the 202",
        99: "{:.1f} ms",
    }
    goals = {50: Goal(at_most=10.0, unit="ms"), 99: Goal(at_most=40.0, unit="ms")}
    medians = {part: median(each[f"p{part}_ms"] for each in figures) for part in goals}
    return [
        Measurement(
            f"first-delta-p{part}", what % part, NOTHING, goals[part], value, summary[part].format(value), figures
        )
        for part, value in medians.items()
    ]


async def _finished(clients: StreamClients, effort: Effort) -> Measurement:
    await (await pending_of_many_accounts(clients.deployment, FINISHED // 4)).written_per_second()
    figures = []
    for _ in range(effort.rounds):
        raw = await (await pending_of_many_accounts(clients.deployment, FINISHED)).claimed_per_second()
        parley = await (await pending_of_many_accounts(clients.deployment, FINISHED)).written_per_second()
        figures.append({"ratio": parley / raw, "parley": parley, "raw": raw})
    rates = [median(each[name] for each in figures) for name in ("parley", "raw")]
    return Measurement(
        "replies-finished",
        f"replies finished per second, offline model without a pause, one worker process, {FINISHED} waiting",
        "claims and final writes by raw asyncpg, on as many connections",
        Goal(at_least=0.25),
        median(each["ratio"] for each in figures),
        "{:,.0f}/s against {:,.0f}/s".format(*rates),
        figures,
    )


async def _read(clients: StreamClients, effort: Effort) -> Measurement:
    rounds = [
        await clients.read_in_parallel(await clients.new_rooms(CLIENTS * 8), effort.seconds)
        for _ in range(effort.rounds)
    ]
    value = median(each["per_second"] for each in rounds)
    first = median(each["first"]["p50"] for each in rounds)
    return Measurement(
        "replies-read",
        f"replies of {DELTAS} deltas finished and read as streams, {CLIENTS} clients, zero-latency OpenAI-compatible "
        "server, API and one worker",
        "a gateway proxy that stores nothing: 36/s",
        Goal(at_least=108.0, unit="/s"),
        value,
        f"{value:.0f}/s, first delta after {first:.0f} ms (p50)",
        rounds,
    )


async def _streamed(clients: StreamClients, effort: Effort) -> list[Measurement]:
    rounds: list[dict[str, Any]] = []
    failed = 0
    # Unfinished work of a failed round would disturb the next.
    while len(rounds) < min(effort.rounds, STREAMED_ROUNDS) and not failed:
        rounds.append(await clients.stream(await clients.new_rooms(STREAMS)))
        failed = rounds[-1]["errors"] + rounds[-1]["unfinished"] + rounds[-1]["miscounted"]
        failed = failed or int(not rounds[-1]["steady"]["count"])
    late = STREAMING_SECONDS * 1_000 if failed else median(each["steady"]["p99"] for each in rounds)
    used = ", ".join(f"{name} {share:.0f}" for name, share in rounds[-1]["cpu_percent"].items())
    trouble = f" and more: {failed} of {STREAMS} replies did not come whole by then" if failed else ""
    what = f"{STREAMS:,} replies streaming at {1_000 // EVERY_MS} deltas a second"
    return [
        Measurement(
            "delta-lag",
            f"the model's own delta to the client's socket, p99, {what}",
            "a bare pipe of the same path: 7 ms",
            Goal(at_most=50.0, unit="ms"),
            late,
            f"{late:,.0f} ms{trouble}; % of a core: {used}",
            rounds,
        ),
        Measurement(
            "streaming-memory",
            f"resident memory of the API, {what}",
            "a bare pipe of the same path: 112 MB",
            Goal(at_most=140.0, unit="MB"),
            median(each["api_mb"] for each in rounds),
            f"{median(each['api_mb'] for each in rounds):.0f} MB"
            + (f"; means little: {failed} failed" if failed else ""),
            [{"api_mb": each["api_mb"]} for each in rounds],
        ),
    ]


async def _streamed_more(clients: StreamClients) -> Measurement:
    figures = await clients.stream(await clients.new_rooms(MORE_STREAMS), STREAMING_SECONDS * 2)
    failed = figures["errors"] + figures["unfinished"] + figures["miscounted"]
    late = STREAMING_SECONDS * 2_000 if failed or not figures["steady"]["count"] else figures["steady"]["p99"]
    return Measurement(
        "delta-lag-more",
        f"the same, {MORE_STREAMS:,} replies",
        NOTHING,
        Goal(at_most=250.0, unit="ms"),
        late,
        f"{late:,.0f} ms" + (f" and more: {failed} replies did not come whole" if failed else ", all whole"),
        [figures],
    )


async def _compared(small: StreamClients, large: StreamClients, effort: Effort) -> list[Measurement]:
    """In rooms of equal length in both accounts, alternating."""
    messages = ROOMS_USED * MESSAGES_EACH
    small_rooms = await sample_data.fill(small.deployment, SMALL_EMAIL, rooms=ROOMS_USED, messages=messages)
    large_rooms = (await sample_data.fill(large.deployment, sample_data.EMAIL))[:ROOMS_USED]
    sides = [(SMALL_EMAIL, small, small_rooms), (sample_data.EMAIL, large, large_rooms)]
    # The first round is the warm-up.
    rounds = [
        {email: await _all_of(clients, email, room_ids, effort) for email, clients, room_ids in sides}
        for _ in range(effort.rounds + 1)
    ]
    names = {
        "first-delta": "POST to first delta, p50",
        "replies-finished": "replies finished per second",
        "replies-read": "replies read as streams",
    }
    return [_slowdown(name, what, rounds[1:]) for name, what in names.items()]


async def _all_of(clients: StreamClients, email: str, room_ids: list[UUID], effort: Effort) -> dict[str, float]:
    """Everything as a time, so that more means slower."""
    rooms = await clients.rooms_of(email, room_ids)
    sequential = await clients.read_sequentially(rooms, SEQUENTIAL_REPLIES // 2)
    parallel = await clients.read_in_parallel(rooms, effort.seconds)
    written = await (await pending_of_one_account(clients.deployment, email, FINISHED // 2)).written_per_second()
    return {
        "first-delta": sequential["first"]["p50"],
        "replies-finished": 1_000 / written,
        "replies-read": 1_000 / parallel["per_second"],
    }


def _slowdown(name: str, what: str, rounds: list[dict[str, dict[str, float]]]) -> Measurement:
    figures = [{"small": each[SMALL_EMAIL][name], "large": each[sample_data.EMAIL][name]} for each in rounds]
    figures = [each | {"slowdown": each["large"] / each["small"]} for each in figures]
    times = [median(each[side] for each in figures) for side in ("large", "small")]
    return Measurement(
        f"{name}-large",
        f"{what}: how many times slower in an account with a million messages in 10,000 rooms",
        "an account with 200 rooms as long",
        Goal(at_most=1.2),
        median(each["slowdown"] for each in figures),
        "{:.1f} ms against {:.1f} ms a reply".format(*times),
        figures,
    )
