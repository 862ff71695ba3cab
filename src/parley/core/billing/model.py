"""Plans and what they allow."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

HISTORY_DAYS = 30


class Plan(str, Enum):
    BASIC = "basic"
    PRO = "pro"


def daily_limit(plan: Plan, *, basic: int) -> int | None:
    """The messages that the plan allows in a UTC day; None is without limit."""
    return basic if plan is Plan.BASIC else None


@dataclass(frozen=True, slots=True)
class DayUsage:
    day: date
    used: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The day's quota, and the last HISTORY_DAYS days with this one first. `limit` is None on a plan without one."""

    plan: Plan
    limit: int | None
    resets_at: datetime
    history: tuple[DayUsage, ...]

    @property
    def today(self) -> DayUsage:
        return self.history[0]

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.today.used)
