"""The rows about replies as streams, in scale-out mode.

    async def rows(folder: Path, *, big: bool = False, effort: Effort = Effort()) -> list[Row]

It starts towns of its own in `folder`, since their model is a compiled one. With `big` there are rows more, for an
account with a million messages against a small one: those take most of the time.
"""

import asyncio
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from benchmarks import big as big_account
from benchmarks.claims import waiting_for_many, waiting_for_one
from benchmarks.reading import ALONE, CLIENTS, DELTAS, EVERY_MS, STREAMING_SECONDS, STREAMS, Site, site_up
from benchmarks.rounds import Effort
from benchmarks.row import Goal, Row
from benchmarks.wire import compiled

FULL = Effort()
FINISHED = 1_000
# Each takes a minute, and has a quarter of a million deltas.
STREAMED_ROUNDS = 2
# As many rooms of as many messages as are used of the big account.
ROOMS_USED, MESSAGES_EACH = 200, 100
# Where there is no limit to measure against.
NOTHING = "–"  # noqa: RUF001 - a dash in a table


async def rows(folder: Path, *, big: bool = False, effort: Effort = FULL) -> list[Row]:
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    wire = await compiled(folder)
    found: list[Row] = []
    async with site_up(folder / "small", wire) as small:
        found += await _first_delta(small, effort)
        found += [await _finished(small, effort), await _read(small, effort)]
        if big:
            async with site_up(folder / "big", wire) as other:
                found += await _compared(small, other, effort)
    async with site_up(folder / "streaming", wire) as streaming:
        found += await _streamed(streaming, effort)
    return found


async def _first_delta(site: Site, effort: Effort) -> list[Row]:
    rounds = [await site.read_alone(await site.new_rooms(ALONE)) for _ in range(effort.rounds)]
    figures = [
        {"p50_ms": each["first"]["p50"], "p99_ms": each["first"]["p99"], "accepted_p50_ms": each["accepted"]["p50"]}
        for each in rounds
    ]
    accepted = median(each["accepted_p50_ms"] for each in figures)
    what = (
        f"POST to first delta, p%d: model with zero latency (OpenAI-compatible), separate worker, idle, {ALONE} times"
    )
    said = {
        50: f"{{:.1f}} ms, of which {accepted:.1f} ms to the 202",
        99: "{:.1f} ms",
    }
    goals = {50: Goal(at_most=10.0, unit="ms"), 99: Goal(at_most=40.0, unit="ms")}
    medians = {part: median(each[f"p{part}_ms"] for each in figures) for part in goals}
    return [
        Row(f"first-delta-p{part}", what % part, NOTHING, goals[part], value, said[part].format(value), figures)
        for part, value in medians.items()
    ]


