"""The same requests for an account with a million messages in ten thousand rooms and for a small one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from statistics import median

from benchmarks import branches, history, posting, rooms, search
from benchmarks.filled_account import FilledAccount
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort, LoadRun, alternate

GOAL = Goal(at_most=1.2, unit="times")
LARGE = "; 1,000,000 messages and 10,000 rooms in the account"
BASELINE = "the same with a small database; how many times slower"
MEASURED: dict[str, tuple[str, Callable[[FilledAccount], Awaitable[LoadRun]]]] = {
    "rooms": ("GET /chatroom, cached, 20 rooms", rooms.cached),
    "rooms-304": ("GET /chatroom with If-None-Match: 304", rooms.unchanged),
    "rooms-uncached": ("GET /chatroom, second page of 9 rooms", rooms.uncached),
    "history": ("GET history page of 50", history.page),
    "branch": ("GET history page of 50 of another branch, across a fork", branches.other_branch),
    "switch": ("PUT head, one connection", branches.switched),
    "search-common": ("GET /search, a word of every second message, one connection", search.common_word),
    "search-rare": ("GET /search, a word of fifty messages, one connection", search.rare_word),
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
        {
            "slowdown": each["small"].rate / each["large"].rate,
            "small": each["small"].rate,
            "large": each["large"].rate,
            "large_p50_ms": each["large"].p50_ms,
        }
        for each in rounds
    ]
    rates, baselines = median(each["large"] for each in figures), median(each["small"] for each in figures)
    value = median(each["slowdown"] for each in figures)
    p50 = median(each["large_p50_ms"] for each in figures)
    summary = f"{rates:,.0f}/s against {baselines:,.0f}/s, p50 {p50:.1f} ms"
    return Measurement(f"{name}-large", what + LARGE, BASELINE, GOAL, value, summary, figures)
