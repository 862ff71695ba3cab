"""Alternating rounds, so that the machine's noise affects everything that is compared alike."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from benchmarks.measurement import Goal, Measurement
from benchmarks.wrk import Load

WARM_UP_SECONDS = 1.0


class LoadRun(Protocol):
    def __call__(self, *, seconds: float) -> Awaitable[Load]: ...


@dataclass(frozen=True)
class Effort:
    """How long and how often each load runs, after a warm-up."""

    rounds: int = 3
    seconds: float = 2.0


async def alternate(effort: Effort, loads: Mapping[str, LoadRun]) -> list[dict[str, Load]]:
    """Run all loads once in each round; returns their results by name, a dict for each round."""
    for load in loads.values():
        await load(seconds=min(WARM_UP_SECONDS, effort.seconds))
    rounds = []
    for number in range(effort.rounds):
        # Every other round in reverse, so that a growing database slows all loads alike.
        order = list(loads) if number % 2 == 0 else list(loads)[::-1]
        rounds.append({name: await loads[name](seconds=effort.seconds) for name in order})
    return rounds


def ratio_measurement(
    name: str, what: str, baseline: str, goal: Goal, rounds: list[dict[str, Load]], *, of: str, to: str
) -> Measurement:
    """The rate of `of` divided by the rate of `to`: the median of the ratios of each round."""
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
    rates, baselines = median(each[of] for each in figures), median(each[to] for each in figures)
    value = median(each["ratio"] for each in figures)
    return Measurement(name, what, baseline, goal, value, f"{rates:,.0f}/s against {baselines:,.0f}/s", figures)
