"""The tokens that an attempt at a reply cost."""

from dataclasses import dataclass
from typing import Self

MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The tokens that an attempt cost, as far as its provider counted them: None where it did not.

    `cached_input_tokens` are part of `input_tokens`, `reasoning_tokens` of `output_tokens`. Counts come as servers
    send them; one that is no whole number from 0 to MOST_TOKENS cannot be stored and becomes None.
    """

    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            count = getattr(self, name)
            if count is not None and (type(count) is not int or not 0 <= count <= MOST_TOKENS):
                object.__setattr__(self, name, None)


@dataclass(frozen=True, slots=True)
class Spent:
    """The tokens that count for an attempt; `estimated` of them are not the provider's count.

    `cost` is in billionths of a US dollar; None where it is not known.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: int = 0
    cost: int | None = None

    @classmethod
    def of(cls, usage: TokenUsage | None, *, asked: int = 0, written: int = 0) -> Self:
        """What the provider counted; `asked` and `written` are estimates of what it did not count."""
        counted = usage or TokenUsage(None, None)
        read = asked if counted.input_tokens is None else counted.input_tokens
        wrote = written if counted.output_tokens is None else counted.output_tokens
        return cls(read, wrote, read + wrote - (counted.input_tokens or 0) - (counted.output_tokens or 0))
