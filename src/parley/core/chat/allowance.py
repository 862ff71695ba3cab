"""What is left of an account's quota."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from parley.core.token_limits import TokenAllowance


@dataclass(frozen=True, slots=True)
class Allowance:
    """The day's quota of messages, the present one included, and of tokens, empty on a plan that does not limit them.

    `limit` and `remaining` are None on a plan that does not limit messages.
    """

    limit: int | None
    remaining: int | None
    resets_at: datetime
    tokens: tuple[TokenAllowance, ...] = ()

    @property
    def used_up_tokens(self) -> tuple[TokenAllowance, ...]:
        return tuple(each for each in self.tokens if each.remaining == 0)

    @property
    def with_one_back(self) -> "Allowance":
        """The quota without the present message."""
        remaining = None if self.remaining is None else self.remaining + 1
        return replace(self, remaining=remaining)

    def with_tokens(self, tokens: Iterable[TokenAllowance]) -> "Allowance":
        """The same with those of these that are limited."""
        return replace(self, tokens=tuple(each for each in tokens if each.limit is not None))

    def with_reserved(self, tokens: int) -> "Allowance":
        return replace(self, tokens=tuple(each.with_reserved(tokens) for each in self.tokens))
