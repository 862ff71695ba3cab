"""The same requests for an account with a million messages in ten thousand rooms and for a small one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from statistics import median

from benchmarks import history, posting, rooms
from benchmarks.filled_account import FilledAccount
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort, LoadRun, alternate

GOAL = Goal(at_most=1.2, unit="times")
LARGE = "; 1,000,000 messages and 10,000 rooms in the account"
BASELINE = "the same with a small database; how many times slower"
MEASURED: dict[str, tuple[str, Callable[[FilledAccount], Awaitable[LoadRun]]]] = {
    "rooms": ("GET /chatroom, cached, 20 rooms", rooms.cached),
    "rooms-304": ("GET /chatroom with If-None-Match: 304", rooms.unchanged),
    "history": ("GET history page of 50", history.page),
    # Last, since it empties the cache of rooms.
    "post": ("POST message accepted, 64 connections of one account", posting.one_account),
}


async def measure(small: FilledAccount, large: FilledAccount, effort: Effort) -> list[Measurement]:
    # A difference of a third is visible after a short time.
    shorter = replace(effort, seconds=min(effort.seconds, 2.0))
    return [await _slowdown(name, small, large, shorter) for name in MEASURED]


async def _slowdown(name: str, small: FilledAccount, large: FilledAccount, effort: Effort) -> Measurement:
    what, load = MEASURED[name]
    rounds = await alternate(effort, {"small": await load(small), "large": await load(large)})
    figures = [
        {"slowdown": each["small"].rate / each["large"].rate, "small": each["small"].rate, "large": each["large"].rate}
        for each in rounds
    ]
    rates, baselines = median(each["large"] for each in figures), median(each["small"] for each in figures)
    value = median(each["slowdown"] for each in figures)
    return Measurement(
        f"{name}-large", what + LARGE, BASELINE, GOAL, value, f"{rates:,.0f}/s against {baselines:,.0f}/s", figures
    )
