"""The same requests of an account with a million messages in ten thousand rooms, and of one in a small database."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from statistics import median

from benchmarks import history, posting, rooms
from benchmarks.place import Place
from benchmarks.rounds import Effort, Measure, in_turn
from benchmarks.row import Goal, Row

GOAL = Goal(at_most=1.3, unit="times")
LARGE = "; 1,000,000 messages and 10,000 rooms in the account"
AGAINST = "the same with a small database; how many times slower"
MEASURED: dict[str, tuple[str, Callable[[Place], Awaitable[Measure]]]] = {
    "rooms": ("GET /chatroom, cached, 20 rooms", rooms.cached),
    "rooms-304": ("GET /chatroom with If-None-Match: 304", rooms.unchanged),
    "history": ("GET history page of 50", history.page),
    # Last: it empties the cache of rooms.
    "post": ("POST message accepted, 64 connections of one account", posting.one_account),
}


async def rows(small: Place, big: Place, effort: Effort) -> list[Row]:
    # A difference of a third shows soon enough.
    shorter = replace(effort, seconds=min(effort.seconds, 2.0))
    return [await _slower(name, small, big, shorter) for name in MEASURED]


async def _slower(name: str, small: Place, big: Place, effort: Effort) -> Row:
    what, measure = MEASURED[name]
    rounds = await in_turn(effort, {"small": await measure(small), "big": await measure(big)})
    figures = [
        {"slower": each["small"].rate / each["big"].rate, "small": each["small"].rate, "big": each["big"].rate}
        for each in rounds
    ]
    rates, limits = median(each["big"] for each in figures), median(each["small"] for each in figures)
    value = median(each["slower"] for each in figures)
    return Row(f"{name}-big", what + LARGE, AGAINST, GOAL, value, f"{rates:,.0f}/s against {limits:,.0f}/s", figures)
