"""How many tokens a plan allows in a UTC day and in a calendar month, and what is left of them."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

from parley.core.plans import Plan

DAILY, MONTHLY = "tokens-daily", "tokens-monthly"


def month_of(day: date) -> date:
    """The first day of its calendar month."""
    return day.replace(day=1)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that were used, and those that unfinished replies have reserved."""

    used: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class TokenAllowance:
    """What a plan allows in the time from `begins_on` to `resets_at`, and what of it is gone. None is no limit.

    `policy` is its name in the headers of the quota.
    """

    policy: str
    limit: int | None
    tokens: Tokens
    begins_on: date
    resets_at: datetime

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.tokens.used - self.tokens.reserved)

    def with_reserved(self, tokens: int) -> Self:
        """The same after so many tokens more have been reserved."""
        return replace(self, tokens=replace(self.tokens, reserved=self.tokens.reserved + tokens))


def token_allowances(plan: Plan, today: date, *, day: Tokens, month: Tokens) -> tuple[TokenAllowance, TokenAllowance]:
    """Those of the day and of the month."""
    begin = month_of(today)
    next_month = month_of(begin + timedelta(days=31))
    return (
        TokenAllowance(DAILY, plan.tokens_per_day, day, today, _midnight(today + timedelta(days=1))),
        TokenAllowance(MONTHLY, plan.tokens_per_month, month, begin, _midnight(next_month)),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
