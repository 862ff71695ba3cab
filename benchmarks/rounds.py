"""Rounds in which all that is compared is measured once, in turn, so that the machine's noise hits everything."""

from collections.abc import Awaitable
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from benchmarks.row import Goal, Row
from benchmarks.wrk import Load

WARM_UP_SECONDS = 1.0


class Measure(Protocol):
    def __call__(self, *, seconds: float) -> Awaitable[Load]: ...


@dataclass(frozen=True)
class Effort:
    """How long each figure is measured, and how often. A warm-up comes before."""

    rounds: int = 3
    seconds: float = 2.0


async def in_turn(effort: Effort, measures: dict[str, Measure]) -> list[dict[str, Load]]:
    for measure in measures.values():
        await measure(seconds=min(WARM_UP_SECONDS, effort.seconds))
    rounds = []
    for number in range(effort.rounds):
        # Back and forth, so that what grows meanwhile is to nobody's disadvantage.
        order = list(measures) if number % 2 == 0 else list(reversed(measures))
        rounds.append({name: await measures[name](seconds=effort.seconds) for name in order})
    return rounds


def ratio_row(
    name: str, what: str, against: str, goal: Goal, rounds: list[dict[str, Load]], *, of: str, to: str
) -> Row:
    """How many times the rate of `to` that of `of` is: the median of the rounds' own ratios."""
    figures = [
        {
            "ratio": each[of].rate / each[to].rate,
            of: each[of].rate,
            to: each[to].rate,
            "p99_ms": each[of].p99_ms,
            "max_ms": each[of].max_ms,
        }
        for each in rounds
    ]
    rates, limits = median(each[of] for each in figures), median(each[to] for each in figures)
    value = median(each["ratio"] for each in figures)
    return Row(name, what, against, goal, value, f"{rates:,.0f}/s against {limits:,.0f}/s", figures)