async def _finished(site: Site, effort: Effort) -> Row:
    await (await waiting_for_many(site.town, FINISHED // 4)).written_per_second()
    figures = []
    for _ in range(effort.rounds):
        raw = await (await waiting_for_many(site.town, FINISHED)).claimed_per_second()
        parley = await (await waiting_for_many(site.town, FINISHED)).written_per_second()
        figures.append({"ratio": parley / raw, "parley": parley, "raw": raw})
    rates = [median(each[name] for each in figures) for name in ("parley", "raw")]
    return Row(
        "replies-finished",
        f"replies finished per second, offline model without a pause, one worker process, {FINISHED} waiting",
        "claims and final writes by raw asyncpg, on as many connections",
        Goal(at_least=0.20),
        median(each["ratio"] for each in figures),
        "{:,.0f}/s against {:,.0f}/s".format(*rates),
        figures,
    )


async def _read(site: Site, effort: Effort) -> Row:
    rounds = [await site.read_together(await site.new_rooms(CLIENTS * 8), effort.seconds) for _ in range(effort.rounds)]
    value = median(each["per_second"] for each in rounds)
    first = median(each["first"]["p50"] for each in rounds)
    return Row(
        "replies-read",
        f"replies of {DELTAS} deltas finished and read as streams, {CLIENTS} clients, zero-latency OpenAI-compatible "
        "server, API and one worker",
        "a gateway proxy that stores nothing: 36/s",
        Goal(at_least=108.0, unit="/s"),
        value,
        f"{value:.0f}/s, first delta after {first:.0f} ms (p50)",
        rounds,
    )


async def _streamed(site: Site, effort: Effort) -> list[Row]:
    rounds: list[dict[str, Any]] = []
    failed = 0
    # What a round that was too much leaves to do would be in the way of the next.
    while len(rounds) < min(effort.rounds, STREAMED_ROUNDS) and not failed:
        rounds.append(await site.stream(await site.new_rooms(STREAMS)))
        failed = rounds[-1]["errors"] + rounds[-1]["unfinished"] + rounds[-1]["miscounted"]
        failed = failed or int(not rounds[-1]["steady"]["count"])
    late = STREAMING_SECONDS * 1_000 if failed else median(each["steady"]["p99"] for each in rounds)
    used = ", ".join(f"{name} {share:.0f}" for name, share in rounds[-1]["cpu_percent"].items())
    trouble = f" and more: {failed} of {STREAMS} replies did not come whole by then" if failed else ""
    what = f"{STREAMS:,} replies streaming at {1_000 // EVERY_MS} deltas a second"
    return [
        Row(
            "delta-lag",
            f"the model's own delta to the client's socket, p99, {what}",
            "a bare pipe of the same path: 7 ms",
            Goal(at_most=50.0, unit="ms"),
            late,
            f"{late:,.0f} ms{trouble}; % of a core: {used}",
            rounds,
        ),
        Row(
            "streaming-memory",
            f"resident memory of the API, {what}",
            "a bare pipe of the same path: 112 MB",
            Goal(at_most=160.0, unit="MB"),
            median(each["api_mb"] for each in rounds),
            f"{median(each['api_mb'] for each in rounds):.0f} MB"
            + (f"; means little: {failed} failed" if failed else ""),
            [{"api_mb": each["api_mb"]} for each in rounds],
        ),
    ]


async def _compared(small: Site, big: Site, effort: Effort) -> list[Row]:
    """In rooms that are equally long on both sides, in turn."""
    few = Site(small.town, small.wire, small.model, "small@example.com")
    many = Site(big.town, big.wire, big.model, big_account.EMAIL)
    made = await big_account.fill(few.town, few.email, rooms=ROOMS_USED, messages=ROOMS_USED * MESSAGES_EACH)
    sides = [(few, made), (many, (await big_account.fill(many.town, many.email))[:ROOMS_USED])]
    # The first round is the warm-up.
    rounds = [
        {site.email: await _all_of(site, rooms, effort) for site, rooms in sides} for _ in range(effort.rounds + 1)
    ]
    names = {
        "first-delta": "POST to first delta, p50",
        "replies-finished": "replies finished per second",
        "replies-read": "replies read as streams",
    }
    return [_slower(name, what, rounds[1:], few.email, many.email) for name, what in names.items()]


async def _all_of(site: Site, rooms: list[UUID], effort: Effort) -> dict[str, float]:
    """Everything as a time, so that more is slower."""
    alone = await site.read_alone(rooms, ALONE // 2)
    together = await site.read_together(rooms, effort.seconds)
    written = await (await waiting_for_one(site.town, site.email, FINISHED // 2)).written_per_second()
    return {
        "first-delta": alone["first"]["p50"],
        "replies-finished": 1_000 / written,
        "replies-read": 1_000 / together["per_second"],
    }


def _slower(name: str, what: str, rounds: list[dict[str, dict[str, float]]], few: str, many: str) -> Row:
    figures = [
        {"slower": each[many][name] / each[few][name], few: each[few][name], many: each[many][name]} for each in rounds
    ]
    times = [median(each[email] for each in figures) for email in (many, few)]
    return Row(
        f"{name}-big",
        f"{what}: how many times slower in an account with a million messages in 10,000 rooms",
        "an account with 200 rooms as long",
        Goal(at_most=1.3),
        median(each["slower"] for each in figures),
        "{:.1f} ms against {:.1f} ms a reply".format(*times),
        figures,
    )
