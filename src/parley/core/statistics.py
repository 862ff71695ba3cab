"""What an operator sees of each day: how many signed up, wrote and failed, and what models read and wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from uuid import UUID

# How often what happened is added to its day, which is how far the statistics are behind.
COLLECT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class TokenSums:
    """The tokens of a model. `cost_of_priced` is what `priced` ones of them cost, in billionths of a US dollar."""

    input: int = 0
    output: int = 0
    priced: int = 0
    cost_of_priced: int = 0

    @property
    def cost(self) -> int | None:
        """What all of them cost; None if the price of some is not known."""
        return self.cost_of_priced if self.priced == self.input + self.output else None


@dataclass(frozen=True, slots=True)
class DayStatistics:
    """One UTC day.

    `messages` are those whose replies have ended, `tokens` by model what all attempts cost, also failed ones,
    `failures` by code the replies that failed for good, and `plans` the accounts on each plan at the end of the day,
    or now.
    """

    day: date
    signups: int = 0
    active_accounts: int = 0
    messages: int = 0
    tokens: Mapping[str, TokenSums] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    plans: Mapping[str, int] = field(default_factory=dict)


class Statistics(Protocol):
    """Numbers of days. What is counted of an account remains when that is erased."""

    async def collect(self, holder: UUID, *, now: datetime) -> int:
        """Add what was noted since the last time to its days, each once, and count active accounts and plans.

        Returns how many notes there were. One `holder` at a time does it; for others it is a no-op.
        """

    async def since(self, first: date) -> list[DayStatistics]:
        """The days from `first` on of which there is anything, in no particular order."""


async def read_statistics(statistics: Statistics, *, days: int, now: datetime) -> list[DayStatistics]:
    """The last `days` days, today first; days without anything are included."""
    today = now.astimezone(UTC).date()
    wanted = [today - timedelta(days=age) for age in range(days)]
    known = {each.day: each for each in await statistics.since(wanted[-1])}
    return [known.get(day, DayStatistics(day)) for day in wanted]
