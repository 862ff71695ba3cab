"""Limits on replies that an operator sets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """All durations in seconds. `attempts` counts the model's failures, not the deaths of workers."""

    first_token: float
    idle: float
    total: float
    attempts: int
    lease: float
    context_characters: int
    max_pending: int
